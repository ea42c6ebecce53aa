//! Nothing that may be secret is printed: canaries in every position of every
//! flag, variable and file, right and wrong, are looked for in all output.
//!
//! The rule, as in `crates/base/src/secrecy.rs`:
//!
//! - What no name can be (a token, the content of a file, a pair of name and
//!   value, an address with a password) is repeated nowhere, whichever position
//!   it is typed in.
//! - A plain word is repeated where it names something, and nowhere else.
//!   [`NAMES`] lists those positions, and why.
//! - Values of variables and of `--set` are repeated nowhere, whatever they are.
//!   A manifest that was asked for holds them: `-o yaml`, `--show-manifests`
//!   and `template context` print what a cluster is given, or a template.

mod cluster;
mod files;
mod flags;
mod ways_out;

use crate::common::Outcome;

/// Stands in every canary but the one in base64.
const CANARY: &str = "Canary";

/// What no name can be.
const SECRETS: [&str; 7] = [
    "hf_CanaryCanary0123456789",
    "HF_TOKEN=Canary",
    "token: Canary",
    "apiVersion: v1\nusers:\n- name: a\n  user: {token: Canary}\n",
    "{\"users\":[{\"name\":\"a\",\"user\":{\"token\":\"Canary\"}}]}",
    // apiVersion: v1, users: [{name: a, user: {token: Canary}}]
    "YXBpVmVyc2lvbjogdjEKdXNlcnM6IFt7bmFtZTogYSwgdXNlcjoge3Rva2VuOiBDYW5hcnl9fV0K",
    "https://me:Canary@host.example/x?sig=Canary",
];

/// Positions where a plain word names something, by the name of the flag's
/// field, and why the name is repeated.
const NAMES: [(&str, &str); 36] = [
    ("annotation", "a key, without its value: which of several"),
    ("as_group", "who is asked as, in the API server's refusals"),
    ("as_user", "who is asked as, in the API server's refusals"),
    ("base_path", "the path that was asked, in its errors"),
    ("container", "the container that is looked for"),
    ("context", "the context that the kubeconfig lacks"),
    ("custom_config", "the file that cannot be read"),
    ("directory", "the file that cannot be written"),
    (
        "env",
        "a variable that is to be taken from here, in capitals",
    ),
    ("env_file", "the file that cannot be read"),
    ("filter", "the model that is looked for"),
    ("from", "the example that is looked for"),
    ("gpu_node_label_key", "the key of a label"),
    ("gpu_resource", "the resource that is looked for"),
    ("health_path", "the path that is asked"),
    ("image", "the image that is run"),
    ("ingress", "the host that was probably meant"),
    ("inference_config", "the file that cannot be read"),
    ("instance_type", "the type that is looked for"),
    ("kubeconfig", "the file that cannot be read"),
    ("kind", "the kind that is looked for"),
    ("label", "a key, without its value: which of several"),
    ("model", "the model that is looked for"),
    ("name", "the name that cannot be, or is taken"),
    ("namespace", "the namespace that cannot be, or is missing"),
    (
        "node_selector",
        "a key, without its value: which of several",
    ),
    ("path", "the directory that cannot be read"),
    ("preload_image", "the image that is run first"),
    ("priority_class", "the class that is looked for"),
    ("queue", "the queue that is looked for"),
    ("ray_version", "the version that cannot be"),
    ("rollback", "the workload that is looked for"),
    ("selector", "what a suggested command has to select"),
    ("service_account", "the account that cannot be"),
    ("template", "the file that cannot be read"),
    ("topology", "the level that is looked for"),
];

/// Positions of names that only some commands have.
const MORE_NAMES: [(&str, &str); 10] = [
    ("class", "the class that is looked for"),
    ("sweep_file", "the file that cannot be read"),
    ("topic", "the topic that is looked for"),
    ("tune_config", "the file that cannot be read"),
    ("user", "whose workloads are looked for"),
    ("version", "a part of the name"),
    ("workload", "the workload that is looked for"),
    ("attach", "the one that is returned to"),
    ("script", "the path of a file"),
    ("man", "the path of a directory"),
];

fn is_name(field: &str) -> bool {
    let names = NAMES.iter().chain(&MORE_NAMES);
    names.into_iter().any(|(name, _)| *name == field)
}

/// Returns whether the value has the form that belongs into the position.
fn is_form(field: &str, value: &str) -> bool {
    const PAIRS: [&str; 8] = [
        "adapter",
        "annotation",
        "label",
        "node_selector",
        "selector",
        "sweep",
        "target_metric",
        "toleration",
    ];
    value == CANARY || (PAIRS.contains(&field) && value == "HF_TOKEN=Canary")
}

/// Returns the line that holds a canary, in plain or in base64.
fn leak(outcome: &Outcome) -> Option<String> {
    let all = [&outcome.stdout, &outcome.stderr];
    let mut lines = all.into_iter().flat_map(|text| text.lines());
    // Nine bytes of the canary in base64, at each of the three offsets.
    let is_leak = |line: &&str| {
        line.to_lowercase().contains(&CANARY.to_lowercase())
            || ["Q2FuYXJ5", "NhbmFyeX", "DYW5hcnl", "YXBpVmVyc2lvb"]
                .iter()
                .any(|base64| line.contains(base64))
    };
    lines.find(is_leak).map(str::to_owned)
}
