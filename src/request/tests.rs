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
            ignored_by_git: None,
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

    fn script(&self, _: &Path) -> Result<SingleScript, WorkloadError> {
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

    fn variable(&self, name: &str) -> Option<String> {
        (name == "HF_TOKEN").then(|| "canary".to_owned())
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
    assert_eq!(typed.unwrap_err(), "--instance-type requires KAITO");
    let (request, _) = built(serve::request, None, &merged("image: a", machine)).unwrap();
    assert_eq!(request.serving.instance_type, None);
}

#[test]
fn refusals_name_where_it_was_said() {
    for (build, settings, expected) in [
        (
            submit::request as Build,
            "gpus: 8",
            "nothing to run: no directory or image given",
        ),
        (
            submit::request,
            "image: a\nset: {a: b}",
            "values (from config.yaml) would have no effect: the built-in template does not use it",
        ),
        (
            serve::request,
            "ray: true\nimage: a",
            "a RayService needs a directory with serveconfig",
        ),
    ] {
        let found = built(build, None, &merged("", settings));
        assert_eq!(found.map(|_| ()), Err(expected.to_owned()), "{settings}");
    }
}

#[test]
fn a_secret_from_here_is_told_by_a_short_mark() {
    let of = |settings: &str, user: &str| {
        built(submit::request, Some("train"), &merged(settings, user)).map(|(request, _)| request)
    };
    let request = of("secretFrom: HF_TOKEN", "").unwrap();
    let names: Vec<&str> = request.environment.local().map(|(name, _)| name).collect();
    assert_eq!(names, ["HF_TOKEN"]);
    let text = serde_json::to_string(&request).unwrap();
    assert!(text.contains("\"local\":\""), "{text}");
    assert!(!format!("{text}{request:?}").contains("canary"), "{text}");
    assert_ne!(request.digest(), of("", "").unwrap().digest());
    for (settings, said) in [
        (
            "secretFrom: [MISSING]",
            "secret-from MISSING (from the command line): the variable is not set",
        ),
        (
            "{secretFrom: HF_TOKEN, env: {HF_TOKEN: x}}",
            "secret-from HF_TOKEN (from the command line): the same variable is also set with env",
        ),
        (
            "{secretFrom: HF_TOKEN, secret: {HF_TOKEN: a/b}}",
            "secret-from HF_TOKEN (from the command line): the same variable is also set with secret",
        ),
    ] {
        assert_eq!(of(settings, "").map(|_| ()), Err(said.to_owned()));
    }
    // The directory's own file has it, and the user's only would.
    let request = of("", "secretFrom: TOKEN").unwrap();
    assert_eq!(request.environment.local().count(), 0);
}

/// Somebody may log it, or a test print it.
#[test]
fn what_may_be_secret_is_in_no_debug_output() {
    let settings = Settings::parse_file(
        Path::new("config.yaml"),
        "env: {HF_TOKEN: canary, A: canary}\nset: {key: canary}\nnotify: curl canary\n",
    )
    .unwrap();
    let flags = "env: {HF_TOKEN: canary, A: canary}";
    let merged = merged(flags, "env: {B: canary}");
    let (request, _) = built(submit::request, Some("train"), &merged).unwrap();
    assert_eq!(request.environment.value("HF_TOKEN"), Some("canary"));
    for debug in [
        format!("{settings:?}"),
        format!("{merged:?}"),
        format!("{:?}", request.environment),
        format!("{request:?}"),
    ] {
        assert!(!debug.contains("canary"), "{debug}");
        assert!(!debug.is_empty());
    }
}
