//! The flags of settings: how each type of value is typed.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches, value_parser};

use super::{DryRun, Format, List, Notify, Pairs, Settings, Switch, pair, whole};
use crate::plan::kaito::{ImageOrClaim, Runtime, TuningMethod};
use crate::plan::request::array::sweep::{Sweep, Sweeps};
use crate::plan::request::array::tasks::{ArraySpec, AtLeast};
use crate::plan::request::autoscale::Scale;
use crate::plan::request::claim::Storage;
use crate::plan::request::ingress::IngressHost;
use crate::plan::request::min_available::MinAvailable;
use crate::plan::request::pod::SecretName;
use crate::plan::request::port::PortPair;
use crate::plan::request::topology::TopologyWish;
use crate::plan::request::upload_limit::UploadLimit;
use crate::quantity::Quantity;
use crate::time::Seconds;

/// The commands that have settings as flags, and sets of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Submit,
    Serve,
    Run,
    Both,
    Neither,
}

impl Command {
    pub(super) fn includes(self, other: Self) -> bool {
        let is_of_submit = other == Self::Run && self == Self::Submit;
        self == other || self == Self::Both || is_of_submit
    }
}

/// The settings that were typed: those of `kaiwo serve`, or of `kaiwo submit`.
#[derive(Debug, Clone)]
pub struct SettingArgs<const SERVES: bool>(pub Settings);

impl<const SERVES: bool> SettingArgs<SERVES> {
    const COMMAND: Command = match SERVES {
        true => Command::Serve,
        false => Command::Submit,
    };
}

impl<const SERVES: bool> Args for SettingArgs<SERVES> {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.args(Settings::flags(Self::COMMAND))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl<const SERVES: bool> FromArgMatches for SettingArgs<SERVES> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(Settings::typed(matches)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Settings of `kaiwo submit` that `kaiwo run` does not have: it has one attempt, whose end
/// it waits for, of a template of its own.
const NOT_OF_RUN: [&str; 34] = [
    "head_cpus",
    "head_memory",
    "template",
    "custom_config",
    "set",
    "schedule",
    "time_zone",
    "model",
    "instance_type",
    "tune",
    "tune_input",
    "tune_output",
    "tune_push_secret",
    "tune_config",
    "ray_version",
    "read_only_workdir",
    "retries",
    "ttl",
    "wait",
    "follow",
    "log",
    "timeout",
    "replace",
    "generate_name",
    "force",
    "output",
    "array",
    "sweep",
    "sweep_file",
    "slots",
    "at_least",
    "max_failed",
    "grow",
    "only_failed",
];
/// Settings that it refuses, with the command that has them.
const REFUSED_BY_RUN: [&str; 3] = ["ray", "replicas", "gpus_per_replica"];

/// The settings that were typed for `kaiwo run`.
#[derive(Debug, Clone)]
pub struct RunSettingArgs(pub Settings);

impl Args for RunSettingArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        let flags = Settings::flags(Command::Run).into_iter();
        let own = flags.filter(|flag| !NOT_OF_RUN.contains(&flag.get_id().as_str()));
        command.args(own.map(|flag| {
            let is_refused = REFUSED_BY_RUN.contains(&flag.get_id().as_str());
            flag.hide(is_refused)
        }))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for RunSettingArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(Settings::typed(&mut matches.clone())))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Makes the flag of a field.
macro_rules! flag {
    ($field:ident, $type:ty, $heading:literal, $help:expr) => {{
        const NAME: [u8; stringify!($field).len()] = flag::kebab(stringify!($field));
        let flag = clap::Arg::new(stringify!($field))
            .long(std::str::from_utf8(&NAME).unwrap_or_default())
            .help($help.trim())
            .help_heading($heading);
        <$type as flag::FlagValue>::flag(flag)
    }};
}
pub(super) use flag;

/// Spells a field as a flag.
pub(super) const fn kebab<const N: usize>(field: &str) -> [u8; N] {
    let mut name = [0; N];
    let mut at = 0;
    while at < N {
        name[at] = match field.as_bytes()[at] {
            b'_' => b'-',
            letter => letter,
        };
        at += 1;
    }
    name
}

/// A value that a flag, a variable and a file can give.
pub(super) trait FlagValue: Sized {
    /// Says how the flag takes it.
    fn flag(flag: Arg) -> Arg;

    /// Takes what was typed, if it was.
    fn typed(matches: &mut ArgMatches, id: &str) -> Option<Self>;

    /// Finds it beside the file that says it.
    fn resolve(&mut self, _directory: &Path) {}
}

/// Takes the one value that was typed. A command without the flag has none.
pub(super) fn one<T: Clone + Send + Sync + 'static>(
    matches: &mut ArgMatches,
    id: &str,
) -> Option<T> {
    matches.try_remove_one(id).ok().flatten()
}

fn many<T: Clone + Send + Sync + 'static>(matches: &mut ArgMatches, id: &str) -> Option<Vec<T>> {
    let typed = matches.try_remove_many(id).ok().flatten();
    typed.map(Iterator::collect)
}

/// A flag that may stand alone, and then means `bare`.
fn optional(flag: Arg, bare: &'static str) -> Arg {
    flag.num_args(0..=1)
        .require_equals(true)
        .default_missing_value(bare)
}

macro_rules! single {
    ($( $type:ty $(= |$flag:ident| $more:expr)?; )*) => { $(
        impl FlagValue for $type {
            fn flag(flag: Arg) -> Arg {
                let flag = flag.value_parser(<$type>::from_str);
                $( let $flag = flag; let flag = $more; )?
                flag
            }

            fn typed(matches: &mut ArgMatches, id: &str) -> Option<Self> {
                one(matches, id)
            }
        }
    )* };
}

single! {
    ArraySpec;
    AtLeast = |flag| flag.value_name("N|all");
    DryRun = |flag| optional(flag, "client").value_name("HOW");
    Format = |flag| flag.value_parser(Format::parser(Format::OBJECTS)).value_name("FORMAT");
    IngressHost = |flag| flag.value_name("HOST");
    TuningMethod = |flag| flag.value_name("METHOD");
    MinAvailable = |flag| flag.value_name("N|P%");
    Notify = |flag| flag.value_name("URL|COMMAND");
    ImageOrClaim = |flag| flag.value_name("PLACE");
    Quantity;
    Runtime = |flag| flag.value_name("RUNTIME");
    Scale = |flag| flag.value_name("MIN-MAX");
    Seconds = |flag| flag.value_name("TIME");
    SecretName = |flag| flag.value_name("SECRET");
    PortPair = |flag| flag.value_name("PORT").allow_negative_numbers(true);
    Storage = |flag| flag.value_name("SIZE");
    Switch = |flag| optional(flag, "true").value_name("BOOL");
    TopologyWish = |flag| flag.value_name("LEVEL");
    UploadLimit = |flag| flag.value_name("SIZE");
    i64 = |flag| flag.value_parser(whole).value_name("N").allow_negative_numbers(true);
}

impl FlagValue for PathBuf {
    fn flag(flag: Arg) -> Arg {
        flag.value_parser(value_parser!(PathBuf)).value_name("FILE")
    }

    fn typed(matches: &mut ArgMatches, id: &str) -> Option<Self> {
        one(matches, id)
    }

    fn resolve(&mut self, directory: &Path) {
        let beside = directory.join(&*self);
        if beside.exists() {
            *self = beside;
        }
    }
}

impl<T> FlagValue for List<T>
where
    T: FromStr<Err = String> + Clone + Send + Sync + 'static,
{
    fn flag(flag: Arg) -> Arg {
        let item = ValueParser::new(T::from_str);
        flag.action(ArgAction::Append).value_parser(item)
    }

    fn typed(matches: &mut ArgMatches, id: &str) -> Option<Self> {
        many(matches, id).map(Self)
    }
}

impl FlagValue for Sweeps {
    fn flag(flag: Arg) -> Arg {
        flag.action(ArgAction::Append).value_parser(Sweep::from_str)
    }

    fn typed(matches: &mut ArgMatches, id: &str) -> Option<Self> {
        many(matches, id).map(Self)
    }
}

impl FlagValue for Pairs {
    fn flag(flag: Arg) -> Arg {
        flag.action(ArgAction::Append)
            .value_parser(pair)
            .value_name("K=V")
    }

    fn typed(matches: &mut ArgMatches, id: &str) -> Option<Self> {
        many(matches, id).map(|pairs| Self(pairs.into_iter().collect()))
    }
}
