//! The options of vLLM, so that a typing mistake is found before machines are
//! ordered for it.

use crate::vocabulary::rows;
use std::sync::LazyLock;

/// An option of `vllm serve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VllmOption {
    /// Its name, without `--`.
    pub name: &'static str,
    /// Whether it takes no value.
    pub is_switch: bool,
}

static OPTIONS: LazyLock<Vec<VllmOption>> = LazyLock::new(|| {
    let rows = rows(include_str!("../../../data/vllm-options.tsv"));
    let options = rows.map(|[name, kind]| VllmOption {
        name,
        is_switch: kind == "switch",
    });
    options.collect()
});

/// Returns the option that `key` names. vLLM takes `_` for `-`, and `no-` before what
/// can be turned off.
pub fn option(key: &str) -> Option<VllmOption> {
    let name = key.replace('_', "-");
    let plain = name.strip_prefix("no-").unwrap_or(&name);
    let mut options = OPTIONS.iter().copied();
    options.find(|option| option.name == name || option.name == plain)
}

/// Returns the names of all options.
pub fn names() -> Vec<&'static str> {
    OPTIONS.iter().map(|option| option.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_stand_once_and_in_order() {
        let names = names();
        assert!(names.len() > 200, "the table is read: {}", names.len());
        assert!(names.is_sorted_by(|one, other| one < other));
        assert!(!names.iter().any(|name| name.starts_with("--")));
        assert!(option("enforce_eager").unwrap().is_switch);
        assert!(!option("max-model-len").unwrap().is_switch);
    }
}
