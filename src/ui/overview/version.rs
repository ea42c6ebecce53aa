//! The versions of kaiwo and of what is on the cluster.

use serde::Serialize;

use crate::error::CommandError;
use crate::observe::doctor::Component;
use crate::suggestion::Connection;
use crate::ui::Ui;
use crate::ui::report::{API_VERSION, ErrorReport};
use crate::ui::table::{Cell, Column};

/// What is on a cluster.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterVersions {
    /// Context of the kubeconfig.
    pub context: String,
    /// URL of the API server.
    pub server: String,
    /// Kubernetes and the operators.
    pub components: Vec<Component>,
}

/// The versions, for programs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionReport<'a> {
    api_version: &'static str,
    kind: &'static str,
    version: &'static str,
    /// Operating system and architecture.
    platform: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a ClusterVersions>,
    /// Why nothing is known of a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorReport>,
}

impl<'a> VersionReport<'a> {
    /// Reports this kaiwo and the cluster, or why there is none.
    pub fn new(
        cluster: Result<&'a ClusterVersions, &CommandError>,
        connection: &Connection,
    ) -> Self {
        let error = cluster.as_ref().err();
        Self {
            api_version: API_VERSION,
            kind: "VersionReport",
            version: env!("CARGO_PKG_VERSION"),
            platform: format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
            error: error.map(|error| ErrorReport::new(error, connection)),
            cluster: cluster.ok(),
        }
    }

    /// Returns them for people.
    pub fn text(&self, ui: Ui) -> String {
        let mut text = format!("kaiwo {} for {}\n", self.version, self.platform);
        let Some(cluster) = self.cluster else {
            return text;
        };
        text += &format!("context {} at {}\n\n", cluster.context, cluster.server);
        let columns = [
            Column::words("COMPONENT"),
            Column::words("RELEASE"),
            Column::words("KNOWN TO KAIWO"),
            Column::words("API"),
        ];
        let rows = cluster.components.iter().map(|component| {
            let is_kubernetes = component.known.is_empty();
            let api = match component.served.is_empty() {
                true if is_kubernetes => String::new(),
                true => "not installed".to_owned(),
                false => component.served.join(", "),
            };
            vec![
                Cell::from(component.name),
                component.release.as_deref().unwrap_or_default().into(),
                component.known_release.into(),
                api.into(),
            ]
        });
        text += &ui.table(&columns).lines(&rows.collect::<Vec<_>>());
        text
    }
}

#[cfg(test)]
crate::schema::testing::report_schemas!(VersionReport<'static> => "VersionReport");
