//! `kaiwo list`.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::api::keys::{APP_MANAGED_BY_LABEL, MANAGER, USERNAME_LABEL};
use crate::api::resource::Resource;
use crate::change::existing;
use crate::cli::{ListArgs, ListFormat};
use crate::cluster::client::pages::Selection;
use crate::cluster::read::list_rows::RowLoader;
use crate::cluster::read::listing::Listing;
use crate::cluster::read::watch::ChangeWatcher;
use crate::error::{CommandError, ErrorClass};
use crate::kind::WorkloadKind;
use crate::names::label_value;
use crate::observe::Listed;
use crate::observe::listed::changes;
use crate::request;
use crate::settings::{OutputFormat, Settings};
use crate::ui::Ui;
use crate::ui::list::{Form, Listing as Written};
use crate::ui::live::Live;

use super::deploy::inputs::Machine;
use super::help::cannot_write;
use super::target::{self, Reached};
use super::{block_on, sources};

/// On a terminal, ages are drawn anew this often.
const TICK: Duration = Duration::from_secs(5);
/// Without any sign of a change, things are looked up again after so many
/// ticks: a watch may not be allowed, and positions have none.
const LOOK_AGAIN: u32 = 6;

/// Time between two looks: in a busy cluster something changes all the time.
const PAUSE: Duration = Duration::from_millis(500);

/// Columns are as wide as so many rows need, those of several kinds.
const MEASURED: usize = 500;

/// What is listed.
struct Query {
    kinds: Vec<WorkloadKind>,
    selection: Selection,
    form: Form,
}

/// Lists workloads. `output` is what the variable asks for, unless a flag
/// does; it is taken away once a part of the data is out.
pub fn run(args: &ListArgs, ui: Ui, output: &mut Option<OutputFormat>) -> Result<(), CommandError> {
    let namespace = match args.all_namespaces {
        true => String::new(),
        false => target::namespace(args.namespace.as_deref())?,
    };
    let query = query(args, *output)?;
    let result = block_on(async {
        let place = Reached::reach(&args.connection, namespace, ui).await?;
        match args.watch {
            true => watch(&place, &query, args, ui).await,
            false => list(&place, &query, args, ui, output).await,
        }
    });
    target::connected(result, &args.connection)
}

fn query(args: &ListArgs, output: Option<OutputFormat>) -> Result<Query, CommandError> {
    let table = |wide| Form::Table {
        namespaces: args.all_namespaces,
        wide,
        kaito: !args.kind.is_empty()
            && args
                .kind
                .iter()
                .all(|kind| *kind == WorkloadKind::Workspace),
    };
    let form = match (args.output, output) {
        (Some(ListFormat::Wide), _) => table(true),
        (Some(ListFormat::Json), _) | (None, Some(OutputFormat::Json)) => Form::Json,
        (Some(ListFormat::Yaml), _) | (None, Some(OutputFormat::Yaml)) => Form::Yaml,
        (Some(ListFormat::Name), _) | (None, Some(OutputFormat::Name)) => Form::Name,
        (None, None) => table(false),
    };
    if args.watch && !matches!(form, Form::Table { .. }) {
        return Err(CommandError::new(
            ErrorClass::Usage,
            "--watch follows the table, no other form",
        )
        .hint("leave out -o, or say -o wide"));
    }
    let mut labels = Vec::new();
    if !args.any {
        labels.push(format!("{APP_MANAGED_BY_LABEL}={MANAGER}"));
    }
    if args.mine {
        let user = request::user(&sources::merged(Settings::default(), None)?, &Machine);
        labels.push(format!("{USERNAME_LABEL}={}", label_value(&user)));
    }
    labels.extend(args.selector.clone());
    Ok(Query {
        kinds: match args.kind.is_empty() {
            true => WorkloadKind::ALL.to_vec(),
            false => WorkloadKind::ALL
                .into_iter()
                .filter(|kind| args.kind.contains(kind))
                .collect(),
        },
        selection: Selection::labels(labels.join(",")),
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
    output: &mut Option<OutputFormat>,
) -> Result<(), CommandError> {
    let mut rows = Rows::begin(place, query, args).await;
    let mut written = Written::new(query.form, ui);
    let now = Timestamp::now();
    let mut begun = false;
    let mut held = Vec::new();
    let mut is_measured = !query.form.is_table();
    loop {
        let mut page = rows.next().await?;
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
            text += &written.tail();
            ui.data(&text).map_err(cannot_write)?;
            break;
        };
        text += &written.page(&page, now);
        if query.form.is_document() {
            *output = None;
        }
        if !text.is_empty() && !ui.stream(&text).map_err(cannot_write)? {
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
    let what = match (narrowed, args.any) {
        (true, _) => "no such workloads",
        (false, true) => "no workloads",
        (false, false) => "no workloads of kaiwo's",
    };
    match place.namespace.as_str() {
        "" => format!("{what} in any namespace"),
        namespace => format!("{what} in namespace {namespace}"),
    }
}

/// The rows of a listing, page by page.
struct Rows<'a> {
    listing: Listing<'a>,
    company: RowLoader<'a>,
    args: &'a ListArgs,
}

impl<'a> Rows<'a> {
    async fn begin(place: &'a Reached, query: &Query, args: &'a ListArgs) -> Self {
        let Reached {
            cluster,
            served,
            namespace,
        } = place;
        let Query {
            kinds,
            selection,
            form,
        } = query;
        Self {
            listing: Listing::begin(cluster, served, namespace, kinds, selection).await,
            company: RowLoader::new(cluster, served, namespace, form.is_full()),
            args,
        }
    }

    async fn next(&mut self) -> Result<Option<Vec<Listed>>, CommandError> {
        let Some(page) = self.listing.next().await? else {
            // Who may list no kind at all is told so.
            let listing = &mut self.listing;
            if listing.is_allowed || listing.denied.is_empty() {
                return Ok(None);
            }
            let (_, error) = listing.denied.swap_remove(0);
            return Err(self.denied(error.into()));
        };
        let mut rows = self.company.rows(page).await?;
        if !self.args.status.is_empty() {
            rows.retain(|row| self.args.status.contains(&row.standing.status));
        }
        Ok(Some(rows))
    }

    fn denied(&self, error: CommandError) -> CommandError {
        match self.args.all_namespaces {
            true => error.hint("list one namespace: kaiwo list -n NAMESPACE"),
            false => error,
        }
    }

    /// Tells which kinds were left out.
    fn tell(&self, ui: Ui) {
        for (kind, error) in &self.listing.denied {
            let text = format!("{}s are left out: {error}", kind.name());
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
    let changed = Notify::new();
    let mut pulse = ChangeWatcher::new(&place.cluster, &changed);
    for kind in &query.kinds {
        if let Some(version) = place.served.version(*kind) {
            let resource = existing::resource(*kind, version);
            pulse.watch(&resource, &place.namespace, &query.selection);
        }
    }
    if let Some(kueue) = &place.served.kueue {
        let queued = Resource::known(kueue, "Workload");
        pulse.watch(&queued, &place.namespace, &Selection::default());
    }
    let pods = Resource::known("v1", "Pod");
    pulse.watch(&pods, &place.namespace, &query.selection);

    let is_drawn = ui.data_height().is_some();
    let mut live = Live::default();
    let mut log = Written::new(query.form, ui);
    let mut last = all(place, query, args, ui).await?;
    if !is_drawn
        && !ui
            .stream(&log.page(&last, Timestamp::now()))
            .map_err(cannot_write)?
    {
        return Ok(());
    }
    loop {
        let mut ticks = 0;
        loop {
            if is_drawn
                && !live
                    .draw(&drawn(place, query, args, &last, ui), ui)
                    .map_err(cannot_write)?
            {
                return Ok(());
            }
            ticks += 1;
            if pulse.next(TICK).await || ticks == LOOK_AGAIN {
                break;
            }
        }
        let rows = match all(place, query, args, ui).await {
            Ok(rows) => rows,
            // It was reached before, and may be again.
            Err(error) => {
                ui.warn(format!("{:#}", error.error));
                continue;
            }
        };
        if !is_drawn {
            let text = log.page(&changes(&last, &rows), Timestamp::now());
            if !text.is_empty() && !ui.stream(&text).map_err(cannot_write)? {
                return Ok(());
            }
        }
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
) -> Result<Vec<Listed>, CommandError> {
    let mut rows = Rows::begin(place, query, args).await;
    let mut all = Vec::new();
    while let Some(page) = rows.next().await? {
        all.extend(page);
    }
    rows.tell(ui);
    Ok(all)
}
