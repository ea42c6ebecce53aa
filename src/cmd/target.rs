//! The cluster, namespace and workload that a command is about.

use crate::api::Reading;
use crate::cli::{ConnectionArgs, NamedArgs};
use crate::cluster::read::api_versions::Served;
use crate::cluster::read::lookup::{self, Found};
use crate::cluster::read::snapshot;
use crate::cluster::{Cluster, Target};
use crate::error::CommandError;
use crate::observe::Snapshot;
use crate::settings::{Namespace, Settings};
use crate::ui::Ui;

use super::{command_line, sources};
use crate::request::DEFAULT_NAMESPACE;

/// A cluster, and which of the APIs it serves that kaiwo speaks.
pub struct Reached {
    pub cluster: Cluster,
    /// What it serves.
    pub served: Served,
    /// The namespace; empty for all.
    pub namespace: String,
}

/// A workload in its place.
pub struct FoundWorkload {
    /// Where it is.
    pub place: Reached,
    /// The workload.
    pub found: Found,
}

impl Reached {
    /// Connects.
    pub async fn reach(
        connection: &ConnectionArgs,
        namespace: String,
        ui: Ui,
    ) -> Result<Self, CommandError> {
        let target = Target {
            reading: Reading::Blank,
            ..command_line::target(connection, ui)
        };
        let cluster = Cluster::connect(&target).await?;
        let served = Served::read(&cluster).await?;
        Ok(Self {
            cluster,
            served,
            namespace,
        })
    }
}

impl FoundWorkload {
    /// Connects, and finds the workload.
    pub async fn find(args: &NamedArgs, ui: Ui) -> Result<Self, CommandError> {
        let namespace = namespace(args.namespace.as_ref(), &args.connection)?;
        let place = Reached::reach(&args.connection, namespace, ui).await?;
        let found = lookup::find(
            &place.cluster,
            &place.served,
            &place.namespace,
            &args.workload,
        )
        .await?;
        Ok(Self { place, found })
    }

    /// Reads what belongs to the workload.
    pub async fn snapshot(&self) -> Result<Snapshot, CommandError> {
        let workload = self.found.workload.clone();
        let Reached {
            cluster, served, ..
        } = &self.place;
        Ok(snapshot::read_snapshot(cluster, served, workload).await?)
    }
}

/// Returns the namespace: what was typed, or what the settings say.
pub fn namespace(
    typed: Option<&Namespace>,
    connection: &ConnectionArgs,
) -> Result<String, CommandError> {
    let typed = Settings {
        namespace: typed.cloned(),
        ..Settings::default()
    };
    let merged = sources::merged_of(&["KAIWO_NAMESPACE"], typed, connection)?;
    Ok(merged
        .namespace
        .map_or_else(|| DEFAULT_NAMESPACE.to_owned(), |it| it.value.into()))
}
