//! The commands that change something, each with what is there before it.

use std::path::Path;

use anyhow::{Context as _, Result};

/// The words of a command.
pub type Words = &'static [&'static str];

/// A value that no output may show.
pub const CANARY: &str = "kanarienvogel-7f3b";
/// The ClusterQueue of all this. Its nodes do not exist, so that no Job ends before the same command comes again.
pub const QUEUE: &str = "never-runs";
/// The name of every workload.
pub const NAME: &str = "w";

/// A command under test.
pub struct Scenario {
    pub name: &'static str,
    /// What is run before, undisturbed.
    pub before: &'static [Words],
    pub command: Words,
    /// Exit codes of a run that met a fault, besides those of the fault.
    pub codes: &'static [i32],
    /// Exit codes of the same command again.
    pub again: &'static [i32],
}

impl Scenario {
    const fn new(name: &'static str, before: &'static [Words], command: Words) -> Self {
        Self {
            name,
            before,
            command,
            codes: &[],
            again: &[0],
        }
    }

    /// It waits until its workload is gone; that it is gone is what the second run says.
    const fn deleting(name: &'static str, before: &'static [Words]) -> Self {
        Self {
            codes: &[124],
            again: &[0, 3],
            ..Self::new(name, before, DELETE)
        }
    }
}

const DELETE: Words = &["delete", NAME, "-y", "--timeout", "15s"];
const JOB: Words = &[
    "submit", "-p", "hello", "-g", "1", "--name", NAME, "-q", QUEUE,
];
const OTHER_JOB: Words = &[
    "submit",
    "-p",
    "hello",
    "-g",
    "2",
    "--name",
    NAME,
    "-q",
    QUEUE,
    "--replace",
];
const V1: Words = &[
    "serve",
    "-p",
    "chat",
    "-i",
    "registry/chat:1",
    "-g",
    "0",
    "--name",
    NAME,
    "--port",
    "8080",
    "--autoscale=1-2",
    "--target-cpu=70",
    "--min-available",
    "1",
];
const V2: Words = &[
    "serve",
    "-p",
    "other",
    "-i",
    "registry/chat:2",
    "-g",
    "0",
    "--name",
    NAME,
    "--port",
    "9090",
];
const RAY_1: Words = &[
    "serve",
    "-p",
    "llm",
    "--ray",
    "-g",
    "1",
    "--gpu-resource=amd.com/gpu",
    "--name",
    NAME,
];
const RAY_2: Words = &[
    "serve",
    "-p",
    "llm2",
    "--ray",
    "-g",
    "1",
    "--gpu-resource=amd.com/gpu",
    "--name",
    NAME,
    "-i",
    "registry/ray:2",
];
const WORKSPACE: Words = &[
    "serve",
    "-m",
    "phi-4",
    "--instance-type",
    "Standard_NC24ads_A100_v4",
    "--name",
    NAME,
];

/// All of them.
pub const ALL: &[Scenario] = &[
    Scenario::new("submit Job", &[], JOB),
    Scenario::new("serve Deployment", &[], V1),
    Scenario::new("serve again, Deployment", &[V1], V2),
    Scenario::new(
        "serve --rollback",
        &[V1, V2],
        &["serve", "--rollback", NAME],
    ),
    Scenario::new(
        "submit RayJob",
        &[],
        &[
            "submit", "-p", "hello", "--ray", "-g", "2", "--name", NAME, "-q", QUEUE,
        ],
    ),
    Scenario::new(
        "submit Job, template",
        &[],
        &[
            "submit", "-p", "made", "-g", "1", "--name", NAME, "-q", QUEUE,
        ],
    ),
    Scenario::new(
        "submit CronJob",
        &[],
        &[
            "submit",
            "-p",
            "hello",
            "-g",
            "1",
            "--schedule=0 3 * * *",
            "--name",
            NAME,
            "-q",
            QUEUE,
        ],
    ),
    Scenario::new("serve RayService", &[], RAY_1),
    Scenario::new("serve Workspace", &[], WORKSPACE),
    Scenario::new(
        "serve InferenceSet",
        &[],
        &[
            "serve",
            "-m",
            "phi-4",
            "--instance-type",
            "Standard_NC24ads_A100_v4",
            "--replicas",
            "2",
            "--name",
            NAME,
        ],
    ),
    Scenario::new(
        "submit --storage",
        &[],
        &[
            "submit",
            "-p",
            "hello",
            "-g",
            "1",
            "--name",
            NAME,
            "-q",
            QUEUE,
            "--storage=1Gi",
        ],
    ),
    Scenario::new(
        "serve --keep-storage",
        &[],
        &[
            "serve",
            "-p",
            "chat",
            "-i",
            "registry/chat:1",
            "-g",
            "0",
            "--name",
            NAME,
            "--storage=1Gi",
            "--keep-storage",
        ],
    ),
    Scenario::new("submit --replace", &[JOB], OTHER_JOB),
    Scenario::new(
        "serve --replace",
        &[V1],
        &[
            "serve",
            "-p",
            "other",
            "-i",
            "registry/chat:2",
            "-g",
            "0",
            "--name",
            NAME,
            "--port",
            "9090",
            "--replace",
        ],
    ),
    Scenario::new("serve again, RayService", &[RAY_1], RAY_2),
    Scenario::deleting("delete Job", &[JOB]),
    Scenario::deleting("delete Deployment", &[V1, V2]),
    Scenario::deleting("delete Workspace", &[WORKSPACE]),
    Scenario::new("submit again, unchanged", &[JOB], JOB),
];

/// Writes the directories that these commands name.
pub fn write(scratch: &Path) -> Result<()> {
    let env = format!("envVars:\n  - name: API_TOKEN\n    value: {CANARY}\n");
    let serve = "applications:\n- name: llm\n  route_prefix: /\n  import_path: app:deployment\n";
    let files: &[(&str, &str)] = &[
        ("hello/entrypoint", "#!/bin/sh\ncat greeting\n"),
        ("hello/greeting", "good morning\n"),
        ("hello/env", &env),
        ("chat/entrypoint", "#!/bin/sh\nexec python server.py\n"),
        ("chat/server.py", "print(1)\n"),
        ("chat/env", &env),
        (
            "other/entrypoint",
            "#!/bin/sh\nexec python server.py --fast\n",
        ),
        ("other/server.py", "print(2)\n"),
        ("llm/__init__.py", "deployment = 1\n"),
        ("llm/serveconfig", serve),
        ("llm2/__init__.py", "deployment = 2\n"),
        ("llm2/serveconfig", serve),
        ("made/entrypoint", "#!/bin/sh\necho made\n"),
        ("made/template", TEMPLATE),
        ("home/.keep", ""),
    ];
    for (name, text) in files {
        let file = scratch.join(name);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&file, text)
            .with_context(|| format!("failed to write {}", file.display()))?;
    }
    Ok(())
}

/// A Job with a Service and a ConfigMap of its own.
pub const TEMPLATE: &str = r#"apiVersion: batch/v1
kind: Job
metadata:
  name: {{ Meta.Name }}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: workload
        image: registry/made:1
        command: [sh, -c, "echo made"]
        resources:
          limits: {cpu: 1, memory: 1Gi, amd.com/gpu: 1}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ Meta.Name ~ "-metrics" }}
spec:
  selector: {app: {{ Meta.Name }}}
  ports:
  - {name: metrics, port: 9100}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ Meta.Name ~ "-settings" }}
data:
  colour: blue
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_name_of_its_own() {
        let mut names: Vec<&str> = ALL.iter().map(|scenario| scenario.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
