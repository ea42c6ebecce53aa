//! Claims of services: those that exist, those that come and go, and the one
//! that stays. The test itself makes the volumes, as a provisioner would.

use serde_json::{Value, json};

use super::cluster::Testbed;
use super::serve::{available, gone, serve, testbed};

/// Makes a volume for each claim of the test's namespace that waits for one.
fn provision(testbed: &Testbed) {
    for claim in testbed.list("PersistentVolumeClaim") {
        let name = claim["metadata"]["name"].as_str().unwrap();
        if claim["status"]["phase"] == "Bound" {
            continue;
        }
        testbed.apply(json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": format!("{}-{name}", testbed.name)},
            "spec": {
                "accessModes": claim["spec"]["accessModes"],
                "capacity": claim["spec"]["resources"]["requests"],
                "storageClassName": claim["spec"]["storageClassName"],
                "persistentVolumeReclaimPolicy": "Retain",
                "hostPath": {"path": "/nonexistent"},
                "claimRef": {"namespace": testbed.name, "name": name,
                             "apiVersion": "v1", "kind": "PersistentVolumeClaim"},
            },
        }));
    }
}

/// Waits until the only claim is bound, and returns its name and UID.
#[track_caller]
fn bound(testbed: &Testbed) -> (String, String) {
    testbed.wait("the claim to be bound", || {
        provision(testbed);
        let claims = testbed.list("PersistentVolumeClaim");
        let [claim] = &claims[..] else { return None };
        let text = |field: &str| claim["metadata"][field].as_str().unwrap().to_owned();
        (claim["status"]["phase"] == "Bound").then(|| (text("name"), text("uid")))
    })
}

fn forget(testbed: &Testbed, claim: &str) {
    testbed.delete("PersistentVolume", &format!("{}-{claim}", testbed.name));
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn storage_is_bound_and_goes_with_its_pod() {
    let testbed = testbed("storage");
    let words = [
        "-p",
        "chat",
        "-i",
        "registry/chat:1",
        "--storage=1Gi,by-hand",
    ];
    let _ = serve(&testbed, &words).exits(0);
    let (claim, _) = bound(&testbed);
    available(&testbed, "alice-chat", "registry/chat:1");
    testbed.delete("Deployment", "alice-chat");
    gone(&testbed);
    testbed.wait("the claim to go", || {
        testbed
            .list("PersistentVolumeClaim")
            .is_empty()
            .then_some(())
    });
    forget(&testbed, &claim);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn storage_that_is_kept_is_found_again() {
    let testbed = testbed("kept");
    let words = |size: &'static str, image: &'static str| {
        [
            "-p",
            "chat",
            "--keep-storage",
            "-i",
            image,
            "--storage",
            size,
        ]
    };
    let (size, first) = ("1Gi,by-hand", "registry/chat:1");
    let _ = serve(&testbed, &words(size, first))
        .exits(0)
        .says("created, with persistentvolumeclaim/alice-chat-scratch, 1 upload\n");
    let (claim, uid) = bound(&testbed);
    assert_eq!(claim, "alice-chat-scratch");
    let deployment = available(&testbed, "alice-chat", first);
    let volumes = &deployment["spec"]["template"]["spec"]["volumes"];
    let scratch = volumes
        .as_array()
        .unwrap()
        .iter()
        .find(|v| v["name"] == "scratch");
    assert_eq!(
        scratch.unwrap()["persistentVolumeClaim"]["claimName"],
        claim
    );

    // One pod at a time mounts it.
    let _ = serve(&testbed, &words(size, "registry/chat:2"))
        .exits(3)
        .says("error: deployment/alice-chat has one pod, and its claim can only be mounted by one pod at a time");
    let allowed = [&words(size, "registry/chat:2")[..], &["--allow-downtime"]].concat();
    let _ = serve(&testbed, &allowed).exits(0);
    available(&testbed, "alice-chat", "registry/chat:2");

    testbed.delete("Deployment", "alice-chat");
    gone(&testbed);
    let _ = serve(&testbed, &words("2Gi,by-hand", first))
        .exits(5)
        .says("persistentvolumeclaim/alice-chat-scratch already exists and is not what this workload needs");
    let _ = serve(&testbed, &words(size, first)).exits(0);
    available(&testbed, "alice-chat", first);
    assert_eq!(
        bound(&testbed),
        (claim.clone(), uid),
        "with all that is in it"
    );
    testbed.delete("Deployment", "alice-chat");
    gone(&testbed);
    forget(&testbed, &claim);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_claim_that_does_not_exist_is_refused() {
    let testbed = testbed("claims");
    let mount = |claim: &str, more: &[&str]| {
        let volume = format!("--volume={claim}:/models");
        let words = ["-p", "chat", "-i", "registry/chat:1", &volume];
        serve(&testbed, &[&words[..], more].concat())
    };
    let _ = mount("models", &[])
        .exits(3)
        .says(&format!(
            "error: PersistentVolumeClaim \"models\" does not exist in namespace \"{}\"\n",
            testbed.name
        ))
        .says("create it, with a suitable size");
    testbed.create(json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "models", "namespace": testbed.name},
        "spec": {"accessModes": ["ReadWriteMany"], "storageClassName": "by-hand",
                 "resources": {"requests": {"storage": "1Gi"}}},
    }));
    let _ = mount("model", &[])
        .exits(3)
        .says("did you mean --volume models:/path?");
    assert_eq!(testbed.list("Deployment"), [] as [Value; 0]);

    // What is loaded goes into it.
    let _ = mount("models", &["--preload=hf://org/model:/models/chat"]).exits(0);
    let (claim, _) = bound(&testbed);
    let deployment = available(&testbed, "alice-chat", "registry/chat:1");
    let loader = &deployment["spec"]["template"]["spec"]["initContainers"][0];
    assert_eq!(loader["volumeMounts"][1]["name"], "volume-0");
    testbed.delete("Deployment", "alice-chat");
    gone(&testbed);
    forget(&testbed, &claim);
}
