//! The models that can be served, as a table and for programs.

use serde::Serialize;

use crate::plan::kaito::offer::{CONFIG_MAP, Machines, ModelOffer};
use crate::ui::report::API_VERSION;

/// Where it is said which models a cluster's KAITO lists.
#[derive(Debug, Clone, Copy)]
pub struct ModelSource<'a> {
    /// Context of the kubeconfig.
    pub context: &'a str,
    /// Namespace of the ConfigMap.
    pub namespace: &'a str,
}

/// A column of the table: its head, and its cell for a model.
type Column = (&'static str, fn(&ModelOffer) -> String);

/// Models to choose from.
#[derive(Debug, Clone, Copy)]
pub struct Catalogue<'a> {
    /// The models.
    pub offers: &'a [ModelOffer],
    /// Whether machines are counted on one instance type.
    pub counted: bool,
    /// The cluster that has answered.
    pub source: Option<ModelSource<'a>>,
}

/// The models, for programs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelReport<'a> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<SourceReport<'a>>,
    models: Vec<Row<'a>>,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SourceReport<'a> {
    context: &'a str,
    config_map: String,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "weightsGiB")]
    weights: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    licence: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    needs_token: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tunable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fits: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    machines: Option<MachinesReport>,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MachinesReport {
    instance_type: &'static str,
    nodes: u32,
    gpus: u32,
    gpu: &'static str,
    #[serde(rename = "gpuMemoryGiB")]
    gpu_memory: u32,
}

impl Catalogue<'_> {
    /// Returns the report for programs.
    pub fn report(&self) -> ModelReport<'_> {
        ModelReport {
            api_version: API_VERSION,
            kind: "ModelList",
            cluster: self.source.map(|source| SourceReport {
                context: source.context,
                config_map: format!("{}/{CONFIG_MAP}", source.namespace),
            }),
            models: self.offers.iter().map(|offer| self.row(offer)).collect(),
        }
    }

    fn row<'a>(&self, offer: &'a ModelOffer) -> Row<'a> {
        let preset = offer.preset;
        Row {
            name: &offer.name,
            id: preset.map(|preset| preset.id),
            weights: preset.map(|preset| preset.weights),
            context_tokens: preset.map(|preset| preset.context),
            licence: preset.map(|preset| preset.licence),
            needs_token: offer.needs_token,
            tunable: preset.map(|preset| preset.can_be_tuned),
            since: preset.map(|preset| preset.since),
            listed: offer.listed,
            // Of what is not known, nobody knows whether it fits.
            fits: (self.counted && preset.is_some()).then_some(offer.machines.is_some()),
            machines: offer.machines.map(|machines| {
                let kind = machines.instance_type;
                MachinesReport {
                    instance_type: kind.name,
                    nodes: machines.nodes,
                    gpus: machines.gpus(),
                    gpu: kind.gpu,
                    gpu_memory: kind.memory / kind.gpus,
                }
            }),
        }
    }

    /// Returns the names, one to a line.
    pub fn names(&self) -> String {
        self.offers
            .iter()
            .map(|offer| format!("{}\n", offer.name))
            .collect()
    }

    /// Returns a table; `wide` has columns for the curious.
    pub fn table(&self, wide: bool) -> String {
        let mut columns: Vec<Column> = vec![
            ("NAME", |offer| offer.name.clone()),
            ("WEIGHTS", weights),
            ("GPUS", gpus),
        ];
        if self.counted {
            columns.push(("NODES", nodes));
            columns.push(("FITS", fits));
        }
        columns.push(("LICENCE", |offer| {
            text(offer.preset.map(|preset| preset.licence))
        }));
        columns.push(("TOKEN", |offer| text(offer.needs_token.map(yes))));
        if self.source.is_some() {
            columns.push(("LISTED", listed));
        }
        if wide {
            columns.push(("INSTANCE TYPE", |offer| {
                text(offer.machines.map(|machines| machines.instance_type.name))
            }));
            columns.push(("CONTEXT", |offer| {
                text(offer.preset.map(|preset| preset.context))
            }));
            columns.push(("TUNABLE", |offer| {
                text(offer.preset.map(|preset| yes(preset.can_be_tuned)))
            }));
            columns.push(("SINCE", |offer| {
                text(offer.preset.map(|preset| preset.since))
            }));
            columns.push(("ID", |offer| text(offer.preset.map(|preset| preset.id))));
        }
        let head = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        let rows = self
            .offers
            .iter()
            .map(|offer| columns.iter().map(|(_, cell)| cell(offer)).collect());
        aligned(std::iter::once(head).chain(rows).collect())
    }
}

fn weights(offer: &ModelOffer) -> String {
    text(
        offer
            .preset
            .map(|preset| format!("{:.1} GiB", preset.weights)),
    )
}

fn gpus(offer: &ModelOffer) -> String {
    let shown = |machines: Machines| {
        format!(
            "{} × {}",
            machines.gpus(),
            machines.instance_type.gpu_text()
        )
    };
    text(offer.machines.map(shown))
}

fn nodes(offer: &ModelOffer) -> String {
    text(offer.machines.map(|machines| machines.nodes))
}

fn fits(offer: &ModelOffer) -> String {
    text(offer.preset.map(|_| yes(offer.machines.is_some())))
}

/// An id is served by KAITO v0.9 and later, whether it is listed or not.
fn listed(offer: &ModelOffer) -> String {
    match offer.listed {
        Some(false) if offer.name.contains('/') => "-".to_owned(),
        listed => text(listed.map(yes)),
    }
}

fn yes(is: bool) -> &'static str {
    match is {
        true => "yes",
        false => "no",
    }
}

fn text<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Returns rows as lines, each column as wide as its widest cell.
fn aligned(rows: Vec<Vec<String>>) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
crate::schema::testing::report_schemas!(ModelReport<'static> => "ModelList");
