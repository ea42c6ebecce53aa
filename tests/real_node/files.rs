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
