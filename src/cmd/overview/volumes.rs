//! `kaiwo volumes`.

use k8s_openapi::jiff::Timestamp;

use crate::api::claim::Claim;
use crate::api::pod::Pod;
use crate::api::resource::Resource;
use crate::cli::VolumesArgs;
use crate::cluster::client::pages::Selection;
use crate::cluster::client::request::readable;
use crate::error::CommandError;
use crate::observe::storage::volumes::ClaimLine;
use crate::settings::Format;
use crate::ui::Ui;
use crate::ui::document::document;
use crate::ui::overview::volumes::VolumeReport;

use crate::cmd::block_on;
use crate::cmd::help::cannot_write;
use crate::cmd::target::{self, Reached};

/// Shows claims. `output` is what the variable asks for, unless a flag does.
pub fn run(args: &VolumesArgs, ui: Ui, output: Option<Format>) -> Result<(), CommandError> {
    let namespace = match args.all_namespaces {
        true => String::new(),
        false => target::namespace(args.namespace.as_ref(), &args.connection)?,
    };
    block_on(async {
        let place = Reached::reach(&args.connection, namespace, ui).await?;
        let selection = Selection::labels(args.selector.clone().unwrap_or_default());
        let (claim, pod) = (
            Resource::known("v1", "PersistentVolumeClaim"),
            Resource::known("v1", "Pod"),
        );
        let (claims, pods) = tokio::join!(
            place
                .cluster
                .list_selected::<Claim>(&claim, &place.namespace, &selection),
            place.cluster.list::<Pod>(&pod, &place.namespace, ""),
        );
        let (claims, pods) = (claims?, readable(pods)?);
        let pods = pods.known().map(Vec::as_slice);
        let mut lines: Vec<ClaimLine> = claims
            .iter()
            .map(|claim| ClaimLine::new(claim, pods))
            .collect();
        lines.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        let report = VolumeReport::new(&lines);
        let format = args.output.or(output);
        let written = match document(&report, format) {
            Some(text) => ui.data(&text),
            None if format == Some(Format::Name) => ui.data(&report.names()),
            None => {
                let wide = format == Some(Format::Wide);
                ui.page(&report.text(args.all_namespaces, wide, Timestamp::now(), ui))
            }
        };
        written.map_err(cannot_write)?;
        if lines.is_empty() {
            ui.status(match place.namespace.as_str() {
                "" => "no volumes in any namespace".to_owned(),
                namespace => format!("no volumes in namespace {namespace}"),
            });
        }
        if pods.is_none() {
            ui.status("who mounts them is unknown: you may not list pods");
        }
        Ok(())
    })
}
