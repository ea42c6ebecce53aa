//! `kaiwo cp`.

mod place;

use std::cell::RefCell;
use std::rc::Rc;

use tokio::time::Instant;

use crate::cli::CpArgs;
use crate::cluster::reach::copy::helper::{self, Created};
use crate::cluster::reach::copy::{
    Container, Copied, CopyFailed, CopyUpload, Download, Remote, Voice,
};
use crate::cmd::deploy::inputs::random_word;
use crate::cmd::target::{self, Reached};
use crate::cmd::{block_on, signals};
use crate::error::CommandError;
use crate::shell;
use crate::suggestion::kaiwo;
use crate::transfer::CopyError;
use crate::transfer::end::Direction;
use crate::transfer::plan;
use crate::ui::{CopyBar, Ui};

use place::{ContainerPath, CopyRoute, HelperPlan};

/// Copies files from or to a workload.
pub fn run(args: &CpArgs, ui: Ui) -> Result<(), CommandError> {
    let direction = Direction::between(&args.from, &args.to)?;
    let namespace = target::namespace(args.namespace.as_ref(), &args.connection)?;
    block_on(async {
        let reached = Reached::reach(&args.connection, namespace, ui).await?;
        match CopyRoute::find(&reached, args, &direction).await? {
            CopyRoute::Pod(place) => {
                ui.status(format!("→ {}", place.words()));
                copy(&reached, place, &direction, args.force, ui).await
            }
            CopyRoute::Helper(plan) => {
                let created = RefCell::new(None);
                let steps = async {
                    let pod = start(&reached, &plan, &created, ui).await?;
                    let place = plan.place(&pod, &direction);
                    copy(&reached, place, &direction, args.force, ui).await
                };
                let delete = async |_: &Result<(), CommandError>| {
                    let Some(pod) = created.take() else { return };
                    if let Err(error) = helper::delete(&reached.cluster, &pod).await {
                        let name = &pod.name;
                        ui.warn(format!("pod {name} could not be deleted: {error}"));
                    }
                };
                signals::giving_back(steps, delete).await
            }
        }
    })
}

/// Starts the pod through which a claim is reached, and waits until it runs.
async fn start(
    reached: &Reached,
    plan: &HelperPlan,
    created: &RefCell<Option<Created>>,
    ui: Ui,
) -> Result<Created, CommandError> {
    let pod = plan.create(reached, random_word(6)).await?;
    created.replace(Some(pod.clone()));
    let claim = &plan.mount.claim;
    ui.status(format!(
        "→ claim {claim}, through pod {} until all is copied",
        pod.name
    ));
    let mut waiting = ui.waiting();
    helper::wait(&reached.cluster, &pod, |why| {
        waiting.say(&format!("pod {}: {why}", pod.name));
    })
    .await?;
    Ok(pod)
}

/// Copies, and then leaves no process and no unfinished file behind.
async fn copy(
    reached: &Reached,
    place: ContainerPath,
    direction: &Direction,
    force: bool,
    ui: Ui,
) -> Result<(), CommandError> {
    let mark = format!("kaiwo-cp-{}", random_word(16));
    let remote = Remote::new(&reached.cluster, place.container.clone(), mark);
    let bar = CopyBar::new(ui);
    let voice = Voice {
        bytes: &|bytes| bar.advance(bytes),
        note: &|words| bar.note(words),
    };
    let unfinished = RefCell::new(None);
    let begun = Instant::now();
    let steps = carry_out(
        &remote,
        &place,
        direction,
        force,
        (&voice, &bar, &unfinished),
    );
    let tidy = async |_: &Result<Copied, CommandError>| {
        if !remote.sweep().await {
            let pod = &place.container.pod;
            ui.warn(format!(
                "processes of the copy may be left in pod {pod}: it does not answer"
            ));
        }
        let upload: Option<Rc<CopyUpload>> = unfinished.take();
        if let Some(upload) = upload {
            upload.discard(&remote).await;
        }
    };
    let done = signals::giving_back(steps, tidy).await;
    bar.end();
    let done = done?;
    let time = begun.elapsed();
    bar.summary(done.files, done.bytes, time, done.method.words());
    Ok(())
}

async fn carry_out(
    remote: &Remote<'_>,
    place: &ContainerPath,
    direction: &Direction,
    force: bool,
    (voice, bar, unfinished): (&Voice<'_>, &CopyBar, &RefCell<Option<Rc<CopyUpload>>>),
) -> Result<Copied, CommandError> {
    match direction {
        Direction::Download { to, .. } => {
            let prepared = Download::prepare(remote, &place.path, to, force, voice).await;
            let download = prepared.map_err(|error| explained(error, place, direction))?;
            bar.begin(download.plan.bytes(), &download.plan.skipped);
            Ok(download.carry_out(remote, voice).await?)
        }
        Direction::Upload { from, .. } => {
            let upload = CopyUpload::prepare(remote, from, &place.path, force, voice).await?;
            bar.begin(upload.plan.bytes(), &upload.plan.skipped);
            let upload = Rc::new(upload);
            unfinished.replace(Some(upload.clone()));
            let copied = upload.carry_out(remote, voice).await?;
            unfinished.take();
            Ok(copied)
        }
    }
}

const BY_SHELL: &str = "exec {} --pod {} -n {} -- sh -c {}";

/// Says how to find what is not there.
fn explained(error: CopyFailed, place: &ContainerPath, direction: &Direction) -> CommandError {
    let above = match &error {
        CopyFailed::Copy(CopyError::Missing(_)) => plan::directory_name(&place.path),
        CopyFailed::Copy(CopyError::Root) => "/".to_owned(),
        _ => return error.into(),
    };
    let error = CommandError::from(error);
    if !place.is_own() {
        return error;
    }
    let Container { namespace, pod, .. } = &place.container;
    let name = direction.workload().to_string();
    // Only a shell knows the home directory.
    let (look, directory) = match above.split_once('/') {
        Some(("~", below)) => (BY_SHELL, format!("ls -la ~/{}", shell::quoted(below))),
        None if above == "~" => (BY_SHELL, "ls -la ~".to_owned()),
        _ => ("exec {} --pod {} -n {} -- ls -la {}", above),
    };
    error.hint(kaiwo(look, &[&name, pod, namespace, &directory]).to("list its directory"))
}
