//! The manifests of every example, for AMD and NVIDIA, as snapshots.
//! `INSTA_UPDATE=always cargo test golden` accepts new ones; read the diff.

use std::fs;

use crate::common::{Sandbox, checkout};

#[test]
fn manifests_of_every_example() {
    let examples = [
        ("hello", &["-g", "1"][..]),
        ("torchrun", &["-g", "16"]),
        ("ray-gpus", &["-g", "16", "--ray"]),
    ];
    let mut known: Vec<&str> = examples.iter().map(|(name, _)| *name).collect();
    known.sort_unstable();
    let mut found: Vec<String> = fs::read_dir(checkout("workloads"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, known, "every example has its manifests pinned here");

    for (name, arguments) in examples {
        for vendor in ["amd", "nvidia"] {
            let path = checkout("workloads").join(name);
            let resource = format!("{vendor}.com/gpu");
            let common = [
                "submit",
                "-p",
                path.to_str().unwrap(),
                "-d",
                "--gpu-resource",
                &resource,
            ];
            let outcome = Sandbox::new()
                .kaiwo(&[&common, arguments].concat())
                .exits(0);
            insta::assert_snapshot!(format!("{name}-{vendor}"), outcome.stdout);
        }
    }
}
