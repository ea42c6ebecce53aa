//! What people met in public, with other tools and with kaiwo: the words of their
//! reports, and what is right here.

mod variables;

use std::path::Path;

use serde_json::{Value, json};

use crate::common::{Outcome, Sandbox};

/// A directory as those of the original kaiwo: lines that begin with `-`, a last line
/// without an end, keys of an older Ray, paths from the working directory.
fn original() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        "lora/entrypoint",
        "python tune.py\n--model=org/model\n--config=./stage3.json\n--epochs=2\n--lora\n\
         --devices=$NUM_GPUS\n--context=1024",
    );
    sandbox.write("lora/tune.py", "pass\n");
    sandbox.write("lora/stage3.json", "{}\n");
    sandbox.write(
        "lora/env",
        "envVars:\n  - name: PLAIN\n    value: \"some_value\"\n  - fromSecret:\n      name: \"TOKEN\"\n      \
         secret: \"hub\"\n      key: \"token\"\n  - mountSecret:\n      name: \"CREDENTIALS\"\n      \
         secret: \"bucket\"\n      key: \"bucket-json\"\n      path: \"/etc/bucket/credentials.json\"",
    );
    sandbox.write(
        "clone/entrypoint",
        "cd / && git clone https://example.com/repo && \\\ncd repo/examples && \\\n\
         torchrun --nproc_per_node $NUM_GPUS ./train.py",
    );
    sandbox.write("batch/entrypoint", "python main.py");
    sandbox.write("batch/main.py", "pass\n");
    sandbox.write(
        "batch/env",
        "envVars:\n  - name: MODEL\n    value: \"org/model\"\n  - fromSecret:\n        name: \"TOKEN\"\n        \
         secret: \"hub\"\n        key: \"token\"\n",
    );
    sandbox.write("online/__init__.py", "def deployment(_args):\n    pass\n");
    sandbox.write(
        "online/serveconfig",
        "applications:\n- name: chat\n  route_prefix: /\n  import_path: app:deployment\n  deployments:\n  \
         - name: Chat\n    autoscaling_config:\n      metrics_interval_s: 0.2\n      look_back_period_s: 2\n      \
         target_num_ongoing_requests_per_replica: 20\n    graceful_shutdown_timeout_s: 5\n    \
         max_concurrent_queries: 100\n\n    ",
    );
    sandbox.write(
        "hello/kaiwoconfig",
        "gpus: 0 \nnamespace: kaiwo\nimage: hello-world\nversion: 0.0.1\nenvFile: hello/env_foo\n\
         customConfig: hello/values.yaml",
    );
    sandbox.write(
        "hello/env_foo",
        "envVars:\n  - name: FOO\n    value: \"bar\"\n",
    );
    sandbox.write("hello/values.yaml", "job:\n  backoff: 2\n  tag: 1.10");
    sandbox.write(
        "hello/template",
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {{ Meta.Name }}\nspec:\n  \
         backoffLimit: {{ Custom.job.backoff }}\n  template:\n    spec:\n      restartPolicy: Never\n      \
         containers:\n      - name: hello\n        image: {{ Meta.Image ~ \":\" ~ Custom.job.tag }}\n",
    );
    sandbox
}

#[test]
fn directories_of_the_original_run() {
    let sandbox = original();
    let run = |arguments: &[&str]| sandbox.kaiwo(&[arguments, &["-d"]].concat()).exits(0);
    let lora = run(&["submit", "-p=lora", "-g=16", "--ray"]);
    let lora = lora.says("lora/entrypoint: lines 2, 3, 4, 5, 6, 7 continue the line above");
    let job = lora.document("RayJob");
    let worker = &job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["template"]["spec"];
    let mounts = worker["containers"][0]["volumeMounts"].as_array().unwrap();
    let path = "/etc/bucket/credentials.json";
    assert!(
        mounts.iter().any(|mount| mount["mountPath"] == path),
        "{worker:#}"
    );
    let script = entrypoint(&lora);
    let words = "python tune.py \\\n--model=org/model \\\n";
    assert!(script.starts_with(words), "{script}");
    assert!(script.ends_with("--context=1024"), "{script}");

    let clone = run(&["submit", "-p=clone", "-g=1"]).never_says("warning");
    assert!(entrypoint(&clone).ends_with("$NUM_GPUS ./train.py"));
    let _ = run(&["submit", "-p=batch", "-g=16", "--ray"]).never_says("warning");

    let online = run(&["serve", "-p=online", "-g=16", "--ray"])
        .says("online/serveconfig:10: Ray Serve dropped target_num_ongoing_requests_per_replica")
        .says("online/serveconfig:12: Ray Serve dropped max_concurrent_queries");
    let config = online.document("RayService")["spec"]["serveConfigV2"].clone();
    assert!(
        config
            .as_str()
            .unwrap()
            .contains("max_concurrent_queries: 100")
    );

    let hello = run(&["submit", "-p=hello"]).document("Job");
    let container = &hello["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "hello-world:1.10");
    assert_eq!(hello["spec"]["backoffLimit"], 2);
}

/// Returns the script that is uploaded.
fn entrypoint(outcome: &Outcome) -> String {
    let upload = outcome.document("ConfigMap");
    let data = upload["data"].as_object().unwrap();
    let scripts = data.values().filter_map(Value::as_str);
    let mut scripts = scripts.filter(|text| text.contains("python") || text.contains("torchrun"));
    scripts.next().unwrap().to_owned()
}

fn variables(outcome: &Outcome, pointer: &str) -> Vec<String> {
    let documents = outcome.documents();
    let container = documents.iter().find_map(|it| it.pointer(pointer)).unwrap();
    let variables = container["env"].as_array().unwrap().iter();
    variables
        .map(|variable| variable["name"].as_str().unwrap().to_owned())
        .collect()
}

const CONTAINER: &str = "/spec/template/spec/containers/0";

#[test]
fn a_claim_over_a_cache_keeps_what_is_downloaded() {
    for (volume, image, is_set) in [
        ("models:/root/.cache/huggingface", "vllm/vllm-openai", false),
        ("models:/root", "vllm/vllm-openai", false),
        ("models:/home/user/.cache", "x", false),
        ("models:/cache/huggingface/hub", "x", false),
        (
            "models:/data",
            "ghcr.io/huggingface/text-generation-inference:3",
            false,
        ),
        ("models:/data", "x", true),
        ("models:/models", "vllm/vllm-openai", true),
    ] {
        let arguments = ["serve", "-g=1", "-d", "-i", image, "--volume", volume];
        let outcome = Sandbox::new().kaiwo(&arguments).exits(0);
        let names = variables(&outcome, CONTAINER);
        assert_eq!(
            names.contains(&"HF_HOME".to_owned()),
            is_set,
            "{volume} {image}"
        );
        // What cannot be known is said.
        let said = "HF_HOME is /scratch/huggingface, which is deleted with the pod";
        assert_eq!(outcome.stderr.contains(said), is_set, "{}", outcome.stderr);
    }
}

#[test]
fn words_that_begin_with_a_dash_are_for_the_images_program() {
    let run = |arguments: &[&str]| Sandbox::new().kaiwo(arguments);
    let served = run(&[
        "serve",
        "-i=vllm/vllm-openai",
        "-g=1",
        "-d",
        "--",
        "--model",
        "org/x",
    ]);
    let deployment = served.exits(0).document("Deployment");
    let container = deployment.pointer(CONTAINER).unwrap();
    assert_eq!(container["args"], json!(["--model", "org/x"]));
    assert_eq!(container.get("command"), None);
    let job = run(&["submit", "-i=x", "-d", "--", "python", "--version"]).exits(0);
    let job = job.document("Job");
    let container = job.pointer(CONTAINER).unwrap();
    assert_eq!(container["command"], json!(["python", "--version"]));
    assert_eq!(container.get("args"), None);
    let _ = run(&["submit", "-i=x", "--ray", "-d", "--", "--model", "x"])
        .exits(3)
        .says("the command after -- begins with \"--model\", which is not a program");
}

#[test]
fn a_serveconfig_is_held_to_the_pods() {
    let serve = |more: &str, arguments: &[&str]| {
        let sandbox = Sandbox::new();
        sandbox.write(
            "w/serveconfig",
            format!("applications:\n- name: a\n  import_path: image:app\n{more}"),
        );
        sandbox.kaiwo(&[&["serve", "-p=w", "--ray", "-d"], arguments].concat())
    };
    let port = |outcome: &Outcome| {
        let service = outcome.document("RayService");
        let head = &service["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"];
        let ports = head["containers"][0]["ports"].as_array().unwrap().clone();
        let serve = ports.into_iter().find(|port| port["name"] == "serve");
        serve.unwrap()["containerPort"].clone()
    };
    assert_eq!(
        port(&serve("http_options: {port: 9000}\n", &["-g=1"]).exits(0)),
        9000
    );
    assert_eq!(port(&serve("", &["-g=1"]).exits(0)), 8000);
    let actor = "  deployments:\n  - name: x\n    ray_actor_options: {num_gpus: 9}\n";
    let _ = serve(actor, &["-g=16"])
        .exits(3)
        .says("serveconfig:5: num_gpus of x is 9, and a pod has 8 GPUs")
        .says("--force");
    let _ = serve(actor, &["-g=16", "--force"])
        .exits(0)
        .says("warning: serveconfig:5: num_gpus");
    let parallel = |size: i64| format!("  args: {{engine: {{tensor_parallel_size: {size}}}}}\n");
    let _ = serve(&parallel(8), &["-g=16"])
        .exits(0)
        .never_says("warning");
    let _ = serve(&parallel(16), &["-g=16"])
        .exits(0)
        .says("warning: serveconfig:2: tensor_parallel_size of a is 16, and a pod has 8 GPUs");
    let _ = serve(&parallel(32), &["-g=16"])
        .exits(3)
        .says("tensor_parallel_size of a is 32, and all pods have 16 GPUs");
    let slip = "proxy_location: Everynode\n";
    let _ = serve(slip, &["-g=1"])
        .exits(3)
        .says("did you mean EveryNode?");
    let _ = serve(slip, &["-g=1", "--force"])
        .exits(0)
        .says("warning: w/serveconfig:4");
}

#[test]
fn directories_of_special_names_are_uploaded_or_ignored_as_others() {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "python main.py\n");
    for name in ["env", "template", "serveconfig", "kaiwoconfig"] {
        sandbox.write(&format!("w/{name}/data.py"), "pass\n");
    }
    let run = |arguments: &[&str]| sandbox.kaiwo(&[&["submit", "-p=w", "-d"], arguments].concat());
    let paths = |outcome: Outcome| {
        outcome.stdout.matches("path: env/data.py").count()
            + outcome.stdout.matches("path: \"env/data.py\"").count()
    };
    assert_eq!(paths(run(&[]).exits(0)), 1);
    sandbox.write("variables", "envVars: []\n");
    assert_eq!(paths(run(&["--env-file=variables"]).exits(0)), 1);
    sandbox.write("w/.kaiwoignore", "\u{feff}env/\n");
    assert_eq!(paths(run(&[]).exits(0)), 0);
}

#[test]
fn what_is_too_large_is_told_at_once_with_a_line_that_leaves_it_out() {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "python main.py\n");
    sandbox.write("w/nb.ipynb", vec![b'x'; 2_000_000]);
    sandbox.write("w/ckpt/a.pt", vec![b'x'; 1_000_000]);
    let submit = ["submit", "-p=w", "-d", "--read-only-workdir"];
    let refused = sandbox.kaiwo(&submit).exits(3);
    let line = "printf '%s\\n' /ckpt/a.pt /nb.ipynb >> w/.kaiwoignore";
    let refused = refused
        .says("2 files of w cannot be uploaded, each exceeds the limit of a ConfigMap")
        .says("ckpt/a.pt (")
        .says("nb.ipynb (")
        .says(line)
        .never_says("git ignores them");
    drop(refused);
    sandbox.write("w/.gitignore", "*.pt\n");
    let of_git = sandbox.kaiwo(&submit).exits(3);
    let _ =
        of_git.says("git ignores them; to ignore them here: cat w/.gitignore >> w/.kaiwoignore");
    // As printed, it helps.
    let done = sandbox
        .shell(line)
        .current_dir(sandbox.path(""))
        .status()
        .unwrap();
    assert!(done.success());
    let _ = sandbox
        .kaiwo(&submit)
        .exits(0)
        .says("not uploaded: ckpt/a.pt, nb.ipynb");
}

#[test]
fn marks_of_other_systems_are_skipped_in_every_file() {
    let sandbox = Sandbox::new();
    for (file, text) in [
        ("w/entrypoint", "python main.py\n"),
        ("w/env", "envVars: [{name: A, value: b}]\n"),
        ("w/kaiwoconfig", "gpus: 1\ncustomConfig: w/values\n"),
        ("w/values", "a: 1\n"),
        (
            "w/template",
            "apiVersion: batch/v1\nkind: Job\nmetadata: {name: {{ Meta.Name }}}\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n      - name: a\n        image: x\n",
        ),
        (".config/kaiwo/config.yaml", "queue: research\n"),
    ] {
        sandbox.write(file, format!("\u{feff}{text}"));
    }
    let outcome = sandbox.kaiwo(&["submit", "-p=w", "-d"]).exits(0);
    assert!(
        outcome
            .stdout
            .contains("kueue.x-k8s.io/queue-name: research")
    );
    assert_eq!(entrypoint(&outcome), "python main.py\n");
}

#[test]
fn values_of_templates_are_read_as_kubernetes_reads_them() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "t",
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {{ Meta.Name }}\n  annotations:\n    \
         alert: '{% raw %}{{ $labels.pod }}{% endraw %}'\nspec:\n  template:\n    spec:\n      \
         restartPolicy: Never\n      containers:\n      - name: a\n        \
         image: {{ \"registry/x:\" ~ Custom.tag }}\n        tty: yes\n        stdin: {{ not Custom.debug }}\n      \
         volumes:\n      - name: s\n        secret: {secretName: s, defaultMode: 0400}\n",
    );
    let submit = |tag: &str| {
        let tag = format!("tag={tag}");
        let arguments = ["submit", "-i=x", "-t=t", "-d", "--set=debug=false", "--set"];
        sandbox
            .kaiwo(&[&arguments[..], &[&tag]].concat())
            .exits(0)
            .document("Job")
    };
    let (job, other) = (submit("1.10"), submit("1.1"));
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["image"], "registry/x:1.10");
    assert_eq!(pod["containers"][0]["tty"], true);
    assert_eq!(pod["containers"][0]["stdin"], true);
    assert_eq!(pod["volumes"][0]["secret"]["defaultMode"], 256);
    assert_eq!(job["metadata"]["annotations"]["alert"], "{{ $labels.pod }}");
    let digest = |job: &Value| {
        let annotations = job["metadata"]["annotations"].as_object().unwrap();
        let found = annotations.iter().find(|(key, _)| key.contains("digest"));
        found.map(|(_, digest)| digest.clone())
    };
    assert_ne!(digest(&job), digest(&other));
}

#[test]
fn images_that_no_kubelet_pulls_are_refused() {
    let run = |arguments: &[&str]| Sandbox::new().kaiwo(arguments);
    let _ = run(&["submit", "-i", "ghcr.io/MyOrg/Img", "-d"])
        .exits(3)
        .says("cannot be pulled: a repository must not contain capital letters")
        .says("did you mean ghcr.io/myorg/img?");
    let _ = run(&[
        "serve",
        "-i=x",
        "-d",
        "--preload=hf://a/b:/m",
        "--preload-image=A/B",
    ])
    .exits(3)
    .says("--preload-image: image \"A/B\" cannot be pulled");
    let sandbox = Sandbox::new();
    sandbox.write(
        "t",
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {{ Meta.Name }}\nspec:\n  template:\n    \
         spec:\n      restartPolicy: Never\n      containers: [{name: a, image: Reg/X}]\n",
    );
    let _ = sandbox
        .kaiwo(&["submit", "-i=x", "-t=t", "-d"])
        .exits(3)
        .says("containers[0].image: invalid image")
        .says("did you mean reg/x?");
}

#[test]
fn schedules_have_a_zone_and_numbers_that_exist() {
    let run =
        |arguments: &[&str]| Sandbox::new().kaiwo(&[&["submit", "-i=x", "-d"], arguments].concat());
    let plain = run(&["--schedule=0 3 * * *"])
        .exits(0)
        .says("at 0 3 * * * (the cluster's time zone, mostly UTC)");
    assert_eq!(plain.document("CronJob")["spec"].get("timeZone"), None);
    for arguments in [
        &["--schedule=0 3 * * *", "--time-zone=Europe/Berlin"][..],
        &["--schedule=CRON_TZ=Europe/Berlin 0 3 * * *"],
    ] {
        let outcome = run(arguments).exits(0).says("at 0 3 * * * (Europe/Berlin)");
        let spec = outcome.document("CronJob")["spec"].clone();
        assert_eq!(
            (&spec["schedule"], &spec["timeZone"]),
            (&json!("0 3 * * *"), &json!("Europe/Berlin"))
        );
    }
    for (arguments, said) in [
        (
            &["--schedule=60 3 * * *"][..],
            "\"60\" is not a valid minute: expected 0 to 59",
        ),
        (
            &["--schedule=TZ=Asia/Tokyo @daily", "--time-zone=UTC"],
            "keep one of them",
        ),
        (
            &["--schedule=@daily", "--time-zone=+2"],
            "unknown time zone",
        ),
        (&["--time-zone=UTC"], "has no effect without --schedule"),
    ] {
        let _ = run(arguments).exits(3).says(said);
    }
}
