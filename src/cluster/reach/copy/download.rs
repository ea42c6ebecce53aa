//! Copies out of a container.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::Path;

use super::remote::{CopyFailed, Failure, Feed, Remote, Voice, Watch};
use super::{Copied, as_path, below, differing, names, scripts, shown, signed};
use crate::transfer::CopyError;
use crate::transfer::archive;
use crate::transfer::checksum::Method;
use crate::transfer::entry::{Entry, EntryKind, RelPath};
use crate::transfer::listing::{self, PathListing, PlaceKind};
use crate::transfer::local;
use crate::transfer::plan::{self, CopyPlan, Offset};
use crate::transfer::writing::{Part, WriteTarget};

/// Files that are to be copied here.
pub struct Download {
    /// What is copied.
    pub plan: CopyPlan,
    method: Method,
    /// The directory in the container that the names are below.
    base: String,
    target: WriteTarget,
}

impl Download {
    /// Lists what is at `from`, and makes sure that nothing is overwritten at `to`
    /// unless that is wanted.
    ///
    /// # Errors
    /// [`CopyFailed`]; nothing has been written then.
    pub async fn prepare(
        remote: &Remote<'_>,
        from: &str,
        to: &Path,
        force: bool,
        voice: &Voice<'_>,
    ) -> Result<Self, CopyFailed> {
        let path = plan::octal(as_path(from).as_bytes());
        let arguments = [path.as_str(), remote.mark()];
        let (ran, written) = remote.ask(voice, scripts::LIST, &arguments, &[]).await?;
        let mut found = PathListing::read(&written, remote.mark())?;
        let place = || format!("pod {}: {from}", remote.place().pod);
        match found.place {
            PlaceKind::Missing => return Err(CopyError::Missing(place()).into()),
            PlaceKind::Special => return Err(CopyError::Special(place()).into()),
            PlaceKind::Directory | PlaceKind::File => {}
        }
        ran.succeeded(|| format!("cannot read all of {from}"))?;
        let is_directory = found.place == PlaceKind::Directory;
        let to_text = to.to_string_lossy();
        let destination = plan::destination(from, is_directory, &to_text, local::place(to)?)?;
        // A path that is no text has no name to be changed.
        let directory = match (
            destination.directory == to_text,
            destination.name.as_deref(),
        ) {
            (true, _) => to.to_owned(),
            (false, _) => destination.directory.into(),
        };
        let base = match is_directory {
            true => as_path(from),
            false => as_path(&plan::directory_name(from)),
        };
        if !is_directory {
            for entry in &mut found.entries {
                let name = plan::base_name(from).unwrap_or_default();
                entry.path = entry.path.beside(name.as_bytes());
            }
        }
        let links = resolve_links(remote, &base, &found, voice).await?;
        for entry in &mut found.entries {
            if let (EntryKind::Link(target), Some(known)) =
                (&mut entry.kind, links.get(&entry.path))
            {
                target.clone_from(known);
            }
        }
        let method = Method::best(&found);
        let has_tar = found.has("tar");
        let plan = CopyPlan::new(found.entries, has_tar)?;
        let target = WriteTarget::new(&directory, destination.name.as_deref())?;
        target.check(&plan, force)?;
        Ok(Self {
            plan,
            method,
            base,
            target,
        })
    }

    /// Copies all of it.
    ///
    /// # Errors
    /// [`CopyFailed`]; what is whole by then stays.
    pub async fn carry_out(
        &self,
        remote: &Remote<'_>,
        voice: &Voice<'_>,
    ) -> Result<Copied, CopyFailed> {
        self.target.create_directories(&self.plan)?;
        // What an archive does not have is fetched alone, and what arrived otherwise.
        let mut alone = Vec::new();
        let mut sums: HashMap<RelPath, String> = HashMap::new();
        for batch in &self.plan.batches {
            alone.extend(self.batch(remote, batch, &mut sums, voice).await?);
        }
        alone.extend(differing(remote, &self.base, &self.plan, self.method, &sums, voice).await?);
        let mut changed = Vec::new();
        for entry in alone.iter().chain(&self.plan.large) {
            if !self.large(remote, entry, voice).await? {
                changed.push(entry.clone());
            }
        }
        self.target.finish(&self.plan)?;
        if !changed.is_empty() {
            return Err(CopyError::Changed(shown(&changed)).into());
        }
        Ok(Copied::new(&self.plan, self.method))
    }

    /// Copies small files, and returns those that did not come.
    async fn batch(
        &self,
        remote: &Remote<'_>,
        batch: &[Entry],
        sums: &mut HashMap<RelPath, String>,
        voice: &Voice<'_>,
    ) -> Result<Vec<Entry>, CopyFailed> {
        let wanted: Vec<&RelPath> = batch.iter().map(|entry| &entry.path).collect();
        let names = names(wanted.iter().copied());
        let (base, length) = (plan::octal(self.base.as_bytes()), names.len().to_string());
        let (size, arrived) = (batch.iter().map(Entry::size).sum::<u64>(), Cell::new(0));
        let found = remote
            .persist(voice, &arrived, async || {
                let bytes = RefCell::new(Vec::new());
                let told = Cell::new(0);
                let arguments = [base.as_str(), &length];
                let ran = remote.run(
                    scripts::PACK,
                    &arguments,
                    Feed::Bytes(&names),
                    Watch::Bytes,
                    |part| {
                        bytes.borrow_mut().extend_from_slice(part);
                        let now = size.min(bytes.borrow().len() as u64);
                        advance(voice, &told, now);
                        Ok(())
                    },
                );
                let ran = ran.await;
                let unpacked = ran.and_then(|_| {
                    let unpacked = archive::unpack(&bytes.borrow(), &wanted);
                    unpacked.map_err(|error| Failure::Broken(error.to_string()))
                });
                match unpacked {
                    Ok(unpacked) => {
                        advance(voice, &told, size);
                        Ok(unpacked)
                    }
                    Err(failure) => {
                        advance(voice, &told, 0);
                        Err(failure)
                    }
                }
            })
            .await?;
        let mut missing: Vec<Option<&Entry>> = batch.iter().map(Some).collect();
        for (index, content) in found {
            let entry = &batch[index];
            // A file that grows is copied as it was listed.
            let length = usize::try_from(entry.size()).unwrap_or(usize::MAX);
            if let Some(content) = content.get(..length) {
                self.target.write(entry, content)?;
                sums.insert(entry.path.clone(), self.method.sum(content));
                missing[index] = None;
            }
        }
        let missing: Vec<Entry> = missing.into_iter().flatten().cloned().collect();
        for entry in &missing {
            (voice.bytes)(-signed(entry.size()));
        }
        Ok(missing)
    }

    /// Copies a large file, and returns whether it is the same there and here.
    async fn large(
        &self,
        remote: &Remote<'_>,
        entry: &Entry,
        voice: &Voice<'_>,
    ) -> Result<bool, CopyFailed> {
        let path = plan::octal(&below(&self.base, &entry.path));
        let part = RefCell::new(self.target.begin(entry, self.method)?);
        let mut is_same = false;
        // Who has changed it in the meantime may have ended by now.
        for _ in 0..2 {
            let before = part.borrow().written();
            (voice.bytes)(-signed(before));
            part.borrow_mut().restart()?;
            self.fetch(remote, &path, entry, &part, voice).await?;
            let size = entry.size().to_string();
            let arguments = [path.as_str(), &size, self.method.program()];
            let (ran, written) = remote.ask(voice, scripts::SUM, &arguments, &[]).await?;
            ran.succeeded(|| format!("cannot read {}", entry.path))?;
            is_same = self.method.read_stdin(&written) == Some(part.borrow().sum())
                && part.borrow().written() == entry.size();
            if is_same {
                break;
            }
        }
        part.into_inner().finish(entry)?;
        Ok(is_same)
    }

    /// Fetches a file from where it broke off.
    async fn fetch(
        &self,
        remote: &Remote<'_>,
        path: &str,
        entry: &Entry,
        part: &RefCell<Part>,
        voice: &Voice<'_>,
    ) -> Result<(), CopyFailed> {
        let arrived = Cell::new(0);
        let fetched = remote.persist(voice, &arrived, async || {
            let offset = Offset {
                at: part.borrow().written(),
                size: entry.size(),
            };
            if offset.rest() == 0 {
                return Ok(());
            }
            let (tail, rest) = (offset.tail(), offset.rest().to_string());
            let arguments = [path, &tail, &rest];
            let ran = remote.run(
                scripts::PART,
                &arguments,
                Feed::Open,
                Watch::Bytes,
                |bytes| {
                    part.borrow_mut().write(bytes)?;
                    arrived.set(part.borrow().written());
                    (voice.bytes)(signed(bytes.len() as u64));
                    Ok(())
                },
            );
            let ran = ran.await?;
            // The shell passes on how the last of its commands ended, not the first.
            match part.borrow().written() < entry.size() && !ran.errors.is_empty() {
                true => Err(ran.failed(format!("cannot read {}", entry.path)).into()),
                false => Ok(()),
            }
        });
        fetched.await
    }
}

/// Reads where the links point, if the image can tell.
async fn resolve_links(
    remote: &Remote<'_>,
    base: &str,
    found: &PathListing,
    voice: &Voice<'_>,
) -> Result<HashMap<RelPath, Vec<u8>>, CopyFailed> {
    let links = found.entries.iter();
    let links = links.filter(|entry| matches!(entry.kind, EntryKind::Link(_)));
    let links: Vec<&RelPath> = links.map(|entry| &entry.path).collect();
    if links.is_empty() || !found.has("readlink") {
        return Ok(HashMap::new());
    }
    let base = plan::octal(base.as_bytes());
    let names = names(links.iter().copied());
    let (_, written) = remote.ask(voice, scripts::LINKS, &[&base], &names).await?;
    let targets = listing::targets(&written);
    match targets.len() == links.len() {
        true => Ok(links.into_iter().cloned().zip(targets).collect()),
        false => Ok(HashMap::new()),
    }
}

/// Says how far something has come that may have to begin once more.
fn advance(voice: &Voice<'_>, told: &Cell<u64>, now: u64) {
    (voice.bytes)(signed(now) - signed(told.replace(now)));
}
