//! Takes apart what a template made: the workload, and the objects that go
//! with it. Whatever the template, they get the labels and annotations by
//! which kaiwo, Kueue and the admin's dashboards know them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::RenderError;
use super::check;
use super::context::TemplateContext;
use super::manifest::Manifest;
use super::templates::Rendered;
use crate::api::keys;
use crate::kind::WorkloadKind;
use crate::names::with_article;
use crate::quantity::ByteSize;
use crate::secrecy;
use crate::suggestion::Suggestion;
use crate::yaml;

/// Most bytes of a rendered workload: etcd takes 1.5 MiB in one request, and
/// the controllers add to what was sent.
const LARGEST_WORKLOAD: usize = 1 << 20;

/// Most characters of a line that are shown of what is no YAML.
const WIDEST_SNIPPET: usize = 120;

/// The documents of one template.
#[derive(Debug)]
pub struct Documents {
    /// What goes with the workload, such as its Service.
    pub companions: Vec<Manifest>,
    pub workload: Manifest,
}

impl Documents {
    /// Reads what a template made for a workload of `kind`.
    ///
    /// # Errors
    /// [`RenderError`] if it is not that workload and what can go with it.
    pub fn adopt(
        rendered: Rendered,
        kind: WorkloadKind,
        context: &TemplateContext<'_>,
    ) -> Result<Self, RenderError> {
        let documents = parse(&rendered)?;
        let adoption = Adoption {
            template: rendered.template,
            kind,
            context,
        };
        let mut companions: Vec<Manifest> = Vec::new();
        let mut workload = None;
        let mut kinds = Vec::new();
        for document in documents {
            let manifest = adoption.object(document)?;
            kinds.push(manifest.kind().to_owned());
            if companions.iter().any(|other| other.is_about(&manifest)) {
                return Err(adoption.wrong(
                    format!("{} twice", manifest.display_name()),
                    "give each object its own name, such as {{ Meta.Name ~ \"-data\" }}",
                ));
            }
            if manifest.kind() != kind.name() {
                companions.push(adoption.companion(manifest)?);
            } else if workload.replace(adoption.workload(manifest)?).is_some() {
                return Err(adoption.wrong(
                    format!("more than one {}", kind.name()),
                    "submit the other separately: a template creates one workload",
                ));
            }
        }
        let Some(workload) = workload else {
            return Err(adoption.other_kind(&kinds));
        };
        let size = workload.to_json().len();
        if size > LARGEST_WORKLOAD {
            return Err(RenderError::TooLarge {
                kind: workload.kind().to_owned(),
                size: ByteSize(size as u64),
            });
        }
        Ok(Self {
            companions,
            workload,
        })
    }
}

fn parse(rendered: &Rendered) -> Result<Vec<Value>, RenderError> {
    let Rendered { template, text } = rendered;
    yaml::parse_manifests(Path::new(template), text).map_err(|error| {
        let line = usize::try_from(error.line).unwrap_or(0);
        let snippet: Vec<String> = (1..)
            .zip(text.lines())
            .filter(|(number, _)| line > 0 && (line.saturating_sub(2)..=line).contains(number))
            .map(|(number, text)| {
                let mark = if number == line { '>' } else { ' ' };
                let text: String = secrecy::made_line(text)
                    .chars()
                    .take(WIDEST_SNIPPET)
                    .collect();
                format!("{mark} {number:>4} | {text}")
            })
            .collect();
        RenderError::Yaml {
            template: template.clone(),
            message: error.message,
            snippet: snippet.join("\n"),
        }
    })
}

/// What the documents of one template are measured by.
struct Adoption<'a> {
    template: String,
    kind: WorkloadKind,
    context: &'a TemplateContext<'a>,
}

impl Adoption<'_> {
    fn wrong(&self, what: String, hint: impl Into<Suggestion>) -> RenderError {
        RenderError::Document {
            template: self.template.clone(),
            what,
            hint: hint.into(),
        }
    }

    fn other_kind(&self, kinds: &[String]) -> RenderError {
        let wanted = self.kind.name();
        let made = match kinds {
            [] => "no documents".to_owned(),
            kinds => format!("{}, but no {wanted}", kinds.join(" and ")),
        };
        let known = kinds.iter().find_map(|kind| WorkloadKind::named(kind));
        let hint = match known {
            Some(kind) => format!(
                "to create {}: {}",
                with_article(kind.name()),
                kind.command()
            ),
            None => format!("add a document of kind {wanted}"),
        };
        self.wrong(made, hint)
    }

    /// Checks what every object needs.
    fn object(&self, document: Value) -> Result<Manifest, RenderError> {
        let mut manifest = Manifest::new(document).map_err(|missing| {
            self.wrong(
                format!("a document without {missing}"),
                "add apiVersion, kind and metadata.name to every document",
            )
        })?;
        let name = manifest.display_name();
        let namespace = &self.context.meta.namespace;
        if manifest
            .resource()
            .is_some_and(|resource| !resource.namespaced)
        {
            return Err(self.wrong(
                format!("{name}, which is not namespaced"),
                "remove it, or ask an admin to create it: a template can only create objects in the workload's namespace",
            ));
        }
        if !manifest.namespace().is_empty() && manifest.namespace() != namespace {
            return Err(self.wrong(
                format!("{name} in namespace {:?}", manifest.namespace()),
                format!("remove metadata.namespace; -n sets it, currently {namespace:?}"),
            ));
        }
        // Its values would be printed by a dry run, and stored in clear.
        if manifest.kind() == "Secret" {
            return Err(self.wrong(
                format!("{name}, whose values would be readable here"),
                format!("create it once with kubectl -n {namespace} create secret, and refer to it by name"),
            ));
        }
        // What it holds would pass by every check.
        if manifest.value().get("items").is_some() && manifest.kind().ends_with("List") {
            return Err(self.wrong(
                format!("{name}, which is several objects in one"),
                "write each of them as a separate document, with --- between them",
            ));
        }
        manifest.set_namespace(namespace);
        manifest.label(&["metadata"], &self.context.meta.labels);
        manifest.annotate(&self.context.meta.annotations);
        Ok(manifest)
    }

    fn companion(&self, manifest: Manifest) -> Result<Manifest, RenderError> {
        if manifest.kind() == "LocalQueue" {
            return Err(self.wrong(
                format!("{}, which kaiwo itself creates", manifest.display_name()),
                "remove it; -q sets the queue",
            ));
        }
        self.checked(manifest)
    }

    fn workload(&self, mut manifest: Manifest) -> Result<Manifest, RenderError> {
        let version = &self.context.workload.api_version;
        if manifest.api_version() != version {
            return Err(self.wrong(
                format!(
                    "{} of {}",
                    with_article(manifest.kind()),
                    manifest.api_version()
                ),
                format!("write apiVersion: {version}"),
            ));
        }
        let name = &self.context.meta.name;
        if manifest.name() != name {
            return Err(self.wrong(
                format!("the name {:?} instead of {name:?}", manifest.name()),
                "write name: {{ Meta.Name }}, and choose the name with --name",
            ));
        }
        let queue = self.queue_labels();
        if self.kind == WorkloadKind::CronJob {
            let job = ["spec", "jobTemplate", "metadata"];
            manifest.label(&job, &queue);
            manifest.label(&job, &self.context.meta.labels);
        }
        manifest.label(&["metadata"], &queue);
        for template in self.kind.descriptor().pod_templates {
            let path: Vec<&str> = template.iter().copied().chain(["metadata"]).collect();
            manifest.label(&path, &self.context.meta.pod_labels);
        }
        self.checked(manifest)
    }

    /// Compares an object with the schema of its kind.
    fn checked(&self, manifest: Manifest) -> Result<Manifest, RenderError> {
        let findings = check::check(manifest.value());
        if findings.is_empty() {
            return Ok(manifest);
        }
        Err(RenderError::Findings {
            template: self.template.clone(),
            object: manifest.display_name(),
            findings,
        })
    }

    fn queue_labels(&self) -> BTreeMap<String, String> {
        let meta = &self.context.workload_meta;
        let labels = [
            (keys::QUEUE_NAME_LABEL, meta.queue.as_ref()),
            (keys::PRIORITY_CLASS_LABEL, meta.priority_class.as_ref()),
        ];
        labels
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?.clone())))
            .collect()
    }
}
