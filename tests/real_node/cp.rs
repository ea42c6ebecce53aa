//! `kaiwo cp`: both ways, over connections that break, and from the claim of a workload
//! that has ended.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{BUSYBOX, Node, PYTHON, QUEUE, takes_long};
use crate::common::Outcome;
use crate::testbed::fault_proxy::FaultProxy;

/// Returns a checksum over names, modes and contents of all files below a directory.
fn sum_of(directory: &Path) -> String {
    let line = "find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum; \
                find . -type f -printf '%m %p\\n' | LC_ALL=C sort | sha256sum";
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(directory)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Makes two files of so many MiB, and so many small ones.
fn make_files(root: &Path, mebibytes: u32, small: u32) {
    let line = format!(
        "mkdir -p small && head -c {mebibytes}M /dev/urandom >one && head -c {mebibytes}M /dev/urandom >two \
         && i=0; while [ $i -lt {small} ]; do echo \"file $i $i $i\" >small/$i; i=$((i+1)); done; chmod 600 one"
    );
    fs::create_dir_all(root).unwrap();
    let made = Command::new("sh")
        .args(["-c", &line])
        .current_dir(root)
        .status();
    assert!(made.unwrap().success());
}

/// Makes sure that nothing of a copy runs in the container.
#[track_caller]
fn nothing_is_left(node: &Node, name: &str) {
    let outcome = node.kaiwo("exec", &[name, "--", "ps", "-ef"]).exits(0);
    for word in ["kaiwo-cp", "tail -c", "head -c", "xargs"] {
        assert!(!outcome.stdout.contains(word), "{word}: {}", outcome.stdout);
    }
}

fn through(node: &Node, proxy: &FaultProxy, arguments: &[&str]) -> Outcome {
    node.grant("alice", "ClusterRole", "edit");
    let kubeconfig = proxy.kubeconfig(node);
    let fixed = ["--kubeconfig", &kubeconfig];
    node.kaiwo("cp", &[&fixed[..], arguments].concat())
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn files_arrive_whole_over_connections_that_break() {
    let node = Node::new("cp-cut");
    node.sleeper("job");
    let root = node.sandbox.path("files");
    make_files(&root, 16, 500);
    // Each breaks in the middle of a file; small ones are cut in their archive, too.
    let proxy = FaultProxy::cutting_commands(7 << 20, 4);
    let up = through(&node, &proxy, &["files", "job:/tmp/there"]).exits(0);
    assert_eq!(proxy.cuts(), 4, "{}", up.stderr);
    _ = up.says("the connection broke").says("SHA-256 compared");
    nothing_is_left(&node, "job");
    let proxy = FaultProxy::cutting_commands(7 << 20, 4);
    let down = through(&node, &proxy, &["job:/tmp/there", "back"]).exits(0);
    assert_eq!(proxy.cuts(), 4, "{}", down.stderr);
    nothing_is_left(&node, "job");
    assert_eq!(sum_of(&root), sum_of(&node.sandbox.path("back")));
    let proxy = FaultProxy::cutting_commands(100 << 10, 2);
    let down = through(&node, &proxy, &["job:/tmp/there/small", "few"]).exits(0);
    assert_eq!(proxy.cuts(), 2, "{}", down.stderr);
    nothing_is_left(&node, "job");
    assert_eq!(
        sum_of(&root.join("small")),
        sum_of(&node.sandbox.path("few"))
    );
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn large_files_and_ten_thousand_small_ones_arrive_over_five_cuts() {
    if takes_long("2 GiB and 10,000 files, with cuts") {
        return;
    }
    let node = Node::new("cp-large");
    node.sleeper("job");
    let root = node.sandbox.path("files");
    make_files(&root, 1024, 10_000);
    for (what, every) in [("one", 160 << 20), ("two", 160 << 20), ("small", 1 << 20)] {
        let (mine, there) = (format!("files/{what}"), format!("job:/tmp/{what}"));
        for arguments in [[mine.as_str(), &there], [&there, what]] {
            let proxy = FaultProxy::cutting_commands(every, 5);
            let copied = through(&node, &proxy, &arguments).exits(0);
            assert_eq!(proxy.cuts(), 5, "{}", copied.stderr);
            nothing_is_left(&node, "job");
        }
    }
    let back = node.sandbox.path("small");
    assert_eq!(sum_of(&root.join("small")), sum_of(&back));
    for what in ["one", "two"] {
        let same = Command::new("cmp")
            .arg(root.join(what))
            .arg(node.sandbox.path(what))
            .status();
        assert!(same.unwrap().success(), "{what}");
    }
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn names_modes_and_links_arrive() {
    let node = Node::new("cp-names");
    for (name, image) in [("debian", PYTHON), ("busybox", BUSYBOX)] {
        node.script(name, "echo here\nexec sleep 100000\n");
        _ = node.run(name, &["-i", image]).exits(0);
        node.wait_for_log(name, "here");
        let root = node.sandbox.path(&format!("{name}-files"));
        fs::create_dir_all(root.join("d/empty")).unwrap();
        for (file, mode) in [
            ("ä 日本", 0o644),
            ("-rf", 0o600),
            ("line\nbreak", 0o755),
            ("back\\slash", 0o640),
            ("d/$(touch x)'\"", 0o444),
        ] {
            fs::write(root.join(file), file).unwrap();
            fs::set_permissions(root.join(file), fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::write(root.join("none"), "").unwrap();
        fs::write(root.join("large"), vec![7; 5 << 20]).unwrap();
        symlink("../ä 日本", root.join("d/link")).unwrap();
        symlink("/etc/passwd", root.join("out")).unwrap();
        let from = format!("{name}-files");
        // The image of busybox has no /tmp.
        let there = format!("{name}:there");
        _ = node
            .kaiwo("cp", &[&from, &there])
            .exits(0)
            .says("skipped out: a symbolic link to /etc/passwd");
        let back = format!("{name}-back");
        _ = node.kaiwo("cp", &[&there, &back]).exits(0);
        let back = node.sandbox.path(&back);
        assert_eq!(sum_of(&root), sum_of(&back), "{name}");
        assert_eq!(
            fs::read_link(back.join("d/link")).unwrap(),
            Path::new("../ä 日本")
        );
        assert!(back.join("d/empty").is_dir());
        assert!(fs::symlink_metadata(back.join("out")).is_err());
        // A second time nothing is overwritten.
        let again = node.kaiwo("cp", &[&format!("{there}/."), &format!("{name}-back")]);
        _ = again.exits(3).says("already exist");
        _ = node
            .kaiwo(
                "cp",
                &["-f", &format!("{there}/."), &format!("{name}-back")],
            )
            .exits(0);
        assert_eq!(sum_of(&root), sum_of(&back), "{name}");
        nothing_is_left(&node, name);
    }
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn the_home_directory_is_reached_and_the_root_is_not_copied() {
    let node = Node::new("cp-home");
    node.sandbox.write("a b/c", "mine\n");
    for (name, image) in [("debian", PYTHON), ("busybox", BUSYBOX)] {
        let fixed = [
            "submit", "-n", &node.name, "-q", QUEUE, "--name", name, "-i", image,
        ];
        let more = [
            "--env",
            "HOME=/scratch/home",
            "--",
            "sh",
            "-c",
            "mkdir -p ~ && echo here && exec sleep 100000",
        ];
        _ = node.sandbox.kaiwo(&[&fixed[..], &more].concat()).exits(0);
        node.wait_for_log(name, "here");
        let remote = |path: &str| format!("{name}:{path}");
        _ = node.kaiwo("cp", &["a b", &remote("~/d")]).exits(0);
        _ = node.kaiwo("cp", &["a b/c", &remote("~")]).exits(0);
        for (from, to, file) in [
            ("/scratch/home", "absolute", "absolute/d/c"),
            ("~/d", "directory", "directory/c"),
            ("~", "home", "home/d/c"),
            ("~/c", "file", "file"),
        ] {
            let to = format!("{name}-{to}");
            _ = node.kaiwo("cp", &[&remote(from), &to]).exits(0);
            let file = node.sandbox.path(&format!("{name}-{file}"));
            assert_eq!(fs::read_to_string(file).unwrap(), "mine\n", "{from}");
        }
        // The working directory of the image is `/`.
        for path in ["/", ".", "/scratch/.."] {
            let to = format!("{name}-root");
            _ = node
                .kaiwo("cp", &[&remote(path), &to])
                .exits(3)
                .says("the whole file system of the container (/)");
            assert!(!node.sandbox.path(&to).exists());
        }
        nothing_is_left(&node, name);
    }
}

/// A claim with a volume of the node's own disk.
pub fn claim(node: &Node, name: &str) {
    node.apply(json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": node.name},
        "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "",
            "hostPath": {"path": format!("/tmp/kaiwo-{}", node.name), "type": "DirectoryOrCreate"},
        },
    }));
    node.create(json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": node.name},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "", "volumeName": node.name,
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }));
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn the_claim_of_an_ended_job_is_reached() {
    let node = Node::new("cp-claim");
    claim(&node, "data");
    node.script(
        "job",
        "mkdir -p /data/out && echo result >/data/out/a && sha256sum /data/out/a\n",
    );
    let arguments = ["--volume", "data:/data", "--wait"];
    _ = node.run("job", &arguments).exits(0);
    let pods = || -> usize {
        let pods = node.list("Pod");
        let helper = |pod: &&serde_json::Value| {
            pod["metadata"]["labels"]["app.kubernetes.io/component"] == "copy"
        };
        pods.iter().filter(helper).count()
    };
    let down = node.kaiwo("cp", &["job:/data/out", "here"]).exits(0);
    _ = down.says("→ claim data, through pod job-cp-");
    assert_eq!(
        fs::read_to_string(node.sandbox.path("here/a")).unwrap(),
        "result\n"
    );
    node.wait("the helper to be gone", || (pods() == 0).then_some(()));
    node.sandbox.write("more/b", "mine\n");
    _ = node.kaiwo("cp", &["more/b", "job:/data/out/b"]).exits(0);
    // The pod that has it mounted is taken.
    node.script("other", "echo here\nexec sleep infinity\n");
    _ = node.run("other", &["--volume", "data:/mnt"]).exits(0);
    node.wait_for_log("other", "here");
    let through = node.kaiwo("cp", &["job:/data/out/b", "b"]).exits(0);
    _ = through.says("→ claim data, in pod other-");
    assert_eq!(
        fs::read_to_string(node.sandbox.path("b")).unwrap(),
        "mine\n"
    );
    assert_eq!(pods(), 0);
    let table = node.kaiwo("volumes", &[]).exits(0).stdout;
    assert!(table.contains("other-"), "{table}");
    _ = node
        .kaiwo("cp", &["job:/tmp/x", "x"])
        .exits(3)
        .says("/tmp/x is not on a claim that outlives its pods");
    _ = node.kaiwo("delete", &["other", "-y"]).exits(0);
    node.delete("PersistentVolumeClaim", "data");
    node.delete("PersistentVolume", &node.name);
}
