//! kaiwo under the rights that users really have.

mod matrix;
mod serving;
mod submission;

use super::cluster::Testbed;
use crate::common::checkout;

/// Applies `cluster-admins/rbac/researchers.yaml`.
pub fn roles(testbed: &Testbed) {
    let file = checkout("cluster-admins/rbac/researchers.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    for role in kaiwo::yaml::parse_documents(&file, &text).unwrap() {
        testbed.apply(role);
    }
}

/// Binds ClusterRoles to the test's user, in the test's namespace only. The user
/// has the name of the test, so that no test lends rights to another.
#[track_caller]
pub fn bind(testbed: &Testbed, roles: &[&str]) {
    for role in roles {
        testbed.grant(&testbed.name, "ClusterRole", role);
    }
}

#[track_caller]
pub fn bind_everywhere(testbed: &Testbed, role: &str) {
    testbed.grant_everywhere(&testbed.name, role);
}

/// Applies the manifests that an error hands to an admin.
fn apply_what_it_asks_for(testbed: &Testbed, stderr: &str, place: &str) {
    let (_, manifests) = stderr
        .split_once("ask an admin to apply this:\n\n")
        .unwrap_or_else(|| panic!("{place}\nhands nothing to an admin:\n{stderr}"));
    let source = std::path::Path::new("stderr");
    for object in kaiwo::yaml::parse_documents(source, manifests).unwrap() {
        testbed.apply(object);
    }
}
