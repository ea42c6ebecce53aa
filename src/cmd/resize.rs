//! `kaiwo resize`.

use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;

use crate::api::kueue_workload::{KueueWorkload, QueueState};
use crate::change::queueing::slots as change;
use crate::change::queueing::slots::NewSlots;
use crate::cli::ResizeArgs;
use crate::cluster::client::request::Write;
use crate::cluster::read::kueue::queueing;
use crate::cluster::read::lookup;
use crate::error::{CommandError, ErrorClass};
use crate::names::counted;
use crate::render::manifest::Manifest;
use crate::suggestion::kaiwo;
use crate::ui::Ui;

use super::block_on;
use super::confirmation::agreed;
use super::target::{FoundWorkload, Reached};

/// Longest wait until Kueue has followed.
const FOLLOWED: Duration = Duration::from_secs(30);
/// Pause between two looks.
const POLL: Duration = Duration::from_millis(250);
/// How often it is decided again because the array has changed meanwhile.
const TRIES: usize = 5;

/// Changes how many tasks of an array run at once.
///
/// # Errors
/// [`CommandError`] if it is no array, or Kueue would stop it for that.
pub fn run(args: &ResizeArgs, ui: Ui) -> Result<u8, CommandError> {
    block_on(async {
        let mut target = FoundWorkload::find(&args.named, ui).await?;
        let mut tries = 1..TRIES;
        loop {
            let found = &target.found;
            let name = found.workload.display_name();
            let new = change::to(&found.workload, &found.object, args.slots)?;
            let (NewSlots { slots, before, .. }, Some(patch)) = (&new, &new.patch) else {
                ui.status(format!("{name} unchanged: {}", counted(new.slots, "slot")));
                return Ok(0);
            };
            if slots > before {
                let Reached {
                    cluster,
                    served,
                    namespace,
                } = &target.place;
                let facts = queueing::queues(cluster, served, namespace).await?;
                change::check_quota(&found.workload, &found.object, *slots, &facts)?;
            }
            if new.stopped > 0 {
                ui.status(format!(
                    "  {} of its running tasks will be stopped, and start again from the beginning when a slot is free",
                    new.stopped
                ));
            }
            if args.dry_run {
                ui.status(format!(
                    "{name} would have {} instead of {before} (dry run)",
                    counted(slots, "slot")
                ));
                return Ok(0);
            }
            if new.stopped > 0 && !args.yes && !agreed(ui, "stop them?")? {
                return Ok(ErrorClass::Refused.exit_code());
            }
            let Ok(object) = Manifest::new(found.object.clone()) else {
                return Ok(0);
            };
            if new.grows {
                let snapshot = target.snapshot().await?;
                tokio::time::sleep(change::pause(snapshot.queued(), Timestamp::now())).await;
            }
            match target
                .place
                .cluster
                .patch(&object, patch, Write::Real)
                .await
            {
                Err(error) if error.is_conflict() && tries.next().is_some() => {
                    target = look_again(target, args).await?;
                    continue;
                }
                written => _ = written?,
            }
            ui.status(format!(
                "{name} resized: {} instead of {before}",
                counted(slots, "slot")
            ));
            if *slots < args.slots {
                ui.status(format!("  it has only {}", counted(slots, "task")));
            }
            return follow(&target, &new, ui).await.map(|()| 0);
        }
    })
}

async fn look_again(
    target: FoundWorkload,
    args: &ResizeArgs,
) -> Result<FoundWorkload, CommandError> {
    let Reached {
        cluster,
        served,
        namespace,
    } = &target.place;
    let found = lookup::find(cluster, served, namespace, &args.named.workload).await?;
    Ok(FoundWorkload { found, ..target })
}

/// Looks until Kueue has followed, and says what waits.
async fn follow(target: &FoundWorkload, new: &NewSlots, ui: Ui) -> Result<(), CommandError> {
    let name = target.found.workload.display_name();
    let namespace = &target.place.namespace;
    let progress = ui.progress("waiting for Kueue");
    let begun = Instant::now();
    while begun.elapsed() < FOLLOWED {
        let snapshot = target.snapshot().await?;
        // Who may not read Workloads sees it in its status.
        if target.found.workload.queue().is_none() || snapshot.queued.known().is_none() {
            return Ok(());
        }
        if let Some(queued) = change::follows(snapshot.queued(), new.slots) {
            drop(progress);
            tell_waiting(queued, snapshot.queued(), &name, namespace, ui);
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
    let seconds = FOLLOWED.as_secs();
    Err(CommandError::new(
        ErrorClass::TimedOut,
        format!("{name} is changed, but Kueue has not followed within {seconds} s"),
    )
    .hint(kaiwo("why {} -n {}", &[&name, namespace]).to("check its status"))
    .about(name))
}

/// Says that more slots wait beside those that it runs with.
fn tell_waiting(
    newest: &KueueWorkload,
    all: &[KueueWorkload],
    name: &str,
    namespace: &str,
    ui: Ui,
) {
    let mut running = all.iter().filter(|one| one.state() == QueueState::Admitted);
    if newest.state() == QueueState::Admitted || running.next().is_none() {
        return;
    }
    ui.status(
        "  those that run continue; the others wait until the queue has quota for all of them",
    );
    let why = kaiwo("why {} -n {}", &[name, namespace]);
    ui.suggest(&why.to("see what they wait for"));
}
