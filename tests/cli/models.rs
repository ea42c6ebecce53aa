//! `kaiwo models` without a cluster.

use crate::common::{Outcome, Sandbox};

fn models(arguments: &[&str]) -> Outcome {
    Sandbox::new().kaiwo(&[&["models"], arguments].concat())
}

#[test]
fn the_catalogue_needs_no_cluster() {
    let outcome = models(&["phi-4"])
        .exits(0)
        .says("not compared with a cluster: no usable kubeconfig");
    assert_eq!(
        outcome.stdout,
        "NAME                 WEIGHTS   GPUS            LICENCE  TOKEN\n\
         phi-4                27.3 GiB  2 × A10 24 GiB  mit      no\n\
         phi-4-mini-instruct  7.2 GiB   1 × A10 24 GiB  mit      no\n"
    );
    let quiet = models(&["phi-4", "--offline"]).exits(0);
    assert_eq!(
        (quiet.stdout, quiet.stderr),
        (outcome.stdout, String::new())
    );
}

#[test]
fn an_instance_type_is_counted_on() {
    let outcome = models(&[
        "llama-3",
        "--offline",
        "--instance-type=Standard_NC24ads_A100_v4",
    ])
    .exits(0);
    let rows: Vec<Vec<&str>> = outcome
        .stdout
        .lines()
        .map(|line| {
            let cells = line.split("  ").map(str::trim);
            cells.filter(|cell| !cell.is_empty()).collect()
        })
        .collect();
    assert_eq!(rows[0][2..5], ["GPUS", "NODES", "FITS"]);
    let large = rows.last().unwrap();
    assert_eq!(large[0], "llama-3.3-70b-instruct");
    assert_eq!(large[2..5], ["3 × A100 80 GiB", "3", "yes"]);
    let _ = models(&["--offline", "--instance-type=Standard_D16s_v5"])
        .exits(3)
        .says("Standard_D16s_v5 has no GPU");
}

#[test]
fn every_form_goes_to_stdout() {
    let names = models(&["qwen2.5", "--offline", "-o", "name"]).exits(0);
    assert_eq!(
        names.stdout,
        "qwen2.5-coder-32b-instruct\nqwen2.5-coder-7b-instruct\n"
    );
    let wide = models(&["qwen2.5", "--offline", "-o", "wide"]).exits(0);
    let head = wide.stdout.lines().next().unwrap();
    assert!(
        head.ends_with("INSTANCE TYPE             CONTEXT  TUNABLE  SINCE   ID"),
        "{head}"
    );
    let yaml = models(&["qwen2.5", "--offline", "-o", "yaml"]).exits(0);
    assert!(yaml.stdout.contains("kind: ModelList"), "{}", yaml.stdout);
    let asked = Sandbox::new().set("KAIWO_OUTPUT", "json");
    let json = asked.kaiwo(&["models", "qwen2.5", "--offline"]).exits(0);
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["models"].as_array().unwrap().len(), 2);
    let _ = models(&["-o", "xml"]).exits(2);
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    for (word, said) in [
        ("phi5", "did you mean -m phi-4?"),
        ("falcon-7b", "KAITO has removed the preset \"falcon-7b\""),
        ("xyzzy", "model \"xyzzy\" is not in the catalogue"),
        (
            "org/xyzzy",
            "KAITO looks up its size on the Hugging Face Hub",
        ),
    ] {
        let outcome = models(&[word, "--offline"]).exits(3).says(said);
        assert_eq!(outcome.stdout, "");
    }
}
