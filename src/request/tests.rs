use super::*;
use crate::error::CommandError;
use crate::plan::request::{Run, WorkloadRequest};
use crate::settings::{Origin, Settings};
use crate::workload::entrypoint::Entrypoint;

/// A machine with one directory, `train`, which holds an entrypoint.
struct Fake;

impl Inputs for Fake {
    fn env_file(
        &self,
        _: Option<&Path>,
        _: Option<&Path>,
    ) -> Result<Option<(PathBuf, String)>, WorkloadError> {
        Ok(Some((
            PathBuf::from("train/env"),
            "envVars:\n- name: TOKEN\n  value: abc\n".to_owned(),
        )))
    }

    fn directory(
        &self,
        path: &Path,
        _: Option<&Path>,
        _: ByteSize,
    ) -> Result<WorkloadDirectory, WorkloadError> {
        let entrypoint = Entrypoint::parse(path, b"python main.py\n".to_vec())?;
        Ok(WorkloadDirectory {
            entrypoint: Some(entrypoint),
            files: Vec::new(),
            left_out: vec![".git".to_owned()],
        })
    }

    fn template(
        &self,
        _: Option<&Path>,
        _: Option<&Path>,
    ) -> Result<Option<CustomTemplate>, WorkloadError> {
        Ok(None)
    }

    fn custom_config(&self, _: &Path) -> Result<CustomConfig, WorkloadError> {
        panic!("no template reads it")
    }

    fn serve_config(&self, _: &Path) -> Result<Option<String>, WorkloadError> {
        Ok(None)
    }

    fn text(&self, _: &Path) -> Result<String, FileError> {
        panic!("nothing names it")
    }

    fn is_directory(&self, _: &Path) -> bool {
        false
    }

    fn base_name(&self, path: &Path) -> String {
        path.display().to_string()
    }

    fn login_name(&self) -> String {
        "alice".to_owned()
    }

    fn random_word(&self, length: usize) -> String {
        "x".repeat(length)
    }
}

type Build = fn(Typed<'_>, &Merged, &mut Vec<Note>) -> Result<WorkloadRequest, CommandError>;

/// Settings of the command line, and of the user's own file.
fn merged(flags: &str, file: &str) -> Merged {
    let parsed = |text| Settings::parse_file(Path::new("config.yaml"), text).unwrap();
    let user = Origin::User(PathBuf::from("config.yaml"));
    Merged::merge([(Origin::Flag, parsed(flags)), (user, parsed(file))])
}

fn built(
    build: Build,
    path: Option<&str>,
    settings: &Merged,
) -> Result<(WorkloadRequest, Vec<Note>), String> {
    let typed = Typed {
        path: path.map(Path::new),
        command: &[],
        inputs: &Fake,
    };
    let mut notes = Vec::new();
    match build(typed, settings, &mut notes) {
        Ok(request) => Ok((request, notes)),
        Err(error) => Err(error.error.to_string()),
    }
}

#[test]
fn a_directory_becomes_a_job() {
    let settings = merged("gpus: 16\ngenerateName: true", "");
    let (request, notes) = built(submit::request, Some("train"), &settings).unwrap();
    assert_eq!(request.kind, WorkloadKind::Job);
    assert_eq!(request.name, "alice-train-xxxxx");
    assert_eq!(request.namespace, DEFAULT_NAMESPACE);
    assert_eq!(request.queue.as_deref(), Some(DEFAULT_QUEUE));
    assert_eq!(request.gpus.total, Some(16));
    assert!(matches!(request.run, Run::Script(_)));
    assert_eq!(request.environment.value("TOKEN"), Some("abc"));
    let Some(Note::Warning(warning)) = notes.first() else {
        panic!("{notes:?}");
    };
    assert!(warning.starts_with("TOKEN looks like a secret"));
    assert_eq!(notes[1], Note::Status("  not uploaded: .git".to_owned()));
}

#[test]
fn switches_and_what_is_counted_decide_the_kind() {
    for (build, settings, expected) in [
        (submit::request as Build, "image: a", WorkloadKind::Job),
        (
            submit::request,
            "schedule: 0 3 * * *\nimage: a",
            WorkloadKind::CronJob,
        ),
        (serve::request, "image: a", WorkloadKind::Deployment),
        (
            serve::request,
            "kaito: true\nimage: a\ninstanceType: Standard_NC24ads_A100_v4",
            WorkloadKind::Workspace,
        ),
        (
            serve::request,
            "model: phi-4\ninstanceType: Standard_NC24ads_A100_v4",
            WorkloadKind::Workspace,
        ),
        (
            serve::request,
            "model: phi-4\nrequestedReplicas: 2\ninstanceType: Standard_NC24ads_A100_v4",
            WorkloadKind::InferenceSet,
        ),
    ] {
        let (request, _) = built(build, None, &merged(settings, "")).unwrap();
        assert_eq!(request.kind, expected, "{settings}");
    }
}

#[test]
fn what_is_typed_is_refused_and_what_a_file_says_of_others_is_not() {
    let machine = "instanceType: Standard_NC24ads_A100_v4";
    let typed = built(serve::request, None, &merged(machine, "image: a"));
    assert_eq!(
        typed.unwrap_err(),
        "--instance-type is for KAITO, which this is not"
    );
    let (request, _) = built(serve::request, None, &merged("image: a", machine)).unwrap();
    assert_eq!(request.serving.instance_type, None);
}

#[test]
fn refusals_name_where_it_was_said() {
    for (build, settings, expected) in [
        (
            submit::request as Build,
            "gpus: 8",
            "nothing to run: neither a directory nor an image is given",
        ),
        (
            submit::request,
            "image: a\nnamespace: A",
            "namespace \"A\" (from config.yaml) cannot be",
        ),
        (
            submit::request,
            "image: a\nset: {a: b}",
            "there are values (from config.yaml) for a template, and no template: the built-in one reads none",
        ),
        (
            serve::request,
            "ray: true\nimage: a",
            "a RayService needs a directory with serveconfig",
        ),
        (
            serve::request,
            "image: a\nhealthPath: health\nport: 80",
            "health path \"health\" (from config.yaml) does not begin with /",
        ),
    ] {
        let found = built(build, None, &merged("", settings));
        assert_eq!(found.map(|_| ()), Err(expected.to_owned()), "{settings}");
    }
}
