//! What `kaiwo submit` refuses on a real control plane, and what `--force`
//! lets pass.

use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed, has_condition};
use super::objects::{example, nothing_was_made, uploads};
use super::rights::bind;

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_can_never_run_is_refused_before_anything_is_made() {
    let testbed = Testbed::with_queue("refused", Flavor::Amd, 32);
    let path = example("hello");
    let _ = testbed
        .submit(&["-p", &path, "-g", "8"])
        .exits(3)
        .says(&format!("namespace \"{}\" does not exist", testbed.name))
        .says("--create-namespace");
    assert_eq!(testbed.find("Namespace", &testbed.name), None);
    testbed.namespace();

    let _ = testbed
        .submit(&["-p", &path, "-g", "64"])
        .exits(3)
        .says(&format!(
            "64 amd.com/gpu can never be admitted: ClusterQueue \"{}\" provides at most 32",
            testbed.name
        ))
        .says("-g 32 or less")
        .says("--force");
    let _ = testbed
        .submit(&["-p", &path, "-g", "22"])
        .exits(3)
        .says("help: try -g 16 or -g 24");
    let wrong = format!("{}x", testbed.name);
    let _ = testbed
        .sandbox
        .kaiwo(&["submit", "-p", &path, "-n", &testbed.name, "-q", &wrong])
        .exits(3)
        .says(&format!("queue {wrong:?} does not exist"))
        .says(&format!("did you mean -q {}?", testbed.name));
    let _ = testbed
        .submit(&["-p", &path, "-g", "8", "--gpu-resource", "nvidia.com/gpu"])
        .exits(3)
        .says("has no quota for nvidia.com/gpu (it has cpu, memory, amd.com/gpu)");
    for kind in ["LocalQueue", "Job", "Workload"] {
        assert_eq!(testbed.list(kind), [] as [Value; 0], "{kind}");
    }
    assert_eq!(uploads(&testbed), [] as [String; 0]);

    // Hopeless is not impossible: the quota may be raised.
    let _ = testbed
        .submit(&["-p", &path, "-g", "64", "--force"])
        .exits(0)
        .says("waits: 64 amd.com/gpu can never be admitted");
    testbed.delete("Job", "alice-hello");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_local_queue_that_leads_nowhere_is_refused() {
    let testbed = Testbed::new("nowhere");
    testbed.namespace();
    let missing = format!("{}-missing", testbed.name);
    testbed.local_queue("team", &missing, json!({}));
    let path = example("hello");
    // By its own name, and by that of what it points at.
    for queue in ["team", &missing] {
        let _ = testbed
            .sandbox
            .kaiwo(&[
                "submit",
                "-p",
                &path,
                "-g",
                "8",
                "-n",
                &testbed.name,
                "-q",
                queue,
            ])
            .exits(3)
            .says("team")
            .says(&missing);
        nothing_was_made(&testbed);
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_queue_without_cpu_and_memory_is_refused() {
    let testbed = Testbed::new("gpusonly");
    testbed.namespace();
    testbed.cluster_queue(
        &[(Flavor::Amd, 32)],
        json!({"resourceGroups": [{
            "coveredResources": ["amd.com/gpu"],
            "flavors": [{"name": Flavor::Amd.name(), "resources": [
                {"name": "amd.com/gpu", "nominalQuota": 32},
            ]}],
        }]}),
    );
    let path = example("hello");
    for ray in [&[][..], &["--ray"]] {
        let _ = testbed
            .submit(&[&["-p", &path, "-g", "8"], ray].concat())
            .exits(3)
            .says(&testbed.name)
            .says("has no quota for cpu");
        nothing_was_made(&testbed);
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_queue_closed_to_the_namespace_is_refused_before_the_namespace_is_made() {
    let testbed = Testbed::new("closed");
    testbed.cluster_queue(
        &[(Flavor::Amd, 32)],
        json!({"namespaceSelector": {"matchLabels": {"team": "research"}}}),
    );
    let path = example("hello");
    let arguments = ["-p", &path, "-g", "8"];
    let create = [&arguments[..], &["--create-namespace"]].concat();
    let refusal = format!(
        "ClusterQueue {:?} does not accept workloads of namespace {:?}",
        testbed.name, testbed.name
    );
    let _ = testbed.submit(&create).exits(3).says(&refusal);
    assert_eq!(testbed.find("Namespace", &testbed.name), None);

    testbed.namespace();
    for arguments in [&arguments[..], &create] {
        let _ = testbed.submit(arguments).exits(3).says(&refusal);
        nothing_was_made(&testbed);
    }

    // The namespace may be given the label later.
    let forced = testbed
        .submit(&[&arguments[..], &["--force"]].concat())
        .exits(0);
    assert!(!forced.stderr.contains("starts now"), "{}", forced.stderr);
    testbed.apply(json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": testbed.name, "labels": {"team": "research"}},
    }));
    testbed.wait_for_condition("Job", "alice-hello", "Complete");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_forced_submission_makes_the_namespace_that_its_queue_does_not_take() {
    let testbed = Testbed::new("forced");
    testbed.cluster_queue(
        &[(Flavor::Amd, 32)],
        json!({"namespaceSelector": {"matchLabels": {"team": "research"}}}),
    );
    let path = example("hello");
    let _ = testbed
        .submit(&["-p", &path, "-g", "8", "--create-namespace", "--force"])
        .exits(0)
        .says(&format!("namespace/{}", testbed.name));
    assert!(testbed.find("Job", "alice-hello").is_some());
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_new_namespace_has_the_label_with_its_name() {
    let testbed = Testbed::new("byname");
    // The API server gives every namespace this label, so a queue that
    // selects by it takes a namespace that is not there yet.
    testbed.cluster_queue(
        &[(Flavor::Amd, 32)],
        json!({"namespaceSelector": {"matchLabels": {
            "kubernetes.io/metadata.name": testbed.name,
        }}}),
    );
    let path = example("hello");
    let _ = testbed
        .submit(&["-p", &path, "-g", "8", "--create-namespace"])
        .exits(0);
    testbed.wait_for_condition("Job", "alice-hello", "Complete");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_stopped_queue_is_refused_and_forced_work_waits_for_it() {
    let testbed = Testbed::new("stopped");
    testbed.namespace();
    let path = example("hello");
    let arguments = ["-p", &path, "-g", "8"];
    for policy in ["Hold", "HoldAndDrain"] {
        testbed.cluster_queue(&[(Flavor::Amd, 32)], json!({"stopPolicy": policy}));
        let _ = testbed
            .submit(&arguments)
            .exits(3)
            .says(&format!("ClusterQueue {:?} is stopped", testbed.name))
            .says("--force");
        nothing_was_made(&testbed);
    }

    let forced = testbed
        .submit(&[&arguments[..], &["--force"]].concat())
        .exits(0);
    assert!(!forced.stderr.contains("starts now"), "{}", forced.stderr);
    let workload = testbed.wait("a Workload that waits", || testbed.list("Workload").pop());
    assert!(!has_condition(&workload, "Admitted"), "{workload}");
    testbed.cluster_queue(&[(Flavor::Amd, 32)], json!({"stopPolicy": "None"}));
    testbed.wait_for_condition("Job", "alice-hello", "Complete");

    // A LocalQueue can be stopped for itself.
    testbed.local_queue("held", &testbed.name, json!({"stopPolicy": "Hold"}));
    let held = [
        "submit",
        "-p",
        &path,
        "-g",
        "8",
        "--name",
        "held",
        "-n",
        &testbed.name,
        "-q",
        "held",
    ];
    let _ = testbed
        .sandbox
        .kaiwo(&held)
        .exits(3)
        .says("LocalQueue \"held\" is stopped");
    assert_eq!(testbed.find("Job", "held"), None);
    let forced = testbed
        .sandbox
        .kaiwo(&[&held[..], &["--force"]].concat())
        .exits(0);
    assert!(!forced.stderr.contains("starts now"), "{}", forced.stderr);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_quota_of_the_namespace_refuses_in_its_own_words() {
    let testbed = Testbed::with_queue("quota", Flavor::Amd, 32);
    testbed.namespace();
    let path = example("hello");
    // The namespace has one ConfigMap, which the API server's CA is in.
    testbed.wait("kube-root-ca.crt", || {
        testbed.find("ConfigMap", "kube-root-ca.crt")
    });
    for (resource, hard) in [("count/jobs.batch", "0"), ("count/configmaps", "1")] {
        testbed.apply(json!({
            "apiVersion": "v1", "kind": "ResourceQuota",
            "metadata": {"name": "limits", "namespace": testbed.name},
            "spec": {"hard": {resource: hard}},
        }));
        testbed.wait("the quota to count", || {
            let quota = testbed.find("ResourceQuota", "limits")?;
            quota["status"]["used"].get(resource).map(drop)
        });
        let refused = testbed
            .submit(&["-p", &path, "-g", "8"])
            .exits(3)
            .says("exceeded quota: limits")
            .says(&format!("limited: {resource}={hard}"));
        assert!(
            !refused.stderr.contains("not allowed"),
            "{}",
            refused.stderr
        );
        nothing_was_made(&testbed);
        testbed.delete("ResourceQuota", "limits");
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn an_unknown_priority_class_comes_with_the_known_ones() {
    let testbed = Testbed::with_queue("priority", Flavor::Amd, 32);
    testbed.namespace();
    testbed.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "WorkloadPriorityClass",
        "metadata": {"name": "test-urgent"}, "value": 1000,
    }));
    let path = example("hello");
    let refused = testbed
        .submit(&["-p", &path, "-g", "8", "--priority-class", "test-urgnet"])
        .exits(3)
        .says("test-urgnet")
        .says("did you mean --priority-class test-urgent?");
    let listed = refused
        .stderr
        .lines()
        .any(|line| line.contains("priority classes: ") && line.contains("test-urgent"));
    assert!(listed, "{}", refused.stderr);
    nothing_was_made(&testbed);

    let _ = testbed
        .submit(&["-p", &path, "-g", "8", "--priority-class", "test-urgent"])
        .exits(0);
    testbed.wait_for_condition("Job", "alice-hello", "Complete");
    let workload = testbed.list("Workload").remove(0);
    assert_eq!(workload["spec"]["priority"], 1000, "{workload}");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_does_not_travel_is_refused_where_work_is_sent_away() {
    let testbed = Testbed::new("away");
    testbed.namespace();
    testbed.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "AdmissionCheck",
        "metadata": {"name": testbed.name},
        "spec": {"controllerName": "kueue.x-k8s.io/multikueue"},
    }));
    testbed.cluster_queue(
        &[(Flavor::Amd, 32)],
        json!({"admissionChecksStrategy": {"admissionChecks": [{"name": testbed.name}]}}),
    );
    testbed.local_queue("team", &testbed.name, json!({}));
    let path = example("hello");
    // There is no other cluster here, so the queue is not active: --force is
    // for that, and does not carry files.
    let submit = |more: &[&str]| {
        let common = ["submit", "-n", &testbed.name, "-q", "team", "--force"];
        testbed.sandbox.kaiwo(&[&common, more].concat())
    };
    let says = "sends workloads to other clusters (MultiKueue)";
    let noise = |length: u64| {
        let mut state = 88_172_645_463_325_252_u64;
        let next = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[2]
        };
        (0..length).map(next).collect::<Vec<u8>>()
    };
    testbed.sandbox.write("large/entrypoint", "true\n");
    testbed.sandbox.write("large/blob", noise(900_000));
    for ray in [&[][..], &["--ray"]] {
        let _ = submit(&[&["-p", "large", "-g", "8"], ray].concat())
            .exits(3)
            .says(says)
            .says("only 180 KiB of compressed files travel")
            .says("-i registry/image:tag");
        nothing_was_made(&testbed);
    }
    let _ = submit(&["-i", "registry/image", "-g", "16", "--name", "pair"])
        .exits(3)
        .says(says)
        .says("--ray: the pods of a RayJob");
    let secret = ["-p", &path, "-g", "8", "--secret-from", "HOME"];
    let _ = submit(&secret)
        .exits(3)
        .says("the Secret with HOME is not copied to them")
        .says("--secret HOME=SECRET/KEY");
    nothing_was_made(&testbed);
    let _ = submit(&["-i", "registry/image", "-g", "8", "--name", "image"])
        .exits(0)
        .says("job/image created");
    let job = testbed.find("Job", "image").unwrap();
    assert_eq!(
        job["spec"]["managedBy"], "kueue.x-k8s.io/multikueue",
        "{job}"
    );

    // Who may not read AdmissionChecks learns it from Kueue's own answer.
    bind(&testbed, &["kueue-batch-user-role", "edit"]);
    let blind = [
        "--gpus-per-node",
        "8",
        "--gpu-resource",
        "amd.com/gpu",
        "--as",
        &testbed.name,
    ];
    let _ = submit(&[&["-p", "large", "-g", "8", "--name", "blind"], &blind[..]].concat())
        .exits(3)
        .says(says)
        .says("only 180 KiB");
    assert_eq!(testbed.find("Job", "blind"), None);
    testbed.delete("AdmissionCheck", &testbed.name);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_kueue_does_not_manage_is_refused_and_not_started_past_the_queue() {
    let testbed = Testbed::with_queue("unmanaged", Flavor::Amd, 32);
    // Kueue leaves these as they are where a kind is none of its frameworks:
    // here in namespaces with a label that nothing else has.
    let except = json!({"matchExpressions": [{"key": UNMANAGED, "operator": "DoesNotExist"}]});
    let webhooks: Vec<Value> = ["mjob.kb.io", "mrayjob.kb.io"]
        .iter()
        .map(|name| json!({"name": name, "namespaceSelector": except}))
        .collect();
    testbed.apply(json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "kueue-mutating-webhook-configuration"}, "webhooks": webhooks,
    }));
    testbed.apply(json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": testbed.name, "labels": {UNMANAGED: "true"}},
    }));
    let path = example("hello");
    for (kind, framework, more) in [
        ("Job", "batch/job", &[][..]),
        ("RayJob", "ray.io/rayjob", &["--ray"]),
        ("Job", "batch/job", &["--schedule", "0 3 * * *"]),
    ] {
        let submit =
            |last: &[&str]| testbed.submit(&[&["-p", &path, "-g", "8"], more, last].concat());
        // The API server takes a moment to hear of it.
        testbed.wait("the webhook to leave the namespace alone", || {
            (submit(&["--dry-run=server"]).code == 3).then_some(())
        });
        // What would start past the queue is not only hopeless.
        for last in [&[][..], &["--force"]] {
            let _ = submit(last)
                .exits(3)
                .says(&format!(
                    "Kueue does not manage {kind}s in namespace {:?}",
                    testbed.name
                ))
                .says(&format!(
                    "an admin to add {framework} to integrations.frameworks"
                ));
            nothing_was_made(&testbed);
        }
    }
}

/// Label of namespaces whose Jobs do not reach Kueue's webhooks.
const UNMANAGED: &str = "test.kaiwo/unmanaged";
