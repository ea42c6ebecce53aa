//! What is uploaded is what the container has: modes, names, content.

use std::os::unix::fs::PermissionsExt as _;

use super::Node;

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
    let expected = node
        .sandbox
        .shell(
            "find -L . -type f ! -name kaiwoconfig -print0 | LC_ALL=C sort -z | xargs -0 sha256sum",
        )
        .current_dir(node.sandbox.path("job"))
        .output()
        .unwrap();
    let lines = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(
        lines(digests),
        lines(&String::from_utf8(expected.stdout).unwrap())
    );
}
