//! Checks the words that Kubernetes would refuse later.

use crate::names::{is_dns_1123_label, is_dns_1123_subdomain, is_label_value, is_qualified_name};
use crate::plan::Refusal;
use crate::secrecy::named;
use crate::settings::{Merged, Sourced};

/// Refuses words that Kubernetes would refuse later, with their origin.
///
/// # Errors
/// [`Refusal`] for the first of them.
pub fn check_words(settings: &Merged) -> Result<(), Refusal> {
    let check = |what: &str,
                 word: &Option<Sourced<String>>,
                 right: fn(&str) -> bool,
                 form: &str| match word {
        Some(Sourced { value, origin }) if !right(value) => Err(Refusal::new(format!(
            "{what} {} (from {origin}) cannot be",
            named(value)
        ))
        .hint(format!("write {form}"))),
        _ => Ok(()),
    };
    let not_empty = |word: &str| !word.trim().is_empty() && !word.contains('\0');
    let resource = |word: &str| {
        word.split_once('/').is_some_and(|(domain, name)| {
            is_dns_1123_subdomain(domain) && !name.is_empty() && is_label_value(name)
        })
    };
    let tag = |word: &str| !word.is_empty() && is_label_value(word);
    check(
        "namespace",
        &settings.namespace,
        is_dns_1123_label,
        "up to 63 of a-z, 0-9 and -, with a letter or digit at both ends",
    )?;
    check(
        "queue",
        &settings.queue,
        is_dns_1123_subdomain,
        "the name of a queue: a-z, 0-9, - and .",
    )?;
    check(
        "priority class",
        &settings.priority_class,
        is_dns_1123_subdomain,
        "the name of a WorkloadPriorityClass: a-z, 0-9, - and .",
    )?;
    check(
        "image",
        &settings.image,
        is_image,
        "the name of an image, without white space",
    )?;
    check(
        "model",
        &settings.model,
        is_image,
        "a model of KAITO's catalogue such as phi-4, or org/name",
    )?;
    check(
        "instance type",
        &settings.instance_type,
        is_image,
        "a type of virtual machine such as Standard_NC24ads_A100_v4",
    )?;
    check("version", &settings.version, not_empty, "a word")?;
    check("user", &settings.user, not_empty, "a word")?;
    check(
        "GPU resource",
        &settings.gpu_resource,
        resource,
        "an extended resource such as amd.com/gpu",
    )?;
    check(
        "GPU node label",
        &settings.gpu_node_label_key,
        is_qualified_name,
        "the key of a label such as nvidia.com/gpu.count",
    )?;
    check(
        "Ray version",
        &settings.ray_version,
        tag,
        "a version such as 2.46.0",
    )
}

fn is_image(word: &str) -> bool {
    !word.is_empty() && !word.contains(char::is_whitespace)
}
