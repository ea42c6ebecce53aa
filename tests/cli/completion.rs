//! `kaiwo completion`, its scripts in real shells, and what they ask.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::common::{Outcome, Sandbox, binary, checkout};

/// Shells and the names of their scripts.
const SCRIPTS: [(&str, &str); 5] = [
    ("bash", "kaiwo.bash"),
    ("zsh", "_kaiwo"),
    ("fish", "kaiwo.fish"),
    ("elvish", "kaiwo.elv"),
    ("powershell", "_kaiwo.ps1"),
];

/// Two contexts, one of them with the colons that EKS puts into names.
const KUBECONFIG: &str = "{apiVersion: v1, kind: Config, current-context: dev, \
     clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}], \
     contexts: [{name: dev, context: {cluster: c, user: u}}, \
                {name: 'arn:aws:eks:eu:1:cluster/prod', context: {cluster: c, user: u}}], \
     users: [{name: u, user: {token: t}}]}";

/// What a shell offers: one candidate to a line, sorted.
type Offer = Vec<String>;

#[test]
fn committed_scripts_are_current() {
    let sandbox = Sandbox::new();
    for (shell, name) in SCRIPTS {
        let printed = sandbox.kaiwo(&["completion", shell]).exits(0).stdout;
        let committed = fs::read_to_string(checkout("completions").join(name)).unwrap();
        assert_eq!(committed, printed, "{name}");
    }
    // kubectl runs another, `kubectl_complete-kaiwo`, itself.
    let files = fs::read_dir(checkout("completions")).unwrap().count();
    assert_eq!(files, SCRIPTS.len() + 1, "a script that no shell gets");
}

/// Returns a home with files, a kubeconfig and the program as `bin/kaiwo`. It
/// has all the time it needs: how fast this machine is, is not the question.
fn home() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("kubeconfig", KUBECONFIG);
    sandbox.write("train/entrypoint", "");
    sandbox.write("two words/entrypoint", "");
    sandbox.write("trace.env", "");
    let program = sandbox.program(
        "bin/kaiwo",
        format!(
            "#!/bin/sh\nif [ \"$1\" = __complete ]; then shift; set -- __complete --within 600000 \"$@\"; fi\n\
             exec '{}' \"$@\"\n",
            binary()
        ),
    );
    let path = std::env::var("PATH").unwrap();
    let bin = program.parent().unwrap().display();
    let path = format!("{bin}:{path}");
    let kubeconfig = sandbox.path("kubeconfig");
    sandbox
        .set("PATH", path)
        .set("KUBECONFIG", kubeconfig.to_str().unwrap())
}

/// Runs a program in the sandbox, and returns nothing if it is not installed.
fn run(sandbox: &Sandbox, program: &str, arguments: &[&str]) -> Option<Outcome> {
    let like = sandbox.command(&[]);
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(
            like.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(sandbox.path(""))
        .stdin(std::process::Stdio::null());
    match command.output() {
        Ok(output) => Some(Outcome::of(output)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            crate::common::skip(&format!("{program} is not installed"));
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

fn script(name: &str) -> PathBuf {
    checkout("completions").join(name)
}

fn sorted(text: &str) -> Offer {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Lines with the cursor at their end, and what every shell offers: whole
/// words, of which bash sees only what follows the last `=` or `:`.
const CASES: [(&str, &[&str]); 10] = [
    ("kaiwo sub", &["submit"]),
    ("kaiwo submit --gpus-per-n", &["--gpus-per-node"]),
    ("kaiwo submit -o ", &["json", "name", "yaml"]),
    ("kaiwo submit --dry-run=s", &["--dry-run=server"]),
    (
        "kaiwo submit --context ",
        &["arn:aws:eks:eu:1:cluster/prod", "dev"],
    ),
    (
        "kaiwo submit --context arn:aws:e",
        &["arn:aws:eks:eu:1:cluster/prod"],
    ),
    (
        "kaiwo submit --context=arn:a",
        &["--context=arn:aws:eks:eu:1:cluster/prod"],
    ),
    ("kaiwo submit --kubeconfig nowhere --context ", &[]),
    ("kaiwo submit -i ", &[]),
    ("kaiwo nonsense ", &[]),
];

#[test]
fn in_bash() {
    let sandbox = home();
    let file = script("kaiwo.bash");
    // Readline itself splits the line and asks; the answer is what it would
    // list. Here its part is played by the words it would make.
    let ask = |line: &str| {
        let text = format!(
            r#"source '{}'
               COMP_LINE={line:?} COMP_POINT=${{#COMP_LINE}} COMP_WORDS=() COMP_CWORD=0
               rest=$COMP_LINE
               while [[ -n $rest ]]; do
                   rest=${{rest#"${{rest%%[! ]*}}"}}
                   if [[ $rest == [=:]* ]]; then piece=${{rest%%[!=:]*}}; else piece=${{rest%%[ =:]*}}; fi
                   COMP_WORDS+=("$piece") rest=${{rest#"$piece"}}
                   [[ $rest == " " ]] && {{ COMP_WORDS+=(""); rest=; }}
               done
               COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)) current=${{COMP_WORDS[COMP_CWORD]}}
               [[ $current == [=:] ]] && current=
               _kaiwo kaiwo "$current" x
               ((${{#COMPREPLY[@]}} == 0)) || printf '%s\n' "${{COMPREPLY[@]}}""#,
            file.display()
        );
        let outcome = run(&sandbox, "bash", &["--norc", "-c", &text]).expect("bash");
        assert_eq!(outcome.stderr, "", "{line}");
        sorted(&outcome.exits(0).stdout)
    };
    for (line, words) in CASES {
        let last = line.rsplit(' ').next().unwrap();
        let kept = last.rfind(['=', ':']).map_or(0, |at| at + 1);
        let expected: Vec<&str> = words.iter().map(|word| &word[kept..]).collect();
        assert_eq!(ask(line), expected, "{line}");
    }
    assert_eq!(ask("kaiwo submit -p t"), ["train", "two words"]);
    assert_eq!(ask("kaiwo submit --env-file=tra"), ["trace.env", "train"]);
}

#[test]
fn in_fish() {
    let sandbox = home();
    let ask = |line: &str| -> Option<Offer> {
        let text = format!(
            "source '{}'; complete -C '{line}'",
            script("kaiwo.fish").display()
        );
        let outcome = run(&sandbox, "fish", &["--no-config", "-c", &text])?.exits(0);
        assert_eq!(outcome.stderr, "", "{line}");
        let words: Vec<&str> = outcome
            .stdout
            .lines()
            .map(|line| line.split('\t').next().unwrap())
            .collect();
        Some(sorted(&words.join("\n")))
    };
    for (line, expected) in CASES {
        let Some(offer) = ask(line) else { return };
        assert_eq!(offer, expected, "{line}");
    }
    assert_eq!(ask("kaiwo submit -p t").unwrap(), ["train/", "two words/"]);
    assert_eq!(
        ask("kaiwo submit --env-file=trac").unwrap(),
        ["--env-file=trace.env"]
    );
}

/// zsh completes only at a terminal, so one is made for it; what it would
/// add is caught where the completion system hands it over.
#[test]
fn in_zsh() {
    let sandbox = home();
    sandbox.write(
        "ask.zsh",
        r##"zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1= ; PROMPT_EOL_MARK= ; autoload -Uz compinit && compinit -u -D; source $SCRIPT'
# Not what is listed, which depends on the width of the terminal, but every match.
zpty -w shell 'compadd() {
    [[ ${@[(I)-[OAD]]} -ne 0 ]] && { builtin compadd "$@"; return }
    local -a caught; builtin compadd -O caught "$@"
    builtin compadd "$@"; local code=$?
    (( $#caught )) && print -rl -- "<${^IPREFIX}"$^caught">" >> $OFFER
    return $code
}'
zpty -w shell 'offer() { : > $OFFER; zle complete-word; print -r -- "<end>" >> $OFFER; zle kill-whole-line }; zle -N offer; bindkey "^X" offer; : > $READY'
while [[ ! -e $READY ]]; do zpty -r -t shell > /dev/null; sleep 0.05; done
zpty -w -n shell $LINE$'\C-X'
while ! grep -q '<end>' $OFFER 2> /dev/null; do zpty -r -t shell > /dev/null; sleep 0.05; done
grep -v '<end>' $OFFER
exit 0
"##,
    );
    let ask = |line: &str| -> Option<Offer> {
        let _ = fs::remove_file(sandbox.path("ready"));
        let _ = fs::remove_file(sandbox.path("offer"));
        let arguments = [
            &format!("SCRIPT={}", script("_kaiwo").display()),
            &format!("OFFER={}", sandbox.path("offer").display()),
            &format!("READY={}", sandbox.path("ready").display()),
            &format!("LINE={line}"),
            "zsh",
            "-f",
            "ask.zsh",
        ];
        let _ = run(&sandbox, "zsh", &["--version"])?;
        let outcome = run(&sandbox, "env", &arguments)?.exits(0);
        assert_eq!(outcome.stderr, "", "{line}");
        Some(sorted(&outcome.stdout.replace(['<', '>'], "")))
    };
    for (line, expected) in CASES {
        let Some(offer) = ask(line) else { return };
        assert_eq!(offer, expected, "{line}");
    }
}
