//! `docs/why.md` and the causes that there are.

use std::collections::BTreeSet;

use kaiwo::observe::why::Cause;

use crate::common::checkout;

#[test]
fn every_cause_is_documented_and_every_documented_cause_is_real() {
    let text = std::fs::read_to_string(checkout("docs/why.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    let real: BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.name()).collect();
    assert_eq!(real.len(), Cause::ALL.len(), "two causes have one word");
    assert_eq!(documented.len(), real.len(), "a cause stands there twice");
    assert_eq!(documented.into_iter().collect::<BTreeSet<_>>(), real);
}
