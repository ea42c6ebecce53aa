//! Copies into a container.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use tokio::task::spawn_blocking;

use super::remote::{CopyFailed, Failure, Feed, Remote, Voice, Watch};
use super::{Copied, as_path, below, differing, names, pairs, scripts, shown, signed};
use crate::transfer::CopyError;
use crate::transfer::archive;
use crate::transfer::checksum::Method;
use crate::transfer::entry::{Entry, EntryKind, RelPath};
use crate::transfer::listing::{self, PathListing, PlaceKind};
use crate::transfer::local::{self, PartReader};
use crate::transfer::plan::{self, CopyPlan, Destination};

/// Files that are to be copied into a container.
pub struct CopyUpload {
    /// What is copied, by the names that it has there.
    pub plan: CopyPlan,
    method: Method,
    /// The directory here that the names are below, or the file.
    source: PathBuf,
    is_file: bool,
    /// The directory there.
    base: String,
}

impl CopyUpload {
    /// Lists what is at `from`, and makes sure that nothing is overwritten at `to` unless
    /// that is wanted.
    ///
    /// # Errors
    /// [`CopyFailed`]; nothing has been written then.
    pub async fn prepare(
        remote: &Remote<'_>,
        from: &Path,
        to: &str,
        force: bool,
        voice: &Voice<'_>,
    ) -> Result<Self, CopyFailed> {
        let is_file = match local::place(from)? {
            PlaceKind::Directory => false,
            PlaceKind::File => true,
            PlaceKind::Special => return Err(CopyError::Special(from.display().to_string()).into()),
            PlaceKind::Missing => return Err(CopyError::Missing(from.display().to_string()).into()),
        };
        let mut entries = local::list(from)?;
        let path = plan::octal(as_path(to).as_bytes());
        let (_, written) = remote.ask(voice, scripts::PLACE, &[&path], &[]).await?;
        let there = PathListing::read(&written, remote.mark())?;
        let from_text = from.to_string_lossy();
        let Destination { directory, name } =
            plan::destination(&from_text, !is_file, to, there.place)?;
        if let Some(name) = name {
            for entry in &mut entries {
                entry.path = entry.path.beside(name.as_bytes());
            }
        }
        let plan = CopyPlan::new(entries, there.has("tar"))?;
        let upload = Self {
            plan,
            method: Method::best(&there),
            source: from.to_owned(),
            is_file,
            base: as_path(&directory),
        };
        upload.check(remote, force, voice).await?;
        Ok(upload)
    }

    async fn check(
        &self,
        remote: &Remote<'_>,
        force: bool,
        voice: &Voice<'_>,
    ) -> Result<(), CopyFailed> {
        let plan = &self.plan;
        let all = plan.directories.iter().chain(plan.files());
        let all = names(all.chain(&plan.links).map(|entry| &entry.path));
        if all.is_empty() {
            return Ok(());
        }
        let base = plan::octal(self.base.as_bytes());
        let asked = remote.ask(voice, scripts::EXISTING, &[&base], &all).await?;
        let existing = listing::existing(&asked.1);
        let (overwritten, clashes) = plan.conflicts(&existing);
        let at = |names: Vec<String>| -> Vec<String> {
            let base = self.base.trim_end_matches('/');
            names.iter().map(|name| format!("{base}/{name}")).collect()
        };
        match () {
            () if !clashes.is_empty() => Err(CopyError::Clash(at(clashes)).into()),
            () if !overwritten.is_empty() && !force => {
                Err(CopyError::Exist(at(overwritten)).into())
            }
            () => Ok(()),
        }
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
        let base = plan::octal(self.base.as_bytes());
        let (ran, _) = remote.ask(voice, scripts::DIRECTORY, &[&base], &[]).await?;
        ran.succeeded(|| format!("cannot write to {}", self.base))?;
        let directories = names(self.plan.directories.iter().map(|entry| &entry.path));
        self.with_names(remote, "mkdir -p", &directories, voice)
            .await?;
        let mut sums = HashMap::new();
        for batch in &self.plan.batches {
            self.batch(remote, batch, &mut sums, voice).await?;
        }
        let mut alone =
            differing(remote, &self.base, &self.plan, self.method, &sums, voice).await?;
        alone.extend(self.plan.large.iter().cloned());
        let mut changed = Vec::new();
        for entry in alone {
            if !self.large(remote, &entry, voice).await? {
                changed.push(entry);
            }
        }
        let links = self.plan.links.iter().map(|entry| match &entry.kind {
            EntryKind::Link(target) => (target.as_slice(), &entry.path),
            _ => (&b""[..], &entry.path),
        });
        self.with_names(remote, "-n 2 ln -sfn --", &pairs(links), voice)
            .await?;
        let directories = self.plan.directories.iter();
        let modes: Vec<String> = directories.map(|it| format!("{:o}", it.mode)).collect();
        // What is below is done first.
        let modes = modes.iter().map(String::as_bytes);
        let modes = modes.zip(self.plan.directories.iter().map(|entry| &entry.path));
        let modes: Vec<(&[u8], &RelPath)> = modes.collect();
        let modes = pairs(modes.into_iter().rev());
        self.with_names(remote, "-n 2 chmod", &modes, voice).await?;
        if !changed.is_empty() {
            return Err(CopyError::Changed(shown(&changed)).into());
        }
        Ok(Copied::new(&self.plan, self.method))
    }

    /// Runs a command in the directory there with names or pairs.
    async fn with_names(
        &self,
        remote: &Remote<'_>,
        command: &str,
        names: &[u8],
        voice: &Voice<'_>,
    ) -> Result<(), CopyFailed> {
        if names.is_empty() {
            return Ok(());
        }
        let base = plan::octal(self.base.as_bytes());
        let arguments = [base.as_str(), command];
        let (ran, _) = remote
            .ask(voice, scripts::WITH_NAMES, &arguments, names)
            .await?;
        ran.succeeded(|| format!("cannot write to {}", self.base))?;
        Ok(())
    }

    fn local(&self, entry: &Entry) -> Result<PathBuf, CopyError> {
        match self.is_file {
            true => Ok(self.source.clone()),
            false => entry
                .path
                .below(&self.source)
                .ok_or_else(|| CopyError::Name(entry.path.to_string())),
        }
    }

    /// Copies small files.
    async fn batch(
        &self,
        remote: &Remote<'_>,
        batch: &[Entry],
        sums: &mut HashMap<RelPath, String>,
        voice: &Voice<'_>,
    ) -> Result<(), CopyFailed> {
        let mut contents = Vec::new();
        for entry in batch {
            let path = self.local(entry)?;
            let content = local::content(&path)?;
            sums.insert(entry.path.clone(), self.method.sum(&content));
            contents.push(content);
        }
        let files = batch.iter().zip(&contents);
        let files = files.map(|(entry, content)| (&entry.path, entry, content.as_slice()));
        let packed = archive::pack(files).map_err(|it| CopyError::local(&self.source, it))?;
        let (base, length) = (plan::octal(self.base.as_bytes()), packed.len().to_string());
        let (arguments, arrived) = ([base.as_str(), &length], Cell::new(0));
        let unpacked = remote.persist(voice, &arrived, async || {
            let feed = Feed::Bytes(&packed);
            let ran = remote.run(scripts::UNPACK, &arguments, feed, Watch::Bytes, |_| Ok(()));
            ran.await?
                .succeeded(|| format!("cannot write to {}", self.base))?;
            Ok(())
        });
        unpacked.await?;
        for entry in batch {
            (voice.bytes)(signed(entry.size()));
        }
        Ok(())
    }

    /// Copies a large file, and returns whether it is the same here and there.
    async fn large(
        &self,
        remote: &Remote<'_>,
        entry: &Entry,
        voice: &Voice<'_>,
    ) -> Result<bool, CopyFailed> {
        let part = below(&self.base, &part_of(entry));
        let (part, path) = (
            plan::octal(&part),
            plan::octal(&below(&self.base, &entry.path)),
        );
        let local = self.local(entry)?;
        let size = entry.size().to_string();
        let mut is_same = false;
        for turn in 0..2 {
            if turn > 0 {
                (voice.bytes)(-signed(entry.size()));
            }
            let (ran, _) = remote.ask(voice, scripts::REMOVE, &[&part], &[]).await?;
            ran.succeeded(|| format!("cannot write {}", entry.path))?;
            self.send(remote, &part, entry, &local, voice).await?;
            let arguments = [part.as_str(), &size, self.method.program()];
            let asked = remote.ask(voice, scripts::SUM, &arguments, &[]);
            // Side by side: of gigabytes either takes seconds.
            let (file, length, method) = (local.clone(), entry.size(), self.method);
            let sum = spawn_blocking(move || local::sum(&file, length, method));
            let (asked, here) = tokio::join!(asked, sum);
            let (ran, written) = asked?;
            ran.succeeded(|| format!("cannot read {}", entry.path))?;
            let here = here.map_err(|error| CopyError::local(&local, error.into()))??;
            is_same = self.method.read_stdin(&written) == Some(here);
            if is_same {
                break;
            }
        }
        let (mode, modified) = (format!("{:o}", entry.mode), entry.modified.to_string());
        let arguments = [part.as_str(), &mode, &modified, &path];
        let (ran, _) = remote.ask(voice, scripts::FINISH, &arguments, &[]).await?;
        ran.succeeded(|| format!("cannot write {}", entry.path))?;
        Ok(is_same)
    }

    /// Sends a file from where it broke off.
    async fn send(
        &self,
        remote: &Remote<'_>,
        part: &str,
        entry: &Entry,
        local: &Path,
        voice: &Voice<'_>,
    ) -> Result<(), CopyFailed> {
        let told = Cell::new(0);
        let arrived = Cell::new(0);
        let sent = remote.persist(voice, &arrived, async || {
            let at = length(remote, part).await?;
            arrived.set(at);
            (voice.bytes)(signed(at) - signed(told.replace(at)));
            let rest = entry.size().saturating_sub(at);
            // An empty file is created, too.
            let is_empty_file = entry.size() == 0;
            if rest == 0 && !is_empty_file {
                return Ok(());
            }
            let reading = PartReader::open(local, at, entry.size())?;
            let sent = |bytes| {
                told.set(told.get() + bytes);
                (voice.bytes)(signed(bytes));
            };
            let rest = rest.to_string();
            let arguments = [part, &rest];
            let ran = remote.run(
                scripts::APPEND,
                &arguments,
                Feed::File(reading, &sent),
                Watch::Bytes,
                |_| Ok(()),
            );
            ran.await?
                .succeeded(|| format!("cannot write {}", entry.path))?;
            Ok(())
        });
        sent.await?;
        (voice.bytes)(signed(entry.size()) - signed(told.get()));
        Ok(())
    }

    /// Removes what an unfinished copy has left of its large files.
    pub async fn discard(&self, remote: &Remote<'_>) {
        let parts: Vec<RelPath> = self.plan.large.iter().map(part_of).collect();
        let names = names(&parts);
        if names.is_empty() {
            return;
        }
        let (base, length) = (plan::octal(self.base.as_bytes()), names.len().to_string());
        let arguments = [base.as_str(), &length, "rm -f"];
        let feed = Feed::Bytes(&names);
        let removed = remote.run(scripts::WITH_NAMES, &arguments, feed, Watch::Bytes, |_| {
            Ok(())
        });
        // Who cannot be reached is warned of already.
        _ = removed.await;
    }
}

/// Returns what a file is called until it is whole.
fn part_of(entry: &Entry) -> RelPath {
    let name = [b".", entry.path.name(), b".kaiwo-part"].concat();
    entry.path.beside(&name)
}

/// Returns how much of a file has arrived.
async fn length(remote: &Remote<'_>, part: &str) -> Result<u64, Failure> {
    let (mut written, arguments) = (Vec::new(), [part]);
    let ran = remote.run(
        scripts::LENGTH,
        &arguments,
        Feed::Nothing,
        Watch::Bytes,
        |bytes| {
            written.extend_from_slice(bytes);
            Ok(())
        },
    );
    ran.await?
        .succeeded(|| "cannot tell how long a file is".to_owned())?;
    let text = String::from_utf8_lossy(&written);
    let length = text.trim().parse();
    length.map_err(|_| CopyError::Listing(text.into_owned()).into())
}
