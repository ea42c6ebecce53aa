//! `kaiwo delete`.

mod finished;
mod leftovers;
mod refusal;
mod storage;
mod stuck;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};

use crate::cli::DeleteArgs;
use crate::cluster::ClusterError;
use crate::cluster::read::lookup::{self, Found, LookupError};
use crate::cluster::submission::deletion::{self, Doomed};
use crate::cluster::submission::kept_claim::KeptClaim;
use crate::cluster::submission::leftover::{self, Leftover};
use crate::error::{CommandError, ErrorClass};
use crate::observe::WorkloadRef;
use crate::settings::Format;
use crate::time::Seconds;
use crate::ui::Ui;
use crate::ui::deletion::{
    DeleteReport, DeletionOutcome, Item, lines, lines_of_leftovers, lines_of_storage,
};
use crate::ui::document::document;

use super::block_on;
use super::command_line::CommandLine;
use super::help::cannot_write;
use super::signals::{self, SignalEffect};
use super::target::{self, Reached};

use leftovers::names_of;

/// Longest wait for what was deleted to be gone, unless another is given.
const GONE: Duration = Duration::from_secs(120);
/// Pause between two looks at what is going.
const POLL: Duration = Duration::from_millis(500);
/// Requests at once.
const AT_ONCE: usize = 8;

/// Deletes workloads. Returns the exit code: of several that fail, the worst.
pub fn run(args: &DeleteArgs, ui: Ui, output: Option<Format>) -> Result<u8, CommandError> {
    let asks = !args.yes && !args.dry_run;
    if asks && !ui.can_ask() {
        let typed = CommandLine::typed();
        return Err(CommandError::new(
            ErrorClass::Usage,
            "confirmation required, but stdin is not a terminal",
        )
        .hint(typed.with(&["-y"]).noted("skips the confirmation"))
        .hint(
            typed
                .with(&["--dry-run"])
                .noted("shows what would be deleted"),
        ));
    }
    let namespace = target::namespace(args.namespace.as_ref(), &args.connection)?;
    signals::set_effect(SignalEffect::Note("nothing was deleted"));
    block_on(async {
        let place = Reached::reach(&args.connection, namespace, ui).await?;
        let mut run = Run {
            args,
            ui,
            place,
            output: args.output.or(output),
            items: Vec::new(),
            left: Vec::new(),
            claims: Vec::new(),
            storage: Vec::new(),
            code: 0,
        };
        let doomed = run.doomed().await?;
        let is_nothing = doomed.is_empty() && run.left.is_empty() && run.storage.is_empty();
        if asks && !is_nothing && !run.agreed(&doomed) {
            ui.status("nothing was deleted");
            return Ok(ErrorClass::Refused.exit_code());
        }
        if !is_nothing && !args.dry_run {
            signals::set_effect(SignalEffect::Note(
                "deletions that have begun continue; run the same command again for the rest",
            ));
        }
        run.delete(doomed).await?;
        run.delete_leftovers().await?;
        run.delete_storage().await;
        run.print()?;
        Ok(run.code)
    })
}

struct Run<'a> {
    args: &'a DeleteArgs,
    ui: Ui,
    place: Reached,
    output: Option<Format>,
    items: Vec<Item>,
    /// What runs have left under names that no workload has, by what was asked
    /// for.
    left: Vec<(String, Vec<Leftover>)>,
    /// Claims that are kept, if they are to go.
    claims: Vec<KeptClaim>,
    /// Those of them that no workload has, by what was asked for.
    storage: Vec<(String, KeptClaim)>,
    code: u8,
}

impl Run<'_> {
    /// Finds what a selector is about, or all that kaiwo has made.
    async fn selected(&mut self) -> Result<Vec<Found>, CommandError> {
        let Reached {
            cluster,
            served,
            namespace,
        } = &self.place;
        let selector = self.args.selector.as_deref().unwrap_or_default();
        let (selected, hidden) = deletion::selected(cluster, served, namespace, selector).await?;
        for kind in hidden {
            let kind = kind.name();
            self.ui
                .warn(format!("you may not list any {kind}, so none was deleted"));
        }
        if self.args.finished {
            return Ok(self.finished(selected));
        }
        let left = leftover::selected(cluster, namespace, selector).await?;
        let mut by_name: BTreeMap<String, Vec<Leftover>> = BTreeMap::new();
        for one in self.unused(left).await? {
            let instance = one.instance();
            let mut names = selected.iter().map(|found| &found.workload.metadata.name);
            if !names.any(|name| name == instance) {
                by_name.entry(instance.to_owned()).or_default().push(one);
            }
        }
        self.left = by_name.into_iter().collect();
        let names = selected.iter().map(|found| &found.workload.metadata.name);
        let names: Vec<&String> = names.collect();
        let claims = self.claims.iter().cloned();
        let claims = claims.filter(|claim| !names.contains(&&claim.instance));
        self.storage = claims
            .map(|claim| (claim.instance.clone(), claim))
            .collect();
        if selected.is_empty() && self.left.is_empty() && self.storage.is_empty() {
            let words = format!("kaiwo has nothing to delete in namespace {namespace}");
            self.ui.status(words);
        }
        Ok(selected)
    }

    /// Finds what is to go.
    async fn doomed(&mut self) -> Result<Vec<Doomed>, CommandError> {
        self.list_storage().await?;
        let mut found = match self.args.workload.is_empty() {
            true => self.selected().await?,
            false => Vec::new(),
        };
        let Reached {
            cluster,
            served,
            namespace,
        } = &self.place;
        let mut failures = Vec::new();
        let wanted = &self.args.workload;
        let lookups = wanted.iter().map(async |wanted| {
            let found = lookup::find_whole(cluster, served, namespace, wanted).await;
            (wanted, found)
        });
        for (wanted, answer) in join_all(lookups).await {
            if let Err(LookupError::NotFound { .. } | LookupError::NotServed { .. }) = &answer {
                let left = leftover::leftovers_of(cluster, namespace, &wanted.name).await?;
                let left = self.unused(left).await?;
                let mut claims = self.claims.iter();
                let claim = claims.find(|claim| claim.instance == wanted.name);
                let is_something = !left.is_empty() || claim.is_some();
                let claim = claim.map(|claim| (wanted.to_string(), claim.clone()));
                self.storage.extend(claim);
                if !left.is_empty() {
                    self.left.push((wanted.to_string(), left));
                }
                if is_something {
                    continue;
                }
            }
            let all = match answer {
                Ok(all) => all,
                Err(error) => {
                    let (item, code) = self.not_found(wanted, error).await;
                    failures.push(item);
                    self.code = self.code.max(code);
                    continue;
                }
            };
            for one in all {
                let refused = refusal::for_found(&one, wanted, self.args.force);
                if let Some(error) = refused {
                    let name = one.workload.display_name();
                    failures.push(Item::failed(name, &error, self.ui.connection()));
                    self.code = self.code.max(self.complain(error));
                    continue;
                }
                let uid = &one.workload.metadata.uid;
                let mut others = found.iter().map(|other| &other.workload.metadata.uid);
                if !others.any(|other| other == uid) {
                    found.push(one);
                }
            }
        }
        self.items = failures;
        let takes = |leftover: &Leftover| self.takes(leftover);
        let mut doomed = deletion::with_companions(cluster, found, takes).await?;
        self.take_storage(&mut doomed).await?;
        Ok(doomed)
    }

    /// Reports what could not be found, with the exit code.
    async fn not_found(&self, wanted: &WorkloadRef, error: LookupError) -> (Item, u8) {
        let is_missing = matches!(
            error,
            LookupError::NotFound { .. } | LookupError::NotServed { .. }
        );
        if is_missing && self.args.ignore_not_found {
            self.ui.status(format!("{wanted} does not exist"));
            let item = Item {
                outcome: DeletionOutcome::NotFound,
                object: wanted.to_string(),
                with: Vec::new(),
                kept: Vec::new(),
                error: None,
            };
            return (item, 0);
        }
        let mut error = CommandError::from(error);
        if is_missing {
            error.hints.extend(self.storage_of(&wanted.name).await);
        }
        let mut item = Item::failed(wanted.to_string(), &error, self.ui.connection());
        if is_missing {
            item.outcome = DeletionOutcome::NotFound;
        }
        (item, self.complain(error))
    }

    /// Tells what went wrong with one of several, and returns its exit code.
    fn complain(&self, error: CommandError) -> u8 {
        self.ui.error(&error);
        error.exit_code()
    }

    /// Shows what is to go, and asks.
    fn agreed(&self, doomed: &[Doomed]) -> bool {
        self.show(doomed);
        let what = match (doomed.len(), self.left.len(), self.storage.len()) {
            (1, 0, 0) | (0, 0, 1) => "it".to_owned(),
            (0, _, 0) => "these leftovers".to_owned(),
            (0, 0, _) => "these claims".to_owned(),
            (count, 0, 0) => format!("these {count} workloads"),
            _ => "all of this".to_owned(),
        };
        self.ui.ask(format!("delete {what}?"))
    }

    fn show(&self, doomed: &[Doomed]) {
        self.ui.status(format!(
            "→ context {}, namespace {}",
            self.place.cluster.context(),
            self.place.namespace
        ));
        for one in doomed {
            let claims = one.has_scratch_claims;
            for line in lines(&one.workload, &with(one), &one.kept, claims) {
                self.ui.status(line);
            }
        }
        let mut kinds = doomed.iter().map(|one| one.workload.kind);
        if kinds.any(|kind| kind.is_batch() && !kind.descriptor().is_recurring) {
            self.ui
                .status("  this also deletes its history (kaiwo history, kaiwo usage)");
        }
        for (name, left) in &self.left {
            for line in lines_of_leftovers(name, &names_of(left)) {
                self.ui.status(line);
            }
        }
        for (name, claim) in &self.storage {
            for line in lines_of_storage(name, &claim.display_name()) {
                self.ui.status(line);
            }
        }
    }

    /// Deletes, and waits until all is gone.
    async fn delete(&mut self, doomed: Vec<Doomed>) -> Result<(), CommandError> {
        if self.args.dry_run {
            if !(doomed.is_empty() && self.left.is_empty() && self.storage.is_empty()) {
                self.show(&doomed);
                self.ui.status("  nothing deleted (dry run)");
            }
            let items = doomed.iter().map(|one| item(one, DeletionOutcome::DryRun));
            self.items.extend(items);
            return self.names(&doomed);
        }
        let Reached {
            cluster, served, ..
        } = &self.place;
        let results: Vec<_> = stream::iter(doomed)
            .map(async |mut one| {
                let result = deletion::delete(cluster, served, &mut one).await;
                (one, result)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let mut going = Vec::new();
        for (one, result) in results {
            match result {
                Ok(()) => going.push(one),
                Err(error) => {
                    let name = one.workload.display_name();
                    let error = cannot_delete(error, &name);
                    self.items
                        .push(Item::failed(name, &error, self.ui.connection()));
                    self.code = self.code.max(self.complain(error));
                }
            }
        }
        self.names(&going)?;
        self.wait(going).await
    }

    async fn wait(&mut self, going: Vec<Doomed>) -> Result<(), CommandError> {
        let limit = self.args.timeout.map_or(GONE, Seconds::duration);
        let deadline = Instant::now() + limit;
        for one in going {
            let name = one.workload.display_name();
            if self.args.no_wait {
                self.ui.status(format!("{name} is being deleted"));
                self.tell_kept(&one);
                self.items.push(item(&one, DeletionOutcome::Deleting));
                continue;
            }
            let progress = self.ui.progress("deleting");
            progress.say(format!("deleting {name}"));
            let left = self.left(&one, deadline).await;
            drop(progress);
            match left {
                Ok(None) => {
                    self.ui.status(format!("{name} deleted"));
                    self.tell_kept(&one);
                    self.items.push(item(&one, DeletionOutcome::Deleted));
                }
                left => {
                    let error = match left {
                        Err(error) => CommandError::from(error),
                        Ok(left) => stuck::stuck(&self.place, &one, left, limit).await,
                    };
                    let mut item = item(&one, DeletionOutcome::Deleting);
                    item.error = Item::failed(name, &error, self.ui.connection()).error;
                    self.items.push(item);
                    self.code = self.code.max(self.complain(error));
                }
            }
        }
        Ok(())
    }

    /// Waits until a workload is gone, or the deadline has passed; returns what
    /// is left then. A cluster that does not answer in between is asked again.
    async fn left(&self, one: &Doomed, deadline: Instant) -> Result<Option<String>, ClusterError> {
        let Reached {
            cluster, served, ..
        } = &self.place;
        loop {
            match deletion::left(cluster, served, one).await {
                Ok(None) => return Ok(None),
                left if Instant::now() >= deadline => return left,
                _ => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Writes the names of what goes (`-o name`).
    fn names(&self, doomed: &[Doomed]) -> Result<(), CommandError> {
        if self.output != Some(Format::Name) {
            return Ok(());
        }
        let names = doomed.iter().map(|one| one.qualified_name() + "\n");
        self.ui
            .data(&names.collect::<String>())
            .map_err(cannot_write)
    }

    /// Writes the report for programs.
    fn print(&self) -> Result<(), CommandError> {
        let Reached {
            cluster, namespace, ..
        } = &self.place;
        let report = DeleteReport::new(
            cluster.context(),
            namespace,
            &self.items,
            cluster.warnings(),
        );
        match document(&report, self.output) {
            Some(text) => self.ui.data(&text).map_err(cannot_write),
            None => Ok(()),
        }
    }
}

fn cannot_delete(error: ClusterError, name: &str) -> CommandError {
    let is_another = error.is_conflict();
    let mut error = CommandError::from(error);
    if is_another {
        // It was made or changed again since it was found.
        error.class = ErrorClass::Conflict;
    }
    CommandError {
        error: error.error.context(format!("cannot delete {name}")),
        object: Some(name.to_owned()),
        ..error
    }
}

fn item(doomed: &Doomed, outcome: DeletionOutcome) -> Item {
    Item {
        outcome,
        object: doomed.workload.display_name(),
        with: with(doomed),
        kept: doomed.kept.clone(),
        error: None,
    }
}

/// Returns `kind/name` of what goes with a workload.
fn with(doomed: &Doomed) -> Vec<String> {
    let names = doomed.with.iter().map(|companion| {
        let kind = companion.resource.kind.to_lowercase();
        format!("{kind}/{}", companion.name)
    });
    names
        .chain(doomed.storage.iter().map(KeptClaim::display_name))
        .collect()
}
