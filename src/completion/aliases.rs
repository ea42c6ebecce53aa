//! What other programs call what kaiwo does: words that users of kubectl, docker, git,
//! Slurm, SkyPilot and the like type, each with kaiwo's own command.

mod flags;
mod things;

use clap::Command;
use clap::error::ErrorKind;

use super::line::places;
use crate::secrecy::HIDDEN;
use crate::suggestion::{self, Suggestion, kaiwo, kubectl};

pub use flags::flag;

/// How kaiwo's command is made of what was typed.
#[derive(Debug, Clone, Copy)]
enum Own {
    /// Another word in place of the one that was typed.
    Verb(&'static str),
    /// What lists a kind of things, and what shows one of them.
    Things,
    /// A program to run by this command: an image, or a file in the directory.
    Run(&'static str),
    /// A group of another program's commands, whose own word follows; alone, what is
    /// listed.
    Group,
    /// A command about one workload, and what follows its name; the rest is left out.
    Named(&'static str, &'static str),
    /// A command that has nothing of what was typed.
    Whole(Whole, &'static str),
}

/// Makes a command of its words.
type Whole = fn(&'static str, &[&str]) -> suggestion::Command;

/// Words, and what kaiwo has for them.
const VERBS: [(&str, Own, &str); 43] = [
    ("get describe show info inspect", Own::Things, ""),
    ("jobs job workloads workload training", Own::Group, ""),
    (
        "ps ls-jobs squeue qstat bjobs runs sprio",
        Own::Verb("list"),
        "",
    ),
    (
        "pods pod events event",
        Own::Whole(kaiwo, "list"),
        "status NAME shows the pods and the events of a workload",
    ),
    ("sbatch qsub bsub", Own::Run("submit"), ""),
    ("srun", Own::Run("run"), ""),
    ("create start launch apply train", Own::Verb("submit"), ""),
    (
        "cancel rm remove stop kill down terminate destroy scancel qdel bkill",
        Own::Verb("delete"),
        "",
    ),
    ("attach sattach", Own::Verb("run --attach"), ""),
    ("tail follow bpeek", Own::Verb("logs -f"), ""),
    ("log", Own::Verb("logs"), ""),
    ("ssh shell bash sh enter connect", Own::Verb("exec"), ""),
    ("sacct", Own::Verb("history"), ""),
    ("sreport", Own::Verb("usage"), ""),
    (
        "scontrol",
        Own::Whole(kaiwo, "list"),
        "status shows one of them; move, priority, pause and resume change it; queues and nodes show capacity",
    ),
    (
        "salloc alloc interactive notebook jupyter",
        Own::Whole(kaiwo, "run --help"),
        "run -it -- bash opens a shell in the queue's turn; --publish forwards a port",
    ),
    (
        "build push pull images image commit rmi",
        Own::Whole(kaiwo, "submit --help"),
        "kaiwo does not build images: -p DIR uploads files, -i IMAGE uses one from a registry",
    ),
    (
        "kubectl docker podman compose helm ray slurm gcloud aws az sky dstack runai",
        Own::Whole(kaiwo, "--help"),
        "kaiwo's commands are submit, serve, list, status, logs, exec, delete and others",
    ),
    (
        "cordon uncordon drain taint label annotate fleet fleets offer node-pool",
        Own::Whole(kaiwo, "nodes"),
        "use kubectl for nodes",
    ),
    (
        "login logout auth whoami",
        Own::Whole(kubectl, "config get-contexts"),
        "kaiwo authenticates with your kubeconfig, as kubectl does; --context chooses a context",
    ),
    (
        "context contexts use use-context cluster clusters cluster-info",
        Own::Whole(kubectl, "config get-contexts"),
        "choose one with --context",
    ),
    (
        "namespaces ns project",
        Own::Whole(kubectl, "get namespaces"),
        "choose one with -n",
    ),
    (
        "api-resources api-versions secrets secret",
        Own::Whole(kubectl, "get --help"),
        "use kubectl for everything that is not a workload",
    ),
    (
        "retry restart rerun requeue",
        Own::Whole(kaiwo, "submit --help"),
        "run the same kaiwo submit again, with --replace if it has ended",
    ),
    ("suspend hold", Own::Named("pause", ""), ""),
    ("release unpause unhold", Own::Named("resume", ""), ""),
    (
        "autostop",
        Own::Whole(kaiwo, "run --help"),
        "--idle ends a session that is not used",
    ),
    (
        "scp rsync sync download upload copy sbcast",
        Own::Verb("cp"),
        "copy files with cp NAME:/path LOCAL, or cp LOCAL NAME:/path",
    ),
    (
        "forward port ports proxy tunnel expose",
        Own::Verb("port-forward"),
        "",
    ),
    (
        "dashboard ui open",
        Own::Named("port-forward", "--dashboard"),
        "",
    ),
    (
        "url address service services svc ingress",
        Own::Verb("endpoint"),
        "",
    ),
    ("ask prompt query completions", Own::Verb("chat"), ""),
    ("deploy up infer host", Own::Verb("serve"), ""),
    (
        "scale autoscale update upgrade install edit patch set replace rollout",
        Own::Whole(kaiwo, "serve --help"),
        "run kaiwo serve again with other flags to change the service in place",
    ),
    ("rollback undo revert", Own::Verb("serve --rollback"), ""),
    (
        "queue quota quotas sinfo partitions localqueues clusterqueues bqueues sshare",
        Own::Verb("queues"),
        "",
    ),
    (
        "node gpus gpu machines resources capacity show-gpus bhosts qhost",
        Own::Verb("nodes"),
        "",
    ),
    (
        "metrics stats sstat nvidia-smi rocm-smi seff",
        Own::Verb("top"),
        "",
    ),
    (
        "volume pvc pvcs claims persistentvolumeclaims storage",
        Own::Verb("volumes"),
        "",
    ),
    ("model catalog presets", Own::Verb("models"), ""),
    (
        "settings configure options",
        Own::Whole(kaiwo, "config show"),
        "",
    ),
    ("explain debug diagnose reason", Own::Verb("why"), ""),
    ("new scaffold create-project", Own::Verb("init"), ""),
];

/// Words of two, of which the second decides.
const PHRASES: [(&str, &str, &str); 3] = [
    ("rollout", "undo", "serve --rollback"),
    ("rollout", "status", "wait --for ready"),
    ("rollout", "history", "status"),
];

/// Returns kaiwo's command for one that it does not have, and what more there is to
/// say. `words` follow the program's name; what may be secret is hidden already.
pub fn verb(command: &Command, words: &[String]) -> Option<(suggestion::Command, &'static str)> {
    let at = places(command, words).positionals;
    let typed = *at.first()?;
    let word = words[typed].as_str();
    let (_, own, more) = VERBS.iter().find(|(known, ..)| has(known, word))?;
    let mut rest: Vec<String> = [&words[..typed], &words[typed + 1..]].concat();
    let second = rest.iter().position(|word| !word.starts_with('-'));
    if let Some(second) = second
        && let Some((.., verb)) = PHRASES
            .iter()
            .find(|(first, next, _)| *first == word && *next == rest[second])
    {
        rest.remove(second);
        return Some((with_words(command, verb, &rest), ""));
    }
    let name = second.and_then(|name| rest[name].split(':').next());
    let command = match own {
        Own::Verb(verb) => with_words(command, verb, &rest),
        Own::Things => return Some(things::shown(command, rest)),
        Own::Run(verb) => run(command, verb, &rest),
        Own::Group => {
            let is_own = |word: &String| command.find_subcommand(word).is_some();
            match second.map(|second| rest.remove(second)) {
                Some(verb) if is_own(&verb) => with_words(command, &verb, &rest),
                Some(next) => {
                    rest.insert(second.unwrap_or_default(), next);
                    return match verb(command, &rest) {
                        Some(found) => Some(found),
                        None => Some((with_words(command, "status", &rest), "")),
                    };
                }
                None => with_words(command, "list", &rest),
            }
        }
        Own::Named(verb, after) => {
            let own = kaiwo(verb, &[]);
            let own = match name {
                Some(name) => with_word(own, name),
                None => own.raw("NAME"),
            };
            return Some((own.form(after, &[]), more));
        }
        Own::Whole(program, form) => return Some((program(form, &[]), more)),
    };
    Some((command, more))
}

/// Words by which other programs attach a terminal, and clean up after it.
const ATTACHED: &str = "-it -ti -itd -tid -dit -dti --rm --tty --interactive";
/// Words by which other programs ask for a terminal.
const TERMINAL: &str = "-it -ti -t --tty --pty";

/// Returns whether other programs attach a terminal by this word, or clean up after it.
pub fn attaches(word: &str) -> bool {
    has(ATTACHED, word) || has(TERMINAL, word)
}

/// Returns what runs a program: an image with its command, or a file that is uploaded
/// with its directory.
pub fn run(command: &Command, verb: &'static str, rest: &[String]) -> suggestion::Command {
    let is_attached = verb == "run" && rest.iter().any(|word| has(TERMINAL, word));
    let verb = if is_attached { "run -t" } else { verb };
    let rest: Vec<String> = rest
        .iter()
        .filter(|word| !has(ATTACHED, word) && !has(TERMINAL, word))
        .cloned()
        .collect();
    let Some(first) = rest.first().filter(|word| !word.starts_with('-')) else {
        return with_words(command, verb, &rest);
    };
    let says_what = |word: &String| {
        let flag = word.split('=').next().unwrap_or_default();
        has("-i --image -p --path", flag)
    };
    let is_no_program = [".yaml", ".yml", ".json", "/", "."];
    if is_no_program.iter().any(|end| first.ends_with(end)) || rest.iter().any(says_what) {
        return with_words(command, verb, &rest);
    }
    let program = match first.rsplit_once('.') {
        Some((_, "py")) => Some("python"),
        Some((_, "sh")) => Some("sh"),
        _ => None,
    };
    let is_one = rest.len() == 1 && !has("bash sh zsh python python3 ipython", first);
    let is_image = program.is_none() && (first.contains(['/', ':']) || is_one);
    let own = match is_image {
        true => with_word(kaiwo(verb, &[]).args(["-i"]), first),
        false => kaiwo(verb, &[]).args(["-p", "."]),
    };
    let own = match (is_image, rest.len()) {
        (true, 1) => own,
        _ => own.args(["--"]),
    };
    let own = own.args(program);
    let words = rest.iter().skip(usize::from(is_image));
    words.fold(own, |own, word| with_word(own, word))
}

/// Returns where `--` is missing in a line of `run`, which is `own`, whose word at `unknown`
/// has no place: there, if a script stands before it, or before the command of an image.
pub fn missing_dashes(
    command: &Command,
    own: &Command,
    words: &[String],
    unknown: usize,
) -> Option<usize> {
    let typed = &words[unknown];
    if attaches(typed) || flag(own, typed, None).is_some() {
        return None;
    }
    let first = *places(command, words).positionals.first()?;
    let says_image = |word: &String| has("-i --image", word.split('=').next().unwrap_or(word));
    let is_script = [".py", ".sh"].iter().any(|end| words[first].ends_with(end));
    match is_script && first < unknown {
        true => Some(unknown),
        false => words[..first].iter().any(says_image).then_some(first),
    }
}

/// Returns the line for an image with a terminal, as docker takes it: `-it IMAGE`. Here
/// `-i` is the image, and `run` attaches.
pub fn attached(command: &Command, words: &[String]) -> Option<[Suggestion; 2]> {
    let mut own = words.iter().take_while(|word| *word != "--");
    let at = own.position(|word| !word.starts_with("--") && has(ATTACHED, word))?;
    let mut words = words.to_vec();
    "-i".clone_into(&mut words[at]);
    words.retain(|word| !has(ATTACHED, word));
    let positional = places(command, &words).positionals.first().copied();
    if let Some(first) = positional {
        words.insert(first, "--".to_owned());
    }
    let line = |begin: suggestion::Command, words: &[String]| {
        let own = words.iter();
        own.fold(begin, |own, word| with_word(own, word)).as_typed()
    };
    let verb = words.iter().position(|word| !word.starts_with('-'));
    let after = verb.map_or(&words[..], |verb| &words[verb + 1..]);
    Some([
        line(kaiwo("", &[]), &words).to("-i is for the image; try"),
        line(kaiwo("run -t", &[]), after).to("for a terminal in it"),
    ])
}

/// Returns whether a list of words, with spaces between them, has this one.
fn has(list: &str, word: &str) -> bool {
    list.split(' ').any(|one| one == word)
}

fn with_word(own: suggestion::Command, word: &str) -> suggestion::Command {
    match word {
        HIDDEN => own.raw(word),
        word => own.args([word]),
    }
}

/// Returns kaiwo's command with what was typed; without it where that is only flags of
/// another program; else its help.
fn with_words(command: &Command, verb: &str, rest: &[String]) -> suggestion::Command {
    let parse = |rest: &[String]| {
        let words = std::iter::once("kaiwo").chain(verb.split(' '));
        let words = words.chain(rest.iter().map(String::as_str));
        command.clone().try_get_matches_from(words)
    };
    let fits = match parse(rest) {
        Ok(_) => true,
        // It says itself what it lacks.
        Err(error) => error.kind() == ErrorKind::MissingRequiredArgument,
    };
    let are_flags = || rest.iter().all(|word| word.starts_with('-'));
    match fits {
        true => rest
            .iter()
            .fold(kaiwo("", &[]).args(verb.split(' ')), |own, word| {
                with_word(own, word)
            })
            .as_typed(),
        false if are_flags() && parse(&[]).is_ok() => kaiwo("", &[]).args(verb.split(' ')),
        false => {
            let help = kaiwo("", &[])
                .args(verb.split(' ').take(1))
                .args(["--help"]);
            help.as_typed()
        }
    }
}

/// Returns the command of kaiwo's whose name is nearest to a word.
pub fn near(command: &Command, word: &str) -> Option<String> {
    let known = command.get_subcommands();
    let known = known.filter(|known| !known.is_hide_set());
    crate::names::nearest(word, known.map(|known| known.get_name().to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::flags::{FILES, FLAGS};
    use super::*;
    use crate::cli::Cli;

    fn command() -> Command {
        let mut command = Cli::command();
        command.build();
        command
    }

    #[test]
    fn no_word_of_others_is_a_command_of_kaiwos() {
        let command = command();
        for (first, next, _) in PHRASES {
            assert!(verb(&command, &[first.to_owned(), next.to_owned()]).is_some());
        }
        for word in VERBS.iter().flat_map(|(words, ..)| words.split(' ')) {
            assert!(command.find_subcommand(word).is_none(), "{word}");
        }
        let submit = command.find_subcommand("submit").unwrap();
        let serve = command.find_subcommand("serve").unwrap();
        for (flags, own, _) in FLAGS.iter().chain(FILES) {
            let own = own.trim_start_matches('-');
            let mut all = command.get_subcommands().flat_map(Command::get_arguments);
            assert!(all.any(|flag| flag.get_long() == Some(own)), "{own}");
            for flag in flags.split(' ') {
                let is = |of: &Command| {
                    let name = flag.trim_start_matches('-');
                    of.get_arguments()
                        .any(|known| known.get_long() == Some(name))
                };
                let has_own = |of: &Command| {
                    of.get_arguments()
                        .any(|known| known.get_long() == Some(own))
                };
                for of in [submit, serve] {
                    assert!(!(is(of) && has_own(of)), "{flag}");
                }
            }
        }
    }
}
