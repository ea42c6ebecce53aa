//! What is uploaded is what the container has: modes, names, content.

use std::os::unix::fs::PermissionsExt as _;

use super::{BUSYBOX, Node, PYTHON, RAY, USER};

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn uploads_arrive_with_modes_names_and_content() {
    let node = Node::new("uploads");
    node.script(
        "job",
        "./tools/run\n[ -x plain ] || echo plain is no program\n\
         find -L . -type f ! -name '..*' ! -path '*/..*' -print0 | sort -z | xargs -0 sha256sum\n",
    );
    let names = [
        "data/ünïcode ☃.txt",
        "a b/quo'te\"s.txt",
        "$HOME {{x}}.txt",
        "empty",
        "plain",
    ];
    for name in names {
        node.sandbox.write(&format!("job/{name}"), name.repeat(3));
    }
    node.sandbox.write("job/empty", "");
    let random: Vec<u8> = (0..900_000u32)
        .map(|i| (i.wrapping_mul(i) >> 7) as u8)
        .collect();
    node.sandbox.write("job/data/binary", &random);
    let tool = node
        .sandbox
        .write("job/tools/run", "#!/bin/sh\necho a tool runs\n");
    std::fs::set_permissions(tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("data/binary", node.sandbox.path("job/link")).unwrap();

    let outcome = node.run("job", &["--follow"]).exits(0);
    let (head, digests) = outcome
        .stdout
        .split_at(outcome.stdout.find("no program\n").unwrap() + 11);
    assert_eq!(head, "a tool runs\nplain is no program\n");
    assert_eq!(sorted(digests), digests_of(&node, "job"));
}

fn sorted(lines: &str) -> Vec<String> {
    let mut lines: Vec<String> = lines.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Returns what `sha256sum` prints of the files of a directory, sorted.
pub fn digests_of(node: &Node, directory: &str) -> Vec<String> {
    let found = node
        .sandbox
        .shell(
            "find -L . -type f ! -name kaiwoconfig ! -name template -print0 | xargs -0 sha256sum",
        )
        .current_dir(node.sandbox.path(directory))
        .output()
        .unwrap();
    sorted(&String::from_utf8(found.stdout).unwrap())
}

/// A Job as the built-in template has it, of another user than the image's.
const AS_ROOT: &str = "\
apiVersion: batch/v1
kind: Job
metadata:
  {% filter indent(width=2) %}{% include \"metadata.yaml.tera\" %}{% endfilter %}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      securityContext: {runAsUser: 0}
      {% filter indent(width=6) %}{% include \"workload_pod.yaml.tera\" %}{% endfilter %}
";

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn large_and_many_files_arrive_whole() {
    let node = Node::new("large");
    for (name, image) in [
        ("root", PYTHON),
        ("user", USER),
        ("busybox-user", BUSYBOX),
        ("busybox-root", BUSYBOX),
    ] {
        let write =
            |path: &str, content: &[u8]| node.sandbox.write(&format!("{name}/{path}"), content);
        node.script(
            name,
            "[ -x 'data/a töol ☃' ] && [ ! -x \"it's \\$HOME.bin\" ] && echo modes are kept\nid -u\n\
             find . -type f -exec sha256sum {} +\n",
        );
        let random = random(7 << 20);
        write("it's $HOME.bin", &random);
        let tool = write("data/a töol ☃", &random[..2_000_000]);
        std::fs::set_permissions(tool, std::fs::Permissions::from_mode(0o755)).unwrap();
        for number in 0..981 {
            let path = format!("many files/ünï {}/{number}.txt", number % 7);
            write(&path, path.as_bytes());
        }
        if name == "busybox-root" {
            write("template", AS_ROOT.as_bytes());
        }
        let flags = ["-i", image, "--upload-limit", "10Mi", "--follow"];
        let outcome = node.run(name, &flags).exits(0);
        let uid = if name.ends_with("root") { 0 } else { 1000 };
        let head = format!("modes are kept\n{uid}\n");
        let digests = outcome.stdout.strip_prefix(&head);
        let digests = digests.unwrap_or_else(|| panic!("{name}: {outcome:?}"));
        assert_eq!(sorted(digests), digests_of(&node, name), "{name}");
    }
}

/// Bytes that no two runs have in common.
fn random(length: usize) -> Vec<u8> {
    use std::io::Read as _;
    let mut bytes = vec![0; length];
    std::fs::File::open("/dev/urandom")
        .unwrap()
        .read_exact(&mut bytes)
        .unwrap();
    bytes
}

/// The same where KubeRay starts the containers, and where a service runs.
#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn large_files_arrive_in_ray_and_in_services() {
    let node = Node::new("large-ray");
    let random = random(3 << 20);
    let digest = |name: &str| {
        let digests = digests_of(&node, name);
        let line = digests.iter().find(|line| line.ends_with("./b.bin"));
        line.unwrap().split(' ').next().unwrap().to_owned()
    };
    node.sandbox.write("job/b.bin", &random);
    node.script("job", "exec python main.py\n");
    node.sandbox.write(
        "job/main.py",
        "import hashlib, ray\n\
         def here(): return hashlib.sha256(open('b.bin', 'rb').read()).hexdigest()\n\
         @ray.remote(num_cpus=1)\ndef there(): return here()\n\
         ray.init()\nprint('DIGESTS', here(), ray.get(there.remote()))\n",
    );
    let outcome = node.run("job", &["--ray", "-i", RAY, "--follow"]).exits(0);
    let expected = digest("job");
    assert!(
        outcome
            .stdout
            .contains(&format!("DIGESTS {expected} {expected}")),
        "{outcome:?}"
    );
    node.sandbox.write("svc/b.bin", &random);
    node.script("svc", "sha256sum b.bin\necho ready\nexec sleep infinity\n");
    _ = node.serve("svc", &[]).exits(0);
    node.wait_for_log("svc", "ready");
    let logs = node.kaiwo("logs", &["svc"]).exits(0).stdout;
    assert_eq!(logs, format!("{}  b.bin\nready\n", digest("svc")));
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_thousand_files_and_eight_megabytes_arrive() {
    let node = Node::new("many");
    node.script(
        "job",
        "find data -type f | LC_ALL=C sort | xargs sha256sum | sha256sum\nfind data -type f | wc -l\n",
    );
    // With these, the entrypoint and the parts below it is as many as there may be.
    for number in 0..989 {
        let path = format!("job/data/{}/{number}.txt", number % 10);
        node.sandbox.write(&path, format!("sample {number}\n"));
    }
    let mut state = 7u32;
    let random: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(8 << 20)
    .collect();
    for (number, part) in random.chunks(900_000).enumerate() {
        node.sandbox.write(&format!("job/data/part-{number}"), part);
    }
    let outcome = node
        .run("job", &["--follow", "--upload-limit", "16Mi"])
        .exits(0);
    let expected = node
        .sandbox
        .shell("find data -type f | LC_ALL=C sort | xargs sha256sum | sha256sum; find data -type f | wc -l")
        .current_dir(node.sandbox.path("job"))
        .output()
        .unwrap();
    assert_eq!(outcome.stdout, String::from_utf8(expected.stdout).unwrap());
}
