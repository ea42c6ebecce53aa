//! `kaiwo doctor`.

use crate::api::Reading;
use crate::cli::DoctorArgs;
use crate::cluster::client::connection;
use crate::cluster::client::kubeconfig::{ContextChoice, Kubeconfig};
use crate::cluster::read::doctor;
use crate::cluster::{Cluster, ClusterError, Target};
use crate::cmd::deploy::inputs::Machine;
use crate::cmd::help::cannot_write;
use crate::cmd::{block_on, command_line, sources};
use crate::error::CommandError;
use crate::observe::doctor::{Check, Report, State, Subject, judge, reached};
use crate::plan::request::WorkloadRequest;
use crate::request::{Typed, submit};
use crate::secrecy;
use crate::settings::{Format, Settings};
use crate::ui::Ui;
use crate::ui::overview::doctor::Examination;

/// Exit code if something will not work.
const SOMETHING_IS_WRONG: u8 = 8;
/// Image of the submission that is tried; nothing pulls it.
const IMAGE: &str = "busybox";

/// What was found out, and about what.
#[derive(Default)]
struct Found {
    report: Report,
    context: Option<String>,
    namespace: Option<String>,
    user: Option<String>,
}

/// Examines everything that kaiwo needs. `output` is what the variable asks for, unless
/// a flag does.
pub fn run(args: &DoctorArgs, ui: Ui, output: Option<Format>) -> Result<u8, CommandError> {
    let found = block_on(async {
        let progress = ui.progress("contacting the cluster");
        let mut found = Found::default();
        if let Err((subject, error)) = examine(args, ui, &mut found).await {
            found.report.checks.push(failed(subject, &error));
        }
        drop(progress);
        Ok(found)
    })?;
    let examination = Examination {
        report: &found.report,
        context: found.context.as_deref(),
        namespace: found.namespace.as_deref(),
        user: found.user.as_deref(),
        connection: ui.connection(),
    };
    ui.show(&examination.report(), args.output.or(output), || {
        examination.text(ui.data_width(), ui.paints_data())
    })
    .map_err(cannot_write)?;
    Ok(match found.report.works() {
        true => 0,
        false => SOMETHING_IS_WRONG,
    })
}

/// Goes as far as it can, and says what stopped it.
async fn examine(
    args: &DoctorArgs,
    ui: Ui,
    found: &mut Found,
) -> Result<(), (Subject, CommandError)> {
    let target = Target {
        reading: Reading::Blank,
        // Whoever asks what is wrong does not wait until it is well.
        absence: None,
        ..command_line::target(&args.connection, ui)
    };
    let checks = &mut found.report.checks;
    let in_kubeconfig = |error: ClusterError| (Subject::Kubeconfig, error.into());
    let choice = choice(&target).map_err(in_kubeconfig)?;
    if let Some(choice) = &choice {
        let (context, file) = (&choice.context.name, secrecy::path(&choice.context.file));
        let summary = format!("context {context} of {file}");
        checks.push(Check::new(Subject::Kubeconfig, State::Ok, summary));
        found.context = Some(context.clone());
    }
    let cluster = Cluster::connect(&target).await.map_err(failing)?;
    if choice.is_none() {
        let summary = "none; the service account of this pod";
        checks.push(Check::new(Subject::Kubeconfig, State::Ok, summary));
        found.context = Some(cluster.context().to_owned());
    }
    let kubernetes = doctor::release(&cluster).await.map_err(failing)?;
    let way = choice
        .as_ref()
        .map_or_else(|| "the service account's token".to_owned(), way);
    checks.push(Check::new(Subject::Credentials, State::Ok, way));
    checks.push(reached(cluster.server(), kubernetes.as_deref()));
    let in_settings = |error| (Subject::Submission, error);
    let request = request(args).map_err(in_settings)?;
    found.namespace = Some(request.namespace.clone());
    let evidence = doctor::evidence(&cluster, &request.namespace, kubernetes);
    let evidence = evidence.await.map_err(failing)?;
    let judged = judge(&evidence, &request);
    found.user = evidence.user;
    found.report.checks.extend(judged.checks);
    found.report = Report {
        checks: std::mem::take(&mut found.report.checks),
        ..judged
    };
    Ok(())
}

/// Returns what the kubeconfig chooses; nothing without a kubeconfig, which may be
/// right in a pod.
fn choice(target: &Target) -> Result<Option<ContextChoice>, ClusterError> {
    let kubeconfig: Kubeconfig = connection::kubeconfig(target)?;
    if kubeconfig.is_empty() && target.context.is_none() {
        return Ok(None);
    }
    Ok(Some(kubeconfig.choose(target.context.as_deref())?))
}

/// Says how the user is authenticated.
fn way(choice: &ContextChoice) -> String {
    let (user, name) = (&choice.user.entry, &choice.user.name);
    let way = match user {
        _ if user.exec.is_some() => {
            let program = user.exec.as_ref().map(|exec| secrecy::path(&exec.command));
            format!("exec plugin {}", program.unwrap_or_default())
        }
        _ if user.token_file.is_some() => "a token from a file".to_owned(),
        _ if user.has_token() => "a token".to_owned(),
        _ if user.client_certificate.is_some() || !user.client_certificate_data.is_empty() => {
            "a client certificate".to_owned()
        }
        _ => "what the kubeconfig says".to_owned(),
    };
    format!("user {name} by {way}")
}

/// Builds the request of a submission that the user's settings decide alone.
fn request(args: &DoctorArgs) -> Result<WorkloadRequest, CommandError> {
    let typed = Settings {
        namespace: args.namespace.clone(),
        image: IMAGE.parse().ok(),
        ..Settings::default()
    };
    let mut settings = sources::merged(typed, None, &args.connection)?;
    (settings.gpus, settings.ray, settings.schedule) = (None, None, None);
    let typed = Typed {
        path: None,
        command: &[],
        inputs: &Machine,
    };
    submit::request(typed, &settings, &mut Vec::new())
}

/// Says which check an error of the client belongs to.
fn failing(error: ClusterError) -> (Subject, CommandError) {
    let subject = match error {
        ClusterError::Kubeconfig(_) => Subject::Kubeconfig,
        ClusterError::Credentials { .. } | ClusterError::Unauthenticated { .. } => {
            Subject::Credentials
        }
        _ => Subject::Cluster,
    };
    (subject, error.into())
}

fn failed(subject: Subject, error: &CommandError) -> Check {
    let check = Check::new(subject, State::Problem, error.error.to_string());
    let causes = error.causes().into_iter();
    causes.fold(check, Check::shows).hints(&error.hints)
}
