//! `kaiwo run`.

use std::io::IsTerminal as _;
use std::path::Path;

use crate::change::rbac::{Needed, for_admins};
use crate::cli::{RunArgs, SubmissionArgs, WorkloadArgs};
use crate::cluster::Cluster;
use crate::cluster::read::api_versions::Served;
use crate::cluster::read::doctor::rights;
use crate::error::{CommandError, ErrorClass};
use crate::observe::doctor::rights::of_command;
use crate::plan::request::WorkloadRequest;
use crate::plan::request::session::Session as SessionRequest;
use crate::request;
use crate::request::run::Attached;
use crate::secrecy;
use crate::settings::{DryRun, Format, Merged};
use crate::ui::Ui;

use super::{Mode, inputs};
use crate::cmd::command_line::{self, CommandLine};
use crate::cmd::reach::attach::{self, AttachedSession, publish};
use crate::cmd::signals::{self, SignalEffect};
use crate::cmd::target::Reached;
use crate::cmd::wait::{self, FollowedWorkload, about};
use crate::cmd::{block_on, sources};

/// Runs what `args` ask for, and returns its exit code.
pub fn run(args: &RunArgs, ui: Ui, output: &mut Option<Format>) -> Result<u8, CommandError> {
    // stdout is the command's.
    *output = None;
    if let Some(name) = &args.attach {
        return attach::come_back(args, name, ui);
    }
    sources::unknown_variables()
        .iter()
        .for_each(|it| ui.warn(it));
    signals::set_effect(SignalEffect::Note("nothing was submitted"));
    let (workload, script) = workload(args)?;
    let typed = workload.with_env(&args.settings.0, |name| std::env::var(name).ok())?;
    let settings = sources::merged(typed, workload.path.as_deref(), &args.connection)?;
    let submission = SubmissionArgs {
        show_manifests: false,
        connection: args.connection.clone(),
    };
    let mode = Mode::from_settings(&submission, &settings, ui);
    let is_terminal = std::io::stdin().is_terminal();
    if args.tty && !is_terminal && mode.dry_run == DryRun::None {
        return Err(CommandError::new(
            ErrorClass::Usage,
            "-t needs a terminal, and stdin is not one",
        )
        .hint("remove -t; stdin is passed to the command without it"));
    }
    let attached = Attached {
        script,
        tty: args.tty,
        piped: !args.tty && !is_terminal,
        submission: CommandLine::typed()
            .submitting(script)
            .to("submit it and follow its log"),
    };
    let request = inputs::request(&workload, &settings, ui, |typed, settings, notes| {
        request::run::request(typed, attached, settings, notes)
    })?;
    let mode = Mode {
        replace: false,
        output: mode.output.filter(|_| mode.dry_run != DryRun::None),
        ..mode
    };
    match mode.dry_run {
        DryRun::Client => mode.rehearse(request).map(|()| 0),
        DryRun::Server => block_on(mode.carry_out(request)).map(|()| 0),
        DryRun::None => block_on(mode.run(request, args, &settings)),
    }
}

/// Returns what is run: a directory that was named without -p is one, too.
fn workload(args: &RunArgs) -> Result<(WorkloadArgs, Option<&Path>), CommandError> {
    let WorkloadArgs { path, env, command } = &args.workload;
    let directory = args.script.as_ref().filter(|script| script.is_dir());
    let workload = WorkloadArgs {
        path: path.as_ref().or(directory).cloned(),
        env: env.clone(),
        command: command.clone(),
    };
    let script = args.script.as_deref().filter(|_| directory.is_none());
    match script.filter(|script| !script.exists()) {
        None => Ok((workload, script)),
        Some(script) => {
            let name = secrecy::path(script);
            let error = CommandError::new(ErrorClass::Refused, format!("{name} does not exist"));
            // The program of an image, as docker takes it.
            let typed = CommandLine::typed();
            let program = script.to_string_lossy();
            if script.components().count() == 1 && typed.has_image_before(&program) {
                let line = typed.behind_dashes(&program);
                return Err(error.hint(line.to("if it is a program of the image")));
            }
            Err(error
                .hint("for an image, use -i; its command follows --")
                .hint("for the files of a directory, use -p; the command follows --"))
        }
    }
}

impl Mode<'_> {
    /// Submits, attaches, and deletes what was submitted.
    async fn run(
        &self,
        request: WorkloadRequest,
        args: &RunArgs,
        settings: &Merged,
    ) -> Result<u8, CommandError> {
        let Some(session) = request.session.clone() else {
            return Ok(0);
        };
        let listeners = publish(&args.publish, self.ui).await?;
        let target = command_line::target(&args.connection, self.ui);
        let cluster = Cluster::connect(&target).await?;
        let served = Served::read(&cluster).await?;
        let subject = FollowedWorkload::named(request.kind, &request.namespace, &request.name);
        let submitted = self.submit(&cluster, request).await;
        submitted.map_err(|error| taken(error, &subject))?;
        let place = Reached {
            cluster,
            served,
            namespace: subject.namespace.clone(),
        };
        let attached = AttachedSession {
            place: &place,
            tty: session.tty,
            stdin: session.tty || session.piped,
            is_back: false,
            idle: session.idle,
            listeners: &listeners,
            ui: self.ui,
            subject,
        };
        let steps = async {
            wait::until_running(
                &place,
                &attached.subject,
                wait::limits_of(settings),
                self.ui,
            )
            .await?;
            attached.attend().await
        };
        attached.to_its_end(steps, settings).await
    }
}

/// Says how to get past a name that is taken.
fn taken(mut error: CommandError, subject: &FollowedWorkload) -> CommandError {
    if error.class == ErrorClass::Conflict {
        error.hints.clear();
        error = error
            .hint(about("run --attach {} -n {}", subject).to("attach to it, if it is a session"))
            .hint("or remove --name: each session gets a name of its own");
    }
    error
}

/// Checks that whoever submits a session may attach to it.
///
/// # Errors
/// [`CommandError`] with the manifests that grant it.
pub(super) async fn check_rights(
    cluster: &Cluster,
    session: Option<&SessionRequest>,
    needed: &Needed<'_>,
) -> Result<(), CommandError> {
    if session.is_none() {
        return Ok(());
    }
    let namespace = needed.manifests.workload.namespace();
    let (user, verdicts) = tokio::join!(
        rights::user(cluster),
        rights::verdicts(cluster, namespace, of_command("run")),
    );
    let mut denied = verdicts?.into_iter().filter(|(_, allowed)| !allowed);
    let Some((right, _)) = denied.next() else {
        return Ok(());
    };
    let user = user?.unwrap_or_else(|| "USER".to_owned());
    Err(CommandError::new(
        ErrorClass::Denied,
        format!(
            "not allowed: {} {} in namespace {namespace}, which kaiwo run needs",
            right.verb, right.resource
        ),
    )
    .hint(for_admins(&needed.grant(&user))))
}
