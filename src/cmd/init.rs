//! `kaiwo init`.

use std::path::Path;

use crate::cli::InitArgs;
use crate::error::{CommandError, ErrorClass};
use crate::names::nearest;
use crate::plan::request::claim::ClaimMount;
use crate::secrecy;
use crate::settings::ImageRef;
use crate::shell;
use crate::suggestion::kaiwo;
use crate::ui::Ui;
use crate::workload::example;
use crate::workload::new_files::{self, NewFile, NotWritten};
use crate::workload::starter::{CACHE, Starter};

use super::help::cannot_write;

/// Writes a workload directory.
pub fn run(args: &InitArgs, ui: Ui) -> Result<(), CommandError> {
    if args.list {
        let names = example::names().into_iter().map(|name| format!("{name}\n"));
        return ui.data(&names.collect::<String>()).map_err(cannot_write);
    }
    let directory = args.directory.display().to_string();
    let says_nothing = args.from.is_none()
        && args.gpus.is_none()
        && args.image.is_none()
        && args.claim.is_none()
        && args.command.is_empty();
    let asks = says_nothing && ui.can_ask();
    let from = match (&args.from, asks) {
        (Some(from), _) => Some(from.clone()),
        (None, true) => {
            ui.status(format!("examples: {}", example::names().join(", ")));
            ui.question("copy an example [none]: ")
        }
        (None, false) => None,
    };
    let files = match from {
        Some(name) => copied(&name, &directory)?,
        None => starter(args, directory.clone(), asks, ui)?.files(),
    };
    new_files::write(&args.directory, &files).map_err(not_written)?;
    let names: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let shown = secrecy::path(&args.directory);
    ui.status(format!("{shown}: {} written", names.join(", ")));
    if names.contains(&"README.md") {
        ui.status("README.md says what to do next");
    }
    // What may be secret is not repeated, not in a command either.
    if names.contains(&"entrypoint") && shown == directory {
        let next = kaiwo("submit -p {} --dry-run", &[&directory]);
        ui.suggest(&next.to("what would be created"));
    }
    Ok(())
}

fn copied(name: &str, directory: &str) -> Result<Vec<NewFile>, CommandError> {
    example::files(name, directory.trim_end_matches('/')).ok_or_else(|| {
        let names = example::names();
        let error = CommandError::new(
            ErrorClass::Refused,
            format!("example {} does not exist", secrecy::named(name)),
        );
        let near = nearest(name, names.iter().map(|name| (*name).to_owned()));
        match near {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error,
        }
        .hint(kaiwo("init --list", &[]).to("list all examples"))
    })
}

/// Returns what is known of a directory without an example, asking for the rest.
fn starter(
    args: &InitArgs,
    directory: String,
    asks: bool,
    ui: Ui,
) -> Result<Starter, CommandError> {
    let invalid = |what: &str, why: String| {
        CommandError::new(ErrorClass::Usage, format!("invalid {what}: {why}"))
    };
    let words: Vec<String> = args
        .command
        .iter()
        .map(|word| shell::quoted(word))
        .collect();
    let mut starter = Starter {
        directory,
        command: (!args.command.is_empty()).then(|| words.join(" ")),
        gpus: args.gpus,
        image: args.image.clone().map(Into::into),
        claim: args.claim.clone(),
    };
    if asks {
        if let Some(gpus) = ui.question("GPUs [1]: ") {
            let count = gpus.parse::<i64>().ok().filter(|gpus| *gpus >= 0);
            let why = || invalid("GPU count", format!("{gpus:?} must be 0 or more"));
            starter.gpus = Some(count.ok_or_else(why)?);
        }
        if let Some(image) = ui.question("image [the one of submit]: ") {
            let image = image.parse::<ImageRef>();
            let image = image.map_err(|why| invalid("image", why.to_string()))?;
            starter.image = Some(image.into());
        }
        if let Some(command) = ui.question("command [a program that is written]: ") {
            starter.command = Some(command);
        }
        starter.claim = ui.question("claim that keeps packages [none]: ");
    }
    if let Some(claim) = &starter.claim {
        let mount = format!("{claim}:{CACHE}").parse::<ClaimMount>();
        mount.map_err(|why| invalid("claim", why.to_string()))?;
    }
    Ok(starter)
}

/// Returns the last directory above a file that is there, or what stands in its place.
fn existing(file: &Path) -> String {
    let above = file.ancestors().skip(1);
    let mut above = above.filter(|it| it.symlink_metadata().is_ok());
    shell::quoted(&secrecy::path(above.next().unwrap_or(Path::new("."))))
}

fn not_written(why: NotWritten) -> CommandError {
    match why {
        NotWritten::Exist(files) => {
            let named: Vec<String> = files.iter().map(|file| secrecy::path(file)).collect();
            let verb = if named.len() == 1 { "exists" } else { "exist" };
            let message = format!("{} already {verb}; nothing was written", named.join(", "));
            CommandError::new(ErrorClass::Refused, message)
                .about(named.first().cloned().unwrap_or_default())
                .hint("choose another directory, or move the existing files")
        }
        NotWritten::Failed(file, error) => CommandError {
            class: ErrorClass::Refused,
            error: anyhow::Error::new(error)
                .context(format!("cannot write {}", secrecy::path(&file))),
            notes: vec!["nothing was written".to_owned()],
            hints: vec![format!("check the directory: ls -ld {}", existing(&file)).into()],
            object: Some(secrecy::path(&file)),
        },
    }
}
