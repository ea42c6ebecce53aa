//! `kaiwo status`.

use crate::cli::StatusArgs;
use crate::error::CommandError;
use crate::ui::Ui;

use super::block_on;
use super::help::cannot_write;
use super::target::{self, Target};

/// Shows one workload.
pub fn run(args: &StatusArgs, ui: Ui) -> Result<u8, CommandError> {
    let result = block_on(async {
        let target = Target::find(&args.named, ui).await?;
        let snapshot = target.snapshot().await?;
        let standing = snapshot.standing();
        let text = format!(
            "{}: {} {}\n",
            snapshot.workload.display_name(),
            standing.status,
            standing.reason
        );
        ui.data(&text).map_err(cannot_write)?;
        Ok(0)
    });
    target::connected(result, &args.named.connection)
}
