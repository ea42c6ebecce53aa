//! Vendors, flavors and cohorts: what kaiwo plans and forecasts, and that
//! Kueue does as it says.

use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed, has_condition};
use super::objects::{example, gpu_pods, nothing_was_made};

/// A flavor of a ClusterQueue with plenty of CPUs and memory, and these GPUs.
fn quotas(flavor: Flavor, gpus: &Value) -> Value {
    let mut resources = vec![
        json!({"name": "cpu", "nominalQuota": 1000}),
        json!({"name": "memory", "nominalQuota": "16Ti"}),
    ];
    resources.extend(gpus.as_array().unwrap().iter().cloned());
    json!({"name": flavor.name(), "resources": resources})
}

/// One resource group with CPUs, memory and `gpus`.
fn group(gpus: &[&str], flavors: &[Value]) -> Value {
    let covered: Vec<&str> = ["cpu", "memory"].iter().chain(gpus).copied().collect();
    json!({"resourceGroups": [{"coveredResources": covered, "flavors": flavors}]})
}

/// Makes another ClusterQueue of AMD GPUs in the test's cohort.
fn neighbour(testbed: &Testbed, gpus: i64, limits: &Value) -> String {
    let name = format!("{}-other", testbed.name);
    let mut quota = json!({"name": "amd.com/gpu", "nominalQuota": gpus});
    for (key, value) in limits.as_object().unwrap() {
        quota[key] = value.clone();
    }
    let mut spec = group(&["amd.com/gpu"], &[quotas(Flavor::Amd, &json!([quota]))]);
    spec["cohortName"] = testbed.name.clone().into();
    spec["namespaceSelector"] = json!({});
    testbed.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ClusterQueue",
        "metadata": {"name": name}, "spec": spec,
    }));
    name
}

/// Waits until Kueue says of the only Workload that it waits, and why.
#[track_caller]
fn waits_because(testbed: &Testbed, reason: &str) {
    testbed.wait(&format!("Kueue to say {reason:?}"), || {
        let workload = testbed.list("Workload").pop()?;
        let conditions = workload["status"]["conditions"].as_array()?;
        let waits = conditions
            .iter()
            .find(|c| c["type"] == "QuotaReserved" && c["status"] == "False")?;
        waits["message"].as_str()?.contains(reason).then_some(())
    });
}

/// Waits until the queue holds nothing, and says so.
fn until_idle(testbed: &Testbed) {
    testbed.wait("an idle queue", || {
        let queue = testbed.find("ClusterQueue", &testbed.name)?;
        let idle = queue["status"]["reservingWorkloads"].as_i64().unwrap_or(0) == 0;
        (idle && testbed.list("Workload").is_empty()).then_some(())
    });
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn two_vendors_in_one_queue_are_asked_about() {
    let testbed = Testbed::new("vendors");
    testbed.namespace();
    let (amd, nvidia) = ("amd.com/gpu", "nvidia.com/gpu");
    let gpus = |of: &str| {
        json!([
            {"name": amd, "nominalQuota": if of == amd { 16 } else { 0 }},
            {"name": nvidia, "nominalQuota": if of == nvidia { 16 } else { 0 }},
        ])
    };
    testbed.cluster_queue(
        &[(Flavor::Amd, 16), (Flavor::Nvidia, 16)],
        group(
            &[amd, nvidia],
            &[
                quotas(Flavor::Amd, &gpus(amd)),
                quotas(Flavor::Nvidia, &gpus(nvidia)),
            ],
        ),
    );
    let path = example("hello");
    let _ = testbed
        .submit(&["-p", &path, "-g", "16"])
        .exits(3)
        .says("provides several kinds of GPU")
        .says("choose one: --gpu-resource amd.com/gpu or --gpu-resource nvidia.com/gpu");
    nothing_was_made(&testbed);
    for (resource, name, node) in [(amd, "red", "amd-"), (nvidia, "green", "nvidia-")] {
        let _ = testbed
            .submit(&[
                "-p",
                &path,
                "-g",
                "16",
                "--name",
                name,
                "--gpu-resource",
                resource,
                "-i",
                "testbed/forever",
            ])
            .exits(0)
            .says(&format!(
                "16 GPUs = 2 × 8 {resource} · 16 of 16 free · starts now"
            ));
        let pods = testbed.wait("two pods", || {
            let pods = gpu_pods(&testbed, resource);
            (pods.len() == 2).then_some(pods)
        });
        assert!(pods.iter().all(|(on, _)| on.starts_with(node)), "{pods:?}");
    }
    // The queue of one vendor that covers the other's GPUs is not asked about.
    testbed.cluster_queue(
        &[(Flavor::Amd, 16)],
        group(&[amd, nvidia], &[quotas(Flavor::Amd, &gpus(amd))]),
    );
    let _ = testbed
        .submit(&["-p", &path, "-g", "8", "--name", "one", "--dry-run=server"])
        .exits(0)
        .says("8 GPUs = 1 × 8 amd.com/gpu");
    let _ = testbed
        .submit(&[
            "-p",
            &path,
            "-g",
            "8",
            "--name",
            "none",
            "--gpu-resource",
            nvidia,
        ])
        .exits(3)
        .says("covers nvidia.com/gpu but has no quota for it");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn slices_of_a_gpu_are_not_gpus() {
    let testbed = Testbed::new("mig");
    testbed.namespace();
    let slice = "nvidia.com/mig-1g.10gb";
    let node = format!("{}-node", testbed.name);
    let mine = json!({"mig-test": testbed.name});
    let mut labels = mine.clone();
    labels["nvidia.com/gpu.count"] = "2".into();
    labels["kubernetes.io/hostname"] = node.clone().into();
    let offers = json!({"cpu": "128", "memory": "2048Gi", "pods": "500", slice: "14"});
    testbed.fake_node(&node, &labels, &offers, &json!([]));
    testbed.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor",
        "metadata": {"name": testbed.name}, "spec": {"nodeLabels": mine},
    }));
    let flavor = |gpus: Value| {
        let mut flavor = quotas(Flavor::Nvidia, &gpus);
        flavor["name"] = testbed.name.clone().into();
        flavor
    };
    testbed.cluster_queue(
        &[],
        group(
            &[slice],
            &[flavor(json!([{"name": slice, "nominalQuota": 14}]))],
        ),
    );
    let path = example("hello");
    // The node has 2 GPUs in 14 slices: those are what a node is counted in.
    let outcome = testbed
        .submit(&[
            "-p",
            &path,
            "-g",
            "14",
            "--name",
            "slices",
            "--dry-run=server",
        ])
        .exits(0)
        .says("14 GPUs = 1 × 14 nvidia.com/mig-1g.10gb · 14 of 14 free · starts now");
    assert!(
        outcome.stdout.contains("image: rayproject/ray:"),
        "{}",
        outcome.stdout
    );
    assert!(outcome.stdout.contains("-gpu"), "{}", outcome.stdout);
    let _ = testbed
        .submit(&["-p", &path, "-g", "14", "--name", "slices"])
        .exits(0);
    testbed.wait_for_condition("Job", "slices", "Complete");

    // Beside whole GPUs they are asked about.
    let both =
        json!([{"name": slice, "nominalQuota": 14}, {"name": "nvidia.com/gpu", "nominalQuota": 2}]);
    testbed.cluster_queue(&[], group(&[slice, "nvidia.com/gpu"], &[flavor(both)]));
    let _ = testbed
        .submit(&["-p", &path, "-g", "1", "--name", "which"])
        .exits(3)
        .says("--gpu-resource nvidia.com/gpu or --gpu-resource nvidia.com/mig-1g.10gb");
    testbed.delete("Node", &node);
    testbed.delete("ResourceFlavor", &testbed.name);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_a_cohort_lends_is_borrowed_and_no_more() {
    let testbed = Testbed::new("cohort");
    testbed.namespace();
    let own = json!({"cohortName": testbed.name});
    testbed.cluster_queue(&[(Flavor::Amd, 8)], own.clone());
    let other = neighbour(&testbed, 16, &json!({"lendingLimit": 8}));
    let path = example("hello");
    let submit =
        |gpus: &str, more: &[&str]| testbed.submit(&[&["-p", &path, "-g", gpus], more].concat());
    // 8 of its own, 8 that the other lends: the other 8 stay with it.
    let _ = submit("24", &[])
        .exits(3)
        .says("24 amd.com/gpu can never be admitted")
        .says("provides at most 16 (amd-8)")
        .says("request -g 16 or less");
    let _ = submit("16", &[]).exits(0).says(&format!(
        "8 of 8 free · borrows 8 from cohort {} · starts now",
        testbed.name
    ));
    testbed.wait_for_condition("Job", "alice-hello", "Complete");
    testbed.delete("Job", "alice-hello");
    until_idle(&testbed);

    // Kueue says the same of what is forced.
    let _ = submit("24", &["--force"])
        .exits(0)
        .says("waits: 24 amd.com/gpu can never be admitted");
    waits_because(&testbed, "maximum capacity (16)");
    testbed.delete("Job", "alice-hello");
    until_idle(&testbed);

    // A limit of its own.
    let mut limited = own;
    limited["resourceGroups"] = group(
        &["amd.com/gpu"],
        &[quotas(
            Flavor::Amd,
            &json!([{"name": "amd.com/gpu", "nominalQuota": 8, "borrowingLimit": 0}]),
        )],
    )["resourceGroups"]
        .clone();
    testbed.cluster_queue(&[(Flavor::Amd, 8)], limited);
    let _ = submit("16", &[])
        .exits(3)
        .says("provides at most 8 (amd-8)");
    testbed.delete("ClusterQueue", &other);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn cohorts_lend_their_own_quota_down_the_tree() {
    let testbed = Testbed::new("tree");
    testbed.namespace();
    testbed.cluster_queue(&[(Flavor::Amd, 8)], json!({"cohortName": testbed.name}));
    let root = format!("{}-root", testbed.name);
    let cohort = |name: &str, parent: Option<&str>, gpus: Value| {
        let mut quota = json!({"name": "amd.com/gpu"});
        for (key, value) in gpus.as_object().unwrap() {
            quota[key] = value.clone();
        }
        let mut spec = group(&["amd.com/gpu"], &[quotas(Flavor::Amd, &json!([quota]))]);
        if let Some(parent) = parent {
            spec["parentName"] = parent.into();
        }
        testbed.apply(json!({
            "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "Cohort",
            "metadata": {"name": name}, "spec": spec,
        }));
    };
    cohort(&root, None, json!({"nominalQuota": 24}));
    cohort(
        &testbed.name,
        Some(&root),
        json!({"nominalQuota": 0, "borrowingLimit": 8}),
    );
    let path = example("hello");
    let _ = testbed
        .submit(&["-p", &path, "-g", "24"])
        .exits(3)
        .says("provides at most 16 (amd-8)");
    let _ = testbed
        .submit(&["-p", &path, "-g", "16"])
        .exits(0)
        .says("borrows 8 from cohort")
        .says("starts now");
    testbed.wait_for_condition("Job", "alice-hello", "Complete");
    testbed.delete("Cohort", &testbed.name);
    testbed.delete("Cohort", &root);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn cpu_and_memory_count_in_the_flavor_of_the_gpus() {
    let testbed = Testbed::new("sizes");
    testbed.namespace();
    // 8 GPUs want 32 CPUs and 256Gi; the sums over both flavors would do.
    let flavor = |flavor: Flavor, cpu: i64, memory: &str| {
        json!({"name": flavor.name(), "resources": [
            {"name": "cpu", "nominalQuota": cpu},
            {"name": "memory", "nominalQuota": memory},
            {"name": "amd.com/gpu", "nominalQuota": if matches!(flavor, Flavor::Amd) { 16 } else { 0 }},
        ]})
    };
    let queue = |cpu: i64, memory: &str| {
        let flavors = [
            flavor(Flavor::Amd, cpu, memory),
            flavor(Flavor::AmdSmall, 100, "4Ti"),
        ];
        testbed.cluster_queue(
            &[(Flavor::Amd, 16), (Flavor::AmdSmall, 8)],
            group(&["amd.com/gpu"], &flavors),
        );
    };
    let path = example("ray-gpus");
    let job = [
        "-p",
        &path,
        "-g",
        "8",
        "--name",
        "sizes",
        "-i",
        "testbed/forever",
        "--cpus-per-gpu=4",
        "--memory-per-gpu=32Gi",
    ];
    queue(31, "1Ti");
    // What nobody states is smaller.
    let _ = testbed
        .submit(&["-p", &path, "-g", "8", "-d=server"])
        .exits(0)
        .says("pods are smaller than usual, to fit nodes and quota: --cpus-per-gpu 3\n");
    let _ = testbed
        .submit(&job)
        .exits(3)
        .says("32 cpu can never be admitted")
        .says("at most 31 (amd-8)")
        .says("try --cpus-per-gpu 3, ");
    queue(100, "255Gi");
    let _ = testbed
        .submit(&job)
        .exits(3)
        .says("256Gi memory can never be admitted")
        .says("at most 255Gi (amd-8)")
        .says("try --memory-per-gpu 31Gi, ");
    nothing_was_made(&testbed);
    let _ = testbed.submit(&[&job[..], &["--force"]].concat()).exits(0);
    waits_because(&testbed, "insufficient quota for memory in flavor amd-8");
    testbed.delete("Job", "sizes");
    until_idle(&testbed);

    // The workers fill their flavor; Kueue finds another for head and submitter.
    queue(32, "256Gi");
    let _ = testbed
        .submit(&[
            "-p",
            &path,
            "-g",
            "8",
            "--ray",
            "--name",
            "ray",
            "-i",
            "testbed/forever",
        ])
        .exits(0);
    let workload = testbed.wait("Kueue to admit all pod sets", || {
        let workload = testbed.list("Workload").pop()?;
        has_condition(&workload, "Admitted").then_some(workload)
    });
    let sets = workload["status"]["admission"]["podSetAssignments"]
        .as_array()
        .unwrap();
    let flavor_of = |has_gpus: bool| {
        let set = sets
            .iter()
            .find(|set| set["flavors"].get("amd.com/gpu").is_some() == has_gpus);
        set.unwrap()["flavors"]["cpu"].clone()
    };
    assert_eq!(
        (flavor_of(true), flavor_of(false)),
        (json!("amd-8"), json!("amd-4")),
        "{workload}"
    );
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn cpus_may_come_from_a_resource_group_of_their_own() {
    let testbed = Testbed::new("groups");
    testbed.namespace();
    testbed.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor",
        "metadata": {"name": "any"}, "spec": {},
    }));
    let queue = |cpu: i64| {
        testbed.cluster_queue(
            &[(Flavor::Amd, 16)],
            json!({"resourceGroups": [
                {"coveredResources": ["cpu", "memory"], "flavors": [{"name": "any", "resources": [
                    {"name": "cpu", "nominalQuota": cpu}, {"name": "memory", "nominalQuota": "1Ti"},
                ]}]},
                {"coveredResources": ["amd.com/gpu"], "flavors": [{"name": "amd-8", "resources": [
                    {"name": "amd.com/gpu", "nominalQuota": 16},
                ]}]},
            ]}),
        );
    };
    let path = example("ray-gpus");
    let submit = [
        "-p",
        &path,
        "-g",
        "8",
        "--ray",
        "--name",
        "apart",
        "-i",
        "testbed/forever",
        "--cpus-per-gpu=4",
        "--head-cpus=2",
    ];
    queue(34);
    let _ = testbed
        .submit(&submit)
        .exits(3)
        .says("34500m cpu for all pods together can never be admitted")
        .says("at most 34 (any)");
    queue(35);
    let _ = testbed.submit(&submit).exits(0).says("starts now");
    testbed.wait("Kueue to admit it", || {
        let workload = testbed.list("Workload").pop()?;
        has_condition(&workload, "Admitted").then_some(())
    });
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_tainted_flavor_takes_only_who_tolerates_it() {
    let testbed = Testbed::new("taints");
    testbed.namespace();
    testbed.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor",
        "metadata": {"name": testbed.name}, "spec": {
            "nodeLabels": {"beta.amd.com/gpu.family.AI": "8"},
            "nodeTaints": [{"key": "team", "value": "ml", "effect": "NoSchedule"}],
        },
    }));
    let mut flavor = quotas(
        Flavor::Amd,
        &json!([{"name": "amd.com/gpu", "nominalQuota": 16}]),
    );
    flavor["name"] = testbed.name.clone().into();
    testbed.cluster_queue(&[], group(&["amd.com/gpu"], &[flavor]));
    let path = example("hello");
    let submit = ["-p", &path, "-g", "8"];
    let _ = testbed
        .submit(&submit)
        .exits(3)
        .says("no flavor of ClusterQueue")
        .says("has the taint team=ml:NoSchedule, which the pods do not tolerate")
        .says("--toleration KEY=VALUE:EFFECT");
    let _ = testbed
        .submit(&[&submit[..], &["--force"]].concat())
        .exits(0);
    waits_because(&testbed, "untolerated taint");
    let _ = testbed
        .submit(
            &[
                &submit[..],
                &["--replace", "--toleration", "team=ml:NoSchedule"],
            ]
            .concat(),
        )
        .exits(0)
        .says("job/alice-hello replaced");
    testbed.wait_for_condition("Job", "alice-hello", "Complete");
    testbed.delete("ResourceFlavor", &testbed.name);
}
