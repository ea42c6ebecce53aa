//! `kaiwo delete`.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};

use crate::api::workload::Workload;
use crate::cli::DeleteArgs;
use crate::cluster::ClusterError;
use crate::cluster::read::lookup::{self, Found, LookupError};
use crate::cluster::submission::deletion::{self, Doomed};
use crate::cluster::submission::leftover::{self, Leftover};
use crate::error::{CommandError, ErrorClass};
use crate::kind::WorkloadKind;
use crate::settings::OutputFormat;
use crate::ui::Ui;
use crate::ui::deletion::{DeletionOutcome, Item, lines, lines_of_leftovers, report};

use super::block_on;
use super::command_line::{self, CommandLine};
use super::help::cannot_write;
use super::target::{self, Reached};

/// Longest wait for what was deleted to be gone, unless another is given.
const GONE: Duration = Duration::from_secs(120);
/// Pause between two looks at what is going.
const POLL: Duration = Duration::from_millis(500);
/// Requests at once.
const AT_ONCE: usize = 8;

/// Deletes workloads. Returns the exit code: of several that fail, the worst.
pub fn run(args: &DeleteArgs, ui: Ui, output: Option<OutputFormat>) -> Result<u8, CommandError> {
    let asks = !args.yes && !args.dry_run;
    if asks && !ui.can_ask() {
        let typed = CommandLine::typed();
        return Err(CommandError::new(
            ErrorClass::Usage,
            "deleting asks first, and nobody is there to answer",
        )
        .hint(format!("{}  # says yes beforehand", typed.with(&["-y"])))
        .hint(format!(
            "{}  # shows what would be deleted",
            typed.with(&["--dry-run"])
        )));
    }
    let namespace = target::namespace(args.namespace.as_deref())?;
    let has_begun = Cell::new(false);
    let result = block_on(async {
        let place = Reached::reach(&args.connection, namespace, ui).await?;
        let mut run = Run {
            args,
            ui,
            place,
            output,
            items: Vec::new(),
            left: Vec::new(),
            code: 0,
        };
        let doomed = run.doomed().await?;
        let is_nothing = doomed.is_empty() && run.left.is_empty();
        if asks && !is_nothing && !run.agreed(&doomed) {
            ui.status("nothing was deleted");
            return Ok(ErrorClass::Refused.exit_code());
        }
        has_begun.set(!is_nothing && !args.dry_run);
        run.delete(doomed).await?;
        run.delete_leftovers().await?;
        run.print()?;
        Ok(run.code)
    });
    let result = result.map_err(|mut error| {
        error.if_bare_interruption(match has_begun.get() {
            true => "what was asked to go goes on going; the same command deletes the rest",
            false => "nothing was deleted",
        });
        error
    });
    target::connected(result, &args.connection)
}

struct Run<'a> {
    args: &'a DeleteArgs,
    ui: Ui,
    place: Reached,
    output: Option<OutputFormat>,
    items: Vec<Item>,
    /// What runs have left under names that no workload has, by what was asked
    /// for.
    left: Vec<(String, Vec<Leftover>)>,
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
                .warn(format!("you may not list any {kind}, so none is deleted"));
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
        if selected.is_empty() && self.left.is_empty() {
            let words = format!("kaiwo has nothing to delete in namespace {namespace}");
            self.ui.status(words);
        }
        Ok(selected)
    }

    /// Finds what is to go.
    async fn doomed(&mut self) -> Result<Vec<Doomed>, CommandError> {
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
            let found = lookup::find(cluster, served, namespace, wanted).await;
            (wanted, found)
        });
        for (wanted, answer) in join_all(lookups).await {
            if let Err(LookupError::NotFound { .. } | LookupError::NotServed { .. }) = &answer {
                let left = leftover::leftovers_of(cluster, namespace, &wanted.name).await?;
                let left = self.unused(left).await?;
                if !left.is_empty() {
                    self.left.push((wanted.to_string(), left));
                    continue;
                }
            }
            match answer {
                Ok(one) if self.args.force || deletion::is_kaiwos(&one) => {
                    let uid = &one.workload.metadata.uid;
                    if !found
                        .iter()
                        .any(|other| other.workload.metadata.uid == *uid)
                    {
                        found.push(one);
                    }
                }
                Ok(one) => {
                    let name = one.workload.display_name();
                    let error = not_made_by_kaiwo(&one.workload, namespace);
                    failures.push(Item::failed(name, &error));
                    self.code = self.code.max(self.complain(error));
                }
                Err(LookupError::NotFound { .. } | LookupError::NotServed { .. })
                    if self.args.ignore_not_found =>
                {
                    self.ui.status(format!("{wanted} is not there"));
                    failures.push(Item {
                        outcome: DeletionOutcome::NotFound,
                        object: wanted.to_string(),
                        with: Vec::new(),
                        kept: Vec::new(),
                        error: None,
                    });
                }
                Err(error) => {
                    let is_missing = matches!(
                        error,
                        LookupError::NotFound { .. } | LookupError::NotServed { .. }
                    );
                    let error = CommandError::from(error);
                    let mut item = Item::failed(wanted.to_string(), &error);
                    if is_missing {
                        item.outcome = DeletionOutcome::NotFound;
                    }
                    failures.push(item);
                    self.code = self.code.max(self.complain(error));
                }
            }
        }
        self.items = failures;
        let takes = |leftover: &Leftover| self.takes(leftover);
        Ok(deletion::with_companions(cluster, found, takes).await?)
    }

    /// Returns whether what a run has left is meant: if a kind was typed, not what
    /// was for a workload of another.
    fn takes(&self, leftover: &Leftover) -> bool {
        let mut wanted = self.args.workload.iter();
        let other = wanted.find(|wanted| wanted.name == leftover.instance());
        let kind = other.and_then(|wanted| wanted.kind);
        let (Some(wanted), Some(own)) = (kind, leftover.kind()) else {
            return true;
        };
        wanted == own
    }

    /// Returns what is meant, and belongs to no workload.
    async fn unused(&self, mut left: Vec<Leftover>) -> Result<Vec<Leftover>, CommandError> {
        let Reached {
            cluster, namespace, ..
        } = &self.place;
        left.retain(|leftover| self.takes(leftover));
        match left.is_empty() {
            true => Ok(left),
            false => Ok(leftover::without_living(cluster, namespace, left).await?),
        }
    }

    /// Tells what went wrong with one of several, and returns its exit code.
    fn complain(&self, mut error: CommandError) -> u8 {
        for hint in &mut error.hints {
            *hint = command_line::with_connection(hint, &self.args.connection);
        }
        self.ui.error(&error);
        error.exit_code()
    }

    /// Shows what is to go, and asks.
    fn agreed(&self, doomed: &[Doomed]) -> bool {
        self.show(doomed);
        let what = match (doomed.len(), self.left.len()) {
            (1, 0) => "it".to_owned(),
            (0, _) => "what is left".to_owned(),
            (count, 0) => format!("these {count} workloads"),
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
        for (name, left) in &self.left {
            for line in lines_of_leftovers(name, &names_of(left)) {
                self.ui.status(line);
            }
        }
    }

    /// Deletes what runs have left under names that no workload has.
    async fn delete_leftovers(&mut self) -> Result<(), CommandError> {
        let cluster = &self.place.cluster;
        let mut gone = String::new();
        for (name, left) in std::mem::take(&mut self.left) {
            let deletions = left.iter().map(async |one| match self.args.dry_run {
                true => (one, Ok(())),
                false => (one, one.delete(cluster).await),
            });
            let mut item = Item {
                outcome: match self.args.dry_run {
                    true => DeletionOutcome::DryRun,
                    false => DeletionOutcome::Deleted,
                },
                object: name.clone(),
                with: names_of(&left),
                kept: Vec::new(),
                error: None,
            };
            for (one, deleted) in join_all(deletions).await {
                match deleted {
                    Ok(()) => gone += &(one.resource.qualified_name(one.name()) + "\n"),
                    Err(error) => {
                        let name = one.display_name();
                        let error = cannot_delete(error, &name);
                        item.outcome = DeletionOutcome::Failed;
                        item.error = Item::failed(name, &error).error;
                        self.code = self.code.max(self.complain(error));
                    }
                }
            }
            if item.outcome == DeletionOutcome::Deleted {
                self.ui.status(format!("what was left of {name} deleted"));
            }
            self.items.push(item);
        }
        match self.output {
            Some(OutputFormat::Name) => self.ui.data(&gone).map_err(cannot_write),
            _ => Ok(()),
        }
    }

    /// Deletes, and waits until all is gone.
    async fn delete(&mut self, doomed: Vec<Doomed>) -> Result<(), CommandError> {
        if self.args.dry_run {
            if !(doomed.is_empty() && self.left.is_empty()) {
                self.show(&doomed);
                self.ui.status("  nothing is deleted (dry run)");
            }
            let items = doomed.iter().map(|one| item(one, DeletionOutcome::DryRun));
            self.items.extend(items);
            return self.names(&doomed);
        }
        let cluster = &self.place.cluster;
        let results: Vec<_> = stream::iter(doomed)
            .map(async |one| {
                let result = deletion::delete(cluster, &one).await;
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
                    self.items.push(Item::failed(name, &error));
                    self.code = self.code.max(self.complain(error));
                }
            }
        }
        self.names(&going)?;
        self.wait(going).await
    }

    async fn wait(&mut self, going: Vec<Doomed>) -> Result<(), CommandError> {
        let limit = match &self.args.timeout {
            Some(limit) => Duration::from_secs(limit.0.try_into().unwrap_or_default()),
            None => GONE,
        };
        let deadline = Instant::now() + limit;
        for one in going {
            let name = one.workload.display_name();
            if self.args.no_wait {
                self.ui.status(format!("{name} is being deleted"));
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
                    self.items.push(item(&one, DeletionOutcome::Deleted));
                }
                stuck => {
                    let namespace = &self.place.namespace;
                    let error = match stuck {
                        Err(error) => CommandError::from(error),
                        Ok(left) => {
                            let left = left.unwrap_or_else(|| name.clone());
                            let limit = limit.as_secs();
                            CommandError::new(
                                ErrorClass::TimedOut,
                                format!("{left} is still being deleted after {limit} s"),
                            )
                            .hint(format!(
                                "see what holds it: kubectl -n {namespace} get {left} -o yaml"
                            ))
                            .about(left)
                        }
                    };
                    let mut item = item(&one, DeletionOutcome::Deleting);
                    item.error = Item::failed(name, &error).error;
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
        if self.output != Some(OutputFormat::Name) {
            return Ok(());
        }
        let names = doomed.iter().map(|one| one.qualified_name() + "\n");
        self.ui
            .data(&names.collect::<String>())
            .map_err(cannot_write)
    }

    /// Writes the report for programs.
    fn print(&self) -> Result<(), CommandError> {
        if self.output != Some(OutputFormat::Json) {
            return Ok(());
        }
        let Reached {
            cluster, namespace, ..
        } = &self.place;
        let report = report(cluster.context(), namespace, &self.items);
        self.ui.data(&report).map_err(cannot_write)
    }
}

/// Returns the error that a workload is not kaiwo's to delete. What is part of a
/// workload is not offered: that goes as a whole.
fn not_made_by_kaiwo(workload: &Workload, namespace: &str) -> CommandError {
    let name = workload.display_name();
    let mut owners = workload.metadata.owner_references.iter();
    let whole = owners.find(|owner| WorkloadKind::named(&owner.kind).is_some());
    let error = match whole {
        Some(owner) => {
            let whole = format!("{}/{}", owner.kind.to_lowercase(), owner.name);
            let message = format!("{name} belongs to {whole}");
            CommandError::new(ErrorClass::Refused, message).hint(format!(
                "kaiwo delete {whole} -n {namespace}  # deletes it with all that belongs to it"
            ))
        }
        None => CommandError::new(ErrorClass::Refused, format!("{name} was not made by kaiwo"))
            .hint("delete it all the same: --force"),
    };
    error.about(name)
}

fn cannot_delete(error: ClusterError, name: &str) -> CommandError {
    let error = CommandError::from(error);
    CommandError {
        error: error.error.context(format!("cannot delete {name}")),
        object: Some(name.to_owned()),
        ..error
    }
}

fn names_of(left: &[Leftover]) -> Vec<String> {
    left.iter().map(Leftover::display_name).collect()
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
    names.collect()
}
