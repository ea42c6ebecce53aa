//! `kaiwo resize`.

use serde_json::{Value, json};

use crate::api::workload::Workload;
use crate::api::workload::job::{JobSpec, JobStatus};
use crate::cli::ResizeArgs;
use crate::cluster::client::request::Write;
use crate::error::CommandError;
use crate::observe::kind::tasks::job;
use crate::plan::Refusal;
use crate::render::manifest::Manifest;
use crate::suggestion::kaiwo;
use crate::ui::Ui;

use super::block_on;
use super::target::FoundWorkload;

/// Changes how many tasks of an array run at once.
///
/// # Errors
/// [`CommandError`] if it is no array, or Kueue would stop it for that.
pub fn run(args: &ResizeArgs, ui: Ui) -> Result<(), CommandError> {
    block_on(async {
        let target = FoundWorkload::find(&args.named, ui).await?;
        let (cluster, found) = (&target.place.cluster, &target.found);
        let workload = &found.workload;
        let name = workload.display_name();
        let (spec, status) = check(workload)?;
        let slots = args.slots.min(spec.tasks());
        if spec.parallelism == Some(slots) {
            ui.status(format!("{name} unchanged: {slots} slots"));
            return Ok(());
        }
        let metadata = &found.object["metadata"];
        // What starts meanwhile is not changed.
        let mut patch = json!({
            "metadata": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]},
            "spec": {"parallelism": slots},
        });
        let elastic = workload.metadata.annotations.elastic == "true";
        if !elastic && let Some(least) = least(&found.object) {
            patch["metadata"]["annotations"] = json!({
                crate::api::keys::MIN_PARALLELISM_ANNOTATION:
                    (least < slots).then(|| least.to_string())
            });
        }
        let Ok(object) = Manifest::new(found.object.clone()) else {
            return Ok(());
        };
        cluster.patch(&object, &patch, Write::Real).await?;
        let before = spec.parallelism.unwrap_or(1);
        ui.status(format!("{name} resized: {slots} slots instead of {before}"));
        if slots > before && status.active > 0 {
            ui.status("  the new ones start as soon as the queue has quota for all of them");
        }
        if slots < args.slots {
            ui.status(format!("  it has only {slots} tasks"));
        }
        Ok(())
    })
}

/// Returns the least slots with which Kueue may start it.
fn least(object: &Value) -> Option<i64> {
    let annotations = &object["metadata"]["annotations"];
    let least = annotations[crate::api::keys::MIN_PARALLELISM_ANNOTATION].as_str()?;
    least.parse().ok()
}

/// Checks that its slots can be changed.
fn check(workload: &Workload) -> Result<(&JobSpec, &JobStatus), Refusal> {
    let name = workload.display_name();
    let wrong = |why: String| Refusal::new(why).about(name.clone());
    let Some((spec, status)) = job(workload) else {
        return Err(wrong(format!("{name} is not an array, and has no slots"))
            .hint("an array is submitted with --array, --sweep or --sweep-file"));
    };
    let mut conditions = status.conditions.iter();
    let has_ended = conditions.any(|condition| {
        matches!(condition.kind.as_str(), "Complete" | "Failed") && condition.status == "True"
    });
    if has_ended {
        return Err(wrong(format!("{name} has ended")).hint(
            kaiwo("status {} -n {}", &[&name, &workload.metadata.namespace]).to("show its tasks"),
        ));
    }
    if spec.suspend || workload.metadata.annotations.elastic == "true" || workload.queue().is_none()
    {
        return Ok((spec, status));
    }
    Err(wrong(format!(
        "{name} runs, and was submitted without --grow: Kueue would stop it, and queue it again at the end"
    ))
    .hint("submit the next one with --grow --slots N"))
}
