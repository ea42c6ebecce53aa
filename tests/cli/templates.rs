//! Templates of the user's own: what they see, what they may make, and what
//! is said about those that are wrong.

use serde_json::json;

use crate::common::{Outcome, Sandbox};

const JOB: &str = r#"
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ Meta.Name }}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: {{ Meta.Image }}
        command: [sh, -c, {{ "echo " ~ Custom.greeting }}]
        env:
        - name: REPLICAS
          value: "{{ Scheduling.CalculatedReplicas }}"
        resources: {{ Custom.resources | to_json }}
"#;

const CUSTOM: &str = "greeting: hello\nresources: {limits: {cpu: '1'}}\n";

fn sandbox(template: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("w/template", template);
    sandbox.write("w/train.py", "pass\n");
    sandbox.write("custom.yaml", CUSTOM);
    sandbox
}

fn dry_run(sandbox: &Sandbox, arguments: &[&str]) -> Outcome {
    sandbox.kaiwo(&[&["submit", "-p", "w", "-i", "image:1", "-d"], arguments].concat())
}

#[test]
fn a_template_sees_the_context_and_the_custom_config() {
    let sandbox = sandbox(JOB);
    let outcome = dry_run(
        &sandbox,
        &[
            "-c",
            "custom.yaml",
            "--set=greeting=it's \"you\"",
            "--set=resources.limits.memory=2Gi",
            "--label=team=ml",
            "--priority-class=high",
        ],
    )
    .exits(0);
    let job = outcome.document("Job");
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["command"],
        json!(["sh", "-c", "echo it's \"you\""])
    );
    assert_eq!(
        container["resources"],
        json!({"limits": {"cpu": "1", "memory": "2Gi"}})
    );
    assert_eq!(container["env"][0]["value"], "1");
    // What the template leaves out, kaiwo puts in.
    let labels = &job["metadata"]["labels"];
    assert_eq!(labels["kueue.x-k8s.io/queue-name"], "kaiwo");
    assert_eq!(labels["kueue.x-k8s.io/priority-class"], "high");
    assert_eq!(labels["team"], "ml");
    assert_eq!(job["metadata"]["namespace"], "kaiwo");
    assert!(job["metadata"]["annotations"]["kaiwo-cli/digest"].is_string());
    let pod_labels = &job["spec"]["template"]["metadata"]["labels"];
    assert_eq!(pod_labels["app.kubernetes.io/instance"], "alice-w");
    assert_eq!(pod_labels["kaiwo-cli/username"], "alice");
}

#[test]
fn the_digest_follows_template_and_values() {
    let sandbox = sandbox(JOB);
    let digest = |arguments: &[&str]| {
        let arguments = [&["-c", "custom.yaml"], arguments].concat();
        let job = dry_run(&sandbox, &arguments).exits(0).document("Job");
        job["metadata"]["annotations"]["kaiwo-cli/digest"].clone()
    };
    let first = digest(&[]);
    assert_eq!(digest(&[]), first);
    assert_ne!(digest(&["--set=greeting=bye"]), first);
    sandbox.write("other", format!("{JOB}\n# another\n"));
    assert_ne!(digest(&["--template=other"]), first);
    sandbox.write("same", JOB);
    assert_eq!(digest(&["-t", "same"]), first);
}

#[test]
fn files_name_templates_and_values_too() {
    let sandbox = sandbox("not this one");
    sandbox.write("w/conf/job.yaml", JOB);
    sandbox.write("w/.kaiwoignore", "conf/\n");
    sandbox.write("w/conf/custom.yaml", CUSTOM);
    sandbox.write(
        "w/kaiwoconfig",
        "template: conf/job.yaml\ncustomConfig: conf/custom.yaml\nset: {greeting: hi}\n",
    );
    let job = dry_run(&sandbox, &[]).exits(0).document("Job");
    let command = &job["spec"]["template"]["spec"]["containers"][0]["command"];
    assert_eq!(command[2], "echo hi");
    let job = sandbox
        .kaiwo(&[
            "submit",
            "-p",
            "w",
            "-i",
            "x",
            "-d",
            "--set",
            "greeting=typed",
        ])
        .exits(0)
        .document("Job");
    let command = &job["spec"]["template"]["spec"]["containers"][0]["command"];
    assert_eq!(command[2], "echo typed");
}

#[test]
fn several_documents_go_together() {
    let claim = "
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ Meta.Name ~ \"-data\" }}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
---
";
    let sandbox = sandbox(&format!("{claim}{JOB}"));
    let outcome = dry_run(&sandbox, &["-c", "custom.yaml"]).exits(0);
    let claim = outcome.document("PersistentVolumeClaim");
    assert_eq!(claim["metadata"]["name"], "alice-w-data");
    assert_eq!(claim["metadata"]["namespace"], "kaiwo");
    assert_eq!(
        claim["metadata"]["labels"]["app.kubernetes.io/instance"],
        "alice-w"
    );
    // The workload comes last: nothing it needs is made after it.
    assert_eq!(outcome.documents().last().unwrap()["kind"], "Job");
}

#[test]
fn a_template_may_include_the_built_in_parts() {
    let sandbox = sandbox(
        "apiVersion: batch/v1
kind: Job
metadata:
  {% filter indent(width=2) %}{% include \"metadata.yaml.tera\" %}{% endfilter %}
spec:
  {% filter indent(width=2) %}{% include \"job_spec.yaml.tera\" %}{% endfilter %}
",
    );
    let own = dry_run(&sandbox, &["-g", "4"]).exits(0).document("Job");
    std::fs::remove_file(sandbox.path("w/template")).unwrap();
    let built_in = dry_run(&sandbox, &["-g", "4"]).exits(0).document("Job");
    assert_eq!(own["spec"], built_in["spec"]);
}

/// Parts that came later than a template do not get in its way.
#[test]
fn a_template_may_say_itself_what_all_pods_have() {
    let sandbox = sandbox(
        "apiVersion: batch/v1
kind: Job
metadata:
  name: {{ Meta.Name }}
spec:
  template:
    spec:
      restartPolicy: Never
      enableServiceLinks: true
      {% filter indent(width=6) %}{% include \"workload_pod.yaml.tera\" %}{% endfilter %}
",
    );
    let job = dry_run(&sandbox, &["-g", "4"]).exits(0).document("Job");
    assert_eq!(job["spec"]["template"]["spec"]["enableServiceLinks"], true);
}

/// Every mistake: the template, the arguments besides, and what is said.
#[test]
fn mistakes_are_named_with_their_line() {
    let cases: &[(&str, String, &[&str], &[&str])] = &[
        (
            "a Go template",
            "kind: Job\nmetadata:\n  name: {{ .Meta.Name }}\n{{- range .Meta.EnvVars }}\n- {{ .Name }}\n{{- end }}\n".to_owned(),
            &[],
            &[
                "w/template is a Go template",
                "\n  3:9: {{ .Meta.Name }}\n",
                "\n  4:1: {{- range .Meta.EnvVars }}\n",
                "\n  6:1: {{- end }}",
                "docs/templates.md",
            ],
        ),
        (
            "quotes around a value",
            JOB.replace("{{ Meta.Name }}", "\"{{ Meta.Name }}\""),
            &["-c", "custom.yaml"],
            &["line 5: \"{{ Meta.Name }}\"  →  {{ Meta.Name }}"],
        ),
        (
            "a value within a text",
            JOB.replace("{{ Meta.Name }}", "x-{{ Meta.Name }}"),
            &["-c", "custom.yaml"],
            &["line 5: x-{{ Meta.Name }}  →  {{ \"x-\" ~ Meta.Name }}"],
        ),
        (
            "an undefined name",
            JOB.replace("Meta.Image", "Meta.Imag"),
            &["-c", "custom.yaml"],
            &["w/template:12: Field `Imag` is not defined", "image: {{ Meta.Imag }}", "template context"],
        ),
        (
            "no custom config",
            JOB.to_owned(),
            &["--set=resources={}"],
            &["w/template:13: `Custom.greeting` is not defined, but is joined to a text"],
        ),
        (
            "a list that is not there",
            JOB.to_owned(),
            &["--set=greeting=hi"],
            &["w/template:17: the value is not defined"],
        ),
        (
            "unfinished syntax",
            "kind: {% if Meta.Name %}Job\n".to_owned(),
            &[],
            &["error: w/template:"],
        ),
        (
            "no YAML",
            JOB.replace("kind: Job", "kind: Job: x"),
            &["-c", "custom.yaml"],
            &["w/template produced invalid YAML", ">    3 | kind: Job: x"],
        ),
        (
            "what no Job has",
            JOB.replace("image:", "imagee:").replace("spec:\n  template", "spec:\n  backoffLimit: \"3\"\n  template"),
            &["-c", "custom.yaml"],
            &[
                "w/template produced a job/alice-w that Kubernetes rejects",
                "  spec.backoffLimit: \"3\" is a string, expected an integer",
                "  spec.template.spec.containers[0].imagee: unknown field; did you mean image?",
                "kubectl explain job.spec",
            ],
        ),
        (
            "another kind",
            "apiVersion: ray.io/v1\nkind: RayJob\nmetadata: {name: {{ Meta.Name }}}\n".to_owned(),
            &[],
            &["w/template produced RayJob, but no Job", "help: to create a RayJob: kaiwo submit --ray"],
        ),
        (
            "another version",
            "apiVersion: batch/v2\nkind: Job\nmetadata: {name: {{ Meta.Name }}}\n".to_owned(),
            &[],
            &["a Job of batch/v2", "write apiVersion: batch/v1"],
        ),
        (
            "nothing",
            "# nothing\n".to_owned(),
            &[],
            &["w/template produced no documents"],
        ),
        (
            "a document that is no object",
            format!("{JOB}\n---\nkind: Service\n"),
            &["-c", "custom.yaml"],
            &["a document without apiVersion"],
        ),
        (
            "two workloads",
            format!("{JOB}\n---\n{JOB}"),
            &["-c", "custom.yaml"],
            &["more than one Job"],
        ),
        (
            "a generated name",
            JOB.replace("{{ Meta.Name }}", "mine"),
            &["-c", "custom.yaml"],
            &["the name \"mine\" instead of \"alice-w\"", "name: {{ Meta.Name }}"],
        ),
        (
            "a namespace of its own",
            JOB.replace("metadata:", "metadata:\n  namespace: other"),
            &["-c", "custom.yaml"],
            &["job/alice-w in namespace \"other\"", "-n sets it, currently \"kaiwo\""],
        ),
        (
            "a Secret",
            format!("{JOB}\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: x}}\n"),
            &["-c", "custom.yaml"],
            &["secret/x, whose values would be readable here", "kubectl -n kaiwo create secret"],
        ),
        (
            "a Secret in a list",
            format!("{JOB}\n---\napiVersion: v1\nkind: List\nmetadata: {{name: x}}\nitems: [{{apiVersion: v1, kind: Secret, metadata: {{name: y}}}}]\n"),
            &["-c", "custom.yaml"],
            &["list/x, which is several objects in one", "--- between them"],
        ),
        (
            "an object twice",
            format!("{JOB}{}", "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n".repeat(2)),
            &["-c", "custom.yaml"],
            &["configmap/x twice", "{{ Meta.Name ~ \"-data\" }}"],
        ),
        (
            "what is not namespaced",
            format!("{JOB}\n---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: x}}\n"),
            &["-c", "custom.yaml"],
            &["persistentvolume/x, which is not namespaced"],
        ),
        (
            "a queue",
            format!("{JOB}\n---\napiVersion: kueue.x-k8s.io/v1beta2\nkind: LocalQueue\nmetadata: {{name: x}}\n"),
            &["-c", "custom.yaml"],
            &["localqueue/x, which kaiwo itself creates"],
        ),
    ];
    for (what, template, arguments, said) in cases {
        let sandbox = sandbox(template);
        let mut outcome = dry_run(&sandbox, arguments).exits(3);
        assert_eq!(outcome.stdout, "", "{what}");
        for text in *said {
            outcome = outcome.says(text);
        }
    }
}

#[test]
fn values_for_the_template_are_checked() {
    let sandbox = sandbox(JOB);
    let refused = |arguments: &[&str]| dry_run(&sandbox, arguments).exits(3);
    let _ = refused(&["-c", "missing.yaml"]).says("cannot read missing.yaml");
    for (text, said) in [
        ("- a\n", "list.yaml: the custom config is not a mapping"),
        (
            "a: 1\n---\nb: 1\n",
            "the custom config has more than one document",
        ),
        ("a: 1\na: 2\n", "list.yaml:2"),
        ("a: [\n", "list.yaml:"),
    ] {
        sandbox.write("list.yaml", text);
        let _ = refused(&["-c", "list.yaml"]).says(said);
    }
    let _ = refused(&["-c", "custom.yaml", "--set=greeting.of=x"]).says(
        "set \"greeting.of\" (from the command line): greeting is not a mapping, so nothing can be set below it",
    );
    let _ = dry_run(&sandbox, &["--set=novalue"]).exits(2);
    std::fs::remove_file(sandbox.path("w/template")).unwrap();
    sandbox.write("w/entrypoint", "echo hi\n");
    for arguments in [["-c", "custom.yaml"], ["--set", "a=b"]] {
        let _ = refused(&arguments)
            .says("the built-in template does not use it")
            .says("kaiwo template eject job");
    }
    let _ = refused(&["-t", "missing"]).says("cannot read missing");
}

#[test]
fn a_template_spares_the_entrypoint() {
    let sandbox = sandbox(JOB);
    let _ = sandbox
        .kaiwo(&["submit", "-p", "w", "-d", "-c", "custom.yaml"])
        .exits(0);
    let ray = "apiVersion: ray.io/v1\nkind: RayJob\nmetadata: {name: {{ Meta.Name }}}\nspec: {entrypoint: x, clusterSelector: {a: b}}\n";
    sandbox.write("w/template", ray);
    let _ = sandbox
        .kaiwo(&["submit", "-p", "w", "-d", "--ray"])
        .exits(0);
}

#[test]
fn what_a_template_names_and_is_not_there_is_told_with_its_line() {
    let sandbox = sandbox("{{ Meta.Name | shout }}\n{% include \"part.tera\" %}\n");
    let outcome = dry_run(&sandbox, &[])
        .exits(3)
        .says("error: w/template:1: Unknown filter `shout`\n")
        .says("\nw/template:2: Unknown template `part.tera`\n")
        .says("1 | {{ Meta.Name | shout }}");
    assert_eq!(outcome.stderr.matches("error:").count(), 1);
}

#[test]
fn eject_overwrites_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("w/template", "mine");
    let _ = sandbox
        .kaiwo(&["template", "eject", "job", "w"])
        .exits(3)
        .says("w/template already exists and was not overwritten")
        .says("kaiwo template show job | diff w/template -");
    assert_eq!(
        std::fs::read_to_string(sandbox.path("w/template")).unwrap(),
        "mine"
    );
    let _ = sandbox
        .kaiwo(&["template", "eject", "job", "not there"])
        .exits(3)
        .says("cannot write not there/template")
        .says("mkdir -p 'not there'");
    sandbox.write("a b/template", "mine");
    let _ = sandbox
        .kaiwo(&["template", "eject", "job", "a b"])
        .exits(3)
        .says("| diff 'a b/template' -");
}

#[test]
fn the_context_is_shown_with_its_values() {
    let sandbox = sandbox(JOB);
    let outcome = sandbox
        .kaiwo(&[
            "template",
            "context",
            "submit",
            "-p",
            "w",
            "-g",
            "16",
            "-c",
            "custom.yaml",
            "--set",
            "greeting=hi",
            "--env",
            "A=b",
        ])
        .exits(0)
        .says("assumed: amd.com/gpu");
    let context = &outcome.documents()[0];
    assert_eq!(context["Meta"]["Name"], "alice-w");
    assert_eq!(context["Meta"]["EnvVars"][0]["Name"], "A");
    assert_eq!(context["Scheduling"]["CalculatedReplicas"], 2);
    assert_eq!(context["WorkloadMeta"]["Queue"], "kaiwo");
    assert_eq!(context["Custom"]["greeting"], "hi");
}
