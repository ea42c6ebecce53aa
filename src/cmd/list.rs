//! `kaiwo list`.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::{self, LocalBoxStream, StreamExt as _};
use k8s_openapi::jiff::Timestamp;
use tokio::time::sleep;

use crate::api::Readable;
use crate::api::keys::{APP_MANAGED_BY_LABEL, MANAGER, USERNAME_LABEL};
use crate::api::resource::Resource;
use crate::api::workload::Workload;
use crate::change::existing;
use crate::cli::ListArgs;
use crate::cluster::client::pages::Selection;
use crate::cluster::read::listing::rows::RowLoader;
use crate::cluster::read::listing::{Listing, ListingPart};
use crate::cluster::read::snapshot::LostTrack;
use crate::cluster::read::usage::progress::progress;
use crate::cluster::read::watch::{Outage, Polled, Poller};
use crate::cluster::{Cluster, ClusterError};
use crate::error::{CommandError, ErrorClass};
use crate::kind::WorkloadKind;
use crate::names::label_value;
use crate::observe::Listed;
use crate::observe::listed::changes;
use crate::observe::workload_ref::KindRef;
use crate::request;
use crate::settings::{Format, Settings};
use crate::suggestion::kaiwo;
use crate::ui::Ui;
use crate::ui::list::{Form, ListWriter as Written};
use crate::ui::live::LiveView;

use super::deploy::inputs::Machine;
use super::help::cannot_write;
use super::target::{self, Reached};
use super::{block_on, sources};

/// On a terminal, ages are drawn anew this often.
const TICK: Duration = Duration::from_secs(5);
/// Without any sign of a change, things are looked up again this often: a watch
/// may not be allowed, and positions have none.
const LOOK: Duration = Duration::from_secs(30);

/// Time between two looks: in a busy cluster something changes all the time.
const PAUSE: Duration = Duration::from_millis(500);

/// Columns are as wide as so many rows need, those of several kinds.
const MEASURED: usize = 500;

/// Logs that are read at once.
const LOGS: usize = 8;

/// Pages that are read ahead while a page becomes rows, for which all of Kueue's
/// Workloads may have to be read.
const AHEAD: usize = 8;

/// What is listed.
struct Query {
    kinds: Vec<WorkloadKind>,
    selection: Selection,
    /// Whose they are, if only those of one user are listed.
    user: Option<String>,
    form: Form,
}

/// Lists workloads. `output` is what the variable asks for, unless a flag
/// does; it is taken away once a part of the data is out.
pub fn run(args: &ListArgs, ui: Ui, output: &mut Option<Format>) -> Result<(), CommandError> {
    let namespace = match args.all_namespaces {
        true => String::new(),
        false => target::namespace(args.namespace.as_ref(), &args.connection)?,
    };
    let query = query(args, *output)?;
    block_on(async {
        let place = Reached::reach(&args.connection, namespace, ui).await?;
        match args.watch {
            true => watch(&place, &query, args, ui).await,
            false => list(&place, &query, args, ui, output).await,
        }
    })
}

fn query(args: &ListArgs, output: Option<Format>) -> Result<Query, CommandError> {
    let form = Form {
        format: args.output.or(output),
        namespaces: args.all_namespaces,
        progress: args.progress,
        kaito: !args.kind.is_empty()
            && args
                .kind
                .iter()
                .all(|kind| *kind == KindRef::Known(WorkloadKind::Workspace)),
    };
    // What a selector is about has labels, which a Workload does not pass on.
    let by_workload = args.includes_any() && args.selector.is_none();
    let other = args.kind.iter().find_map(|kind| match kind {
        KindRef::Other(word) => Some(word),
        KindRef::Known(_) => None,
    });
    if let (Some(word), false) = (other, by_workload) {
        return Err(CommandError::new(
            ErrorClass::Usage,
            format!("-l cannot be used with --kind {word}, which is listed by Kueue's Workloads: they lack its labels"),
        )
        .hint("remove -l"));
    }
    if args.watch && !form.is_table() {
        return Err(
            CommandError::new(ErrorClass::Usage, "--watch only supports the table")
                .hint("remove -o, or use -o wide"),
        );
    }
    let mut labels = Vec::new();
    if !args.includes_any() {
        labels.push(format!("{APP_MANAGED_BY_LABEL}={MANAGER}"));
    }
    let mut user = None;
    if args.mine {
        let merged = sources::merged_of(&["KAIWO_USER"], Settings::default(), &args.connection)?;
        let own = label_value(&request::user(&merged, &Machine));
        labels.push(format!("{USERNAME_LABEL}={own}"));
        user = Some(own);
    }
    labels.extend(args.selector.clone());
    Ok(Query {
        kinds: WorkloadKind::ALL
            .into_iter()
            .filter(|kind| args.kind.is_empty() || args.kind.contains(&KindRef::Known(*kind)))
            .chain(
                (by_workload && (other.is_some() || args.kind.is_empty()))
                    .then_some(WorkloadKind::Queued),
            )
            .collect(),
        selection: Selection::labels(labels.join(",")),
        user,
        form,
    })
}

/// Writes each page as it comes, those of a table from the time on that its
/// columns are measured.
async fn list(
    place: &Reached,
    query: &Query,
    args: &ListArgs,
    ui: Ui,
    output: &mut Option<Format>,
) -> Result<(), CommandError> {
    let mut rows = Rows::begin(place, query, args).await;
    let mut written = Written::new(query.form, ui);
    let now = Timestamp::now();
    let mut begun = false;
    let mut held = Vec::new();
    let mut is_measured = !query.form.is_table();
    loop {
        let mut page = rows.next().await.map_err(|error| denied(error, args))?;
        if !is_measured {
            let is_all = page.is_none();
            held.extend(page.into_iter().flatten());
            if !is_all && held.len() < MEASURED {
                continue;
            }
            if is_all {
                written.is_all();
            }
            is_measured = true;
            page = Some(std::mem::take(&mut held));
        }
        let mut text = String::new();
        // An error before this is told in the same form.
        if !begun {
            text = written.head();
            begun = true;
        }
        let Some(page) = page else {
            text += written.tail();
            query.form.write(ui, &text).map_err(cannot_write)?;
            break;
        };
        text += &written.page(&page, now);
        if query.form.is_document() {
            *output = None;
        }
        if !text.is_empty() && !query.form.write(ui, &text).map_err(cannot_write)? {
            return Ok(());
        }
    }
    rows.tell(ui);
    if written.rows() == 0 {
        ui.status(nothing(place, args));
    }
    Ok(())
}

fn nothing(place: &Reached, args: &ListArgs) -> String {
    let narrowed =
        args.mine || args.selector.is_some() || !args.kind.is_empty() || !args.status.is_empty();
    let what = match (narrowed, args.includes_any()) {
        (true, _) => "no matching workloads",
        (false, true) => "no workloads",
        (false, false) => "no workloads created by kaiwo",
    };
    match place.namespace.as_str() {
        "" => format!("{what} in any namespace"),
        namespace => format!("{what} in namespace {namespace}"),
    }
}

/// Returns the error of a listing that may not be had.
fn denied(error: ClusterError, args: &ListArgs) -> CommandError {
    let is_denied = error.is_forbidden();
    let error = CommandError::from(error);
    match is_denied && args.all_namespaces {
        true => error.hint(kaiwo("list -n {NAMESPACE}", &[]).to("list one namespace")),
        false => error,
    }
}

/// The rows of a listing, page by page.
struct Rows<'a> {
    found: LocalBoxStream<'a, Result<ListingPart, ClusterError>>,
    /// What was found and is not rows yet.
    ahead: VecDeque<Result<ListingPart, ClusterError>>,
    /// Kinds that the user may not list, and what the API server says.
    denied: Vec<(WorkloadKind, ClusterError)>,
    /// Whether any kind may be listed.
    is_allowed: bool,
    company: RowLoader<'a>,
    cluster: &'a Cluster,
    /// Whether a log may not be read.
    hides_progress: bool,
    /// Whose they are.
    user: Option<&'a str>,
    args: &'a ListArgs,
}

impl<'a> Rows<'a> {
    async fn begin(place: &'a Reached, query: &'a Query, args: &'a ListArgs) -> Self {
        let Reached {
            cluster,
            served,
            namespace,
        } = place;
        let Query {
            kinds,
            selection,
            form,
            user,
        } = query;
        Self {
            found: Listing::begin(cluster, served, namespace, kinds, selection)
                .await
                .with_owned(args.includes_any())
                .found(),
            ahead: VecDeque::new(),
            denied: Vec::new(),
            is_allowed: false,
            company: RowLoader::new(cluster, served, namespace, form.is_full())
                .with_logs(form.progress),
            cluster,
            hides_progress: false,
            user: user.as_deref(),
            args,
        }
    }

    async fn next(&mut self) -> Result<Option<Vec<Listed>>, ClusterError> {
        let Some(mut page) = self.page().await? else {
            // Who may list no kind at all is told so.
            if self.is_allowed || self.denied.is_empty() {
                return Ok(None);
            }
            let (_, error) = self.denied.swap_remove(0);
            return Err(error);
        };
        if let Some(user) = self.user {
            page.retain(|workload| workload.user() == Some(user));
        }
        let kinds = &self.args.kind;
        if !kinds.is_empty() {
            page.retain(|workload| kinds.iter().any(|kind| kind.includes(workload)));
        }
        let mut rows = self.rows_of(page).await?;
        if !self.args.status.is_empty() {
            rows.retain(|row| self.args.status.contains(&row.standing.status));
        }
        if self.args.progress {
            self.add_progress(&mut rows).await;
        }
        Ok(Some(rows))
    }

    /// Returns the next page; `None` after the last.
    async fn page(&mut self) -> Result<Option<Vec<Workload>>, ClusterError> {
        loop {
            let found = match self.ahead.pop_front() {
                Some(found) => Some(found),
                None => self.found.next().await,
            };
            match found.transpose()? {
                Some(ListingPart::Page(page)) => {
                    self.is_allowed = true;
                    return Ok(Some(page));
                }
                Some(ListingPart::Denied(kind, error)) => self.denied.push((kind, error)),
                None => return Ok(None),
            }
        }
    }

    /// Makes rows of a page, and reads those after it meanwhile.
    async fn rows_of(&mut self, page: Vec<Workload>) -> Result<Vec<Listed>, ClusterError> {
        let mut rows = pin!(self.company.rows(page));
        while self.ahead.len() < AHEAD {
            match select(rows.as_mut(), self.found.next()).await {
                Either::Left((rows, _)) => return rows,
                Either::Right((Some(found), _)) => self.ahead.push_back(found),
                Either::Right((None, _)) => break,
            }
        }
        rows.await
    }

    /// Adds how far they are, as their logs say.
    async fn add_progress(&mut self, rows: &mut [Listed]) {
        let cluster = self.cluster;
        let logs = rows.iter_mut().filter(|row| row.log.is_some());
        let read = logs.map(async |row| {
            let namespace = &row.workload.metadata.namespace;
            if let Some(log) = &row.log {
                match progress(cluster, namespace, log).await {
                    Readable::Known(progress) => row.progress = progress,
                    Readable::Forbidden => return true,
                }
            }
            false
        });
        let hidden: Vec<bool> = stream::iter(read).buffer_unordered(LOGS).collect().await;
        self.hides_progress |= hidden.contains(&true);
    }

    /// Tells which kinds were left out.
    fn tell(&self, ui: Ui) {
        if self.hides_progress {
            ui.status("progress is unknown: you may not read the logs of pods");
        }
        for (kind, error) in &self.denied {
            let text = format!("cannot list {}s: {error}", kind.name());
            match self.args.kind.is_empty() {
                true => ui.detail(text),
                false => ui.warn(text),
            }
        }
    }
}

/// Shows what changes: on a terminal in place, else a line for each change.
async fn watch(
    place: &Reached,
    query: &Query,
    args: &ListArgs,
    ui: Ui,
) -> Result<(), CommandError> {
    let mut poller = Poller::new(&place.cluster);
    for kind in &query.kinds {
        if let Some(version) = place.served.version(*kind) {
            let resource = existing::resource(*kind, version);
            poller.watch(&resource, &place.namespace, &query.selection);
        }
    }
    if let Some(kueue) = &place.served.kueue {
        let queued = Resource::known(kueue, "Workload");
        poller.watch(&queued, &place.namespace, &Selection::default());
    }
    let pods = Resource::known("v1", "Pod");
    poller.watch(&pods, &place.namespace, &query.selection);

    let mut live = LiveView::new(ui);
    let mut log = Written::new(query.form, ui);
    let mut last = all(place, query, args, ui)
        .await
        .map_err(|error| denied(error, args))?;
    let asking = Reached {
        cluster: place.cluster.failing_at_once(),
        served: place.served.clone(),
        namespace: place.namespace.clone(),
    };
    let mut text = log.page(&last, Timestamp::now());
    loop {
        let polled = {
            let mut next = pin!(poller.next(LOOK, async || all(&asking, query, args, ui).await));
            loop {
                if live.is_drawn() {
                    text = drawn(place, query, args, &last, ui);
                }
                if !live.draw(&text).map_err(cannot_write)? {
                    return Ok(());
                }
                text.clear();
                tokio::select! {
                    polled = &mut next => break polled,
                    () = sleep(TICK), if live.is_drawn() => {}
                }
            }
        };
        let rows = match polled {
            Ok(Polled::Now(rows)) => rows,
            Ok(Polled::Outage(outage)) => {
                live.note(&outage, outage == Outage::Ends);
                continue;
            }
            Err(error) => return Err(LostTrack::of_all(&place.namespace, error).into()),
        };
        text = log.page(&changes(&last, &rows), Timestamp::now());
        last = rows;
        sleep(PAUSE).await;
    }
}

/// Returns what a terminal shows of these rows now.
fn drawn(place: &Reached, query: &Query, args: &ListArgs, rows: &[Listed], ui: Ui) -> String {
    match rows.is_empty() {
        true => format!("{}\n", nothing(place, args)),
        false => {
            let mut written = Written::new(query.form, ui);
            written.is_all();
            written.page(rows, Timestamp::now())
        }
    }
}

async fn all(
    place: &Reached,
    query: &Query,
    args: &ListArgs,
    ui: Ui,
) -> Result<Vec<Listed>, ClusterError> {
    let mut rows = Rows::begin(place, query, args).await;
    let mut all = Vec::new();
    while let Some(page) = rows.next().await? {
        all.extend(page);
    }
    rows.tell(ui);
    Ok(all)
}
