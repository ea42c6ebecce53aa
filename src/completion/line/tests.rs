use clap::CommandFactory;

use super::*;
use crate::cli::Cli;
use crate::completion::Live;

/// Reads a line in which `|` is the cursor.
fn read(text: &str) -> TypedLine {
    let mut command = Cli::command();
    command.build();
    let (before, after) = text.split_once('|').unwrap();
    let mut words: Vec<String> = before.split(' ').map(str::to_owned).collect();
    let index = words.len() - 1;
    words.extend(after.split(' ').skip(1).map(str::to_owned));
    TypedLine::read(&command, &words, index)
}

fn words(text: &str) -> Vec<String> {
    let line = read(text);
    match &line.source {
        Candidates::Words(words) => words
            .iter()
            .filter_map(|candidate| line.complete(&candidate.word))
            .collect(),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn names_stand_where_names_belong() {
    let mut command = crate::cli::Cli::command();
    command.build();
    for (typed, head, live) in [
        ("chat ", "", Live::Services),
        ("endpoint ", "", Live::Services),
        ("delete a ", "", Live::Workloads),
        ("run --attach ", "", Live::Workloads),
        ("submit --volume ", "", Live::Claims),
        ("submit --secret K=", "K=", Live::Secrets),
        ("submit --secret=K=h", "--secret=K=", Live::Secrets),
        ("logs job/x --pod ", "", Live::Pods),
        ("nodes ", "", Live::Nodes),
    ] {
        let words: Vec<String> = typed.split(' ').map(str::to_owned).collect();
        let line = TypedLine::read(&command, &words, words.len() - 1);
        assert_eq!(line.source, Candidates::Live(live), "{typed}");
        assert_eq!(line.head, head, "{typed}");
        assert!(typed != "logs job/x --pod " || line.named() == Some("x"));
    }
}

#[test]
fn commands_and_flags() {
    assert_eq!(
        words("|"),
        [
            "init",
            "submit",
            "run",
            "serve",
            "list",
            "status",
            "why",
            "logs",
            "wait",
            "exec",
            "cp",
            "port-forward",
            "resize",
            "delete",
            "move",
            "priority",
            "pause",
            "resume",
            "doctor",
            "version",
            "queues",
            "nodes",
            "volumes",
            "top",
            "history",
            "usage",
            "models",
            "chat",
            "endpoint",
            "completion",
            "config",
            "template",
            "help"
        ]
    );
    assert_eq!(words("su|"), ["submit"]);
    assert_eq!(words("config |"), ["show"]);
    assert_eq!(words("--quiet co|"), ["completion", "config"]);
    assert_eq!(
        words("submit --gpus-per-n|"),
        ["--gpus-per-node"],
        "a flag by its beginning"
    );
    assert!(words("submit |").contains(&"--queue".to_owned()));
    assert!(words("submit -|").contains(&"--quiet".to_owned()));
    assert_eq!(words("submit train|"), [] as [&str; 0]);
    assert_eq!(words("nonsense su|"), [] as [&str; 0]);
    assert_eq!(words("nonsense |"), [] as [&str; 0]);
    assert!(words("completion bash |").contains(&"--quiet".to_owned()));
}

#[test]
fn a_flag_that_was_given_is_offered_again_only_if_it_may_be() {
    for line in ["submit -q x --|", "submit --| -q x", "submit --queue=x --|"] {
        let words = words(line);
        assert!(!words.contains(&"--queue".to_owned()), "{line}");
        assert!(words.contains(&"--namespace".to_owned()), "{line}");
    }
    assert!(words("submit --env A=1 --env|").contains(&"--env".to_owned()));
}

#[test]
fn words_that_are_known() {
    assert_eq!(words("submit -o |"), ["json", "yaml", "name"]);
    assert_eq!(words("submit --dry-run=s|"), ["--dry-run=server"]);
    assert_eq!(words("submit -d=|"), ["-d=client", "-d=server"]);
    assert_eq!(words("submit --ray=f|"), ["--ray=false"]);
    assert_eq!(
        words("submit --gpu-resource |"),
        ["amd.com/gpu", "nvidia.com/gpu"]
    );
    assert_eq!(words("serve -m phi-4|"), ["phi-4", "phi-4-mini-instruct"]);
    assert_eq!(words("models mistralai/|").len(), 3);
    assert_eq!(words("models -o w|"), ["wide"]);
    assert_eq!(
        words("serve --instance-type=Standard_ND96isr_H2|"),
        ["--instance-type=Standard_ND96isr_H200_v5"]
    );
    assert_eq!(words("--color n|"), ["never"]);
    assert_eq!(words("submit --color=al|"), ["--color=always"]);
    assert_eq!(words("config show -o |"), ["json", "yaml"]);
    assert_eq!(words("completion f|"), ["fish"]);
    assert_eq!(words("help e|"), ["exec", "endpoint", "exit-codes"]);
    // The next word is not the value of a flag that wants `=`.
    assert!(words("submit --ray |").contains(&"--queue".to_owned()));
}

#[test]
fn values_that_only_the_cluster_knows() {
    for (text, live) in [
        ("submit -n |", Live::Namespaces),
        ("submit --namespace te|", Live::Namespaces),
        ("submit --namespace=te|", Live::Namespaces),
        ("submit -nte|", Live::Namespaces),
        ("submit -n=te|", Live::Namespaces),
        ("submit -q |", Live::Queues),
        ("submit --priority-class |", Live::PriorityClasses),
        ("submit --context |", Live::Contexts),
        ("submit --name |", Live::Workloads),
        ("submit --image-pull-secret |", Live::Secrets),
        ("submit --imagepullsecret |", Live::Secrets),
        ("submit --service-account |", Live::ServiceAccounts),
    ] {
        assert_eq!(read(text).source, Candidates::Live(live), "{text}");
    }
    let line = read("submit -nte|");
    assert_eq!(line.complete("team").as_deref(), Some("-nteam"));
    assert_eq!(line.complete("other"), None);
    let line = read("submit --context=arn:aws|");
    assert_eq!(
        line.complete("arn:aws:eks").as_deref(),
        Some("--context=arn:aws:eks")
    );
}

#[test]
fn files_and_directories() {
    assert_eq!(read("submit -p |").source, Candidates::Directories);
    assert_eq!(read("config show -p tr|").source, Candidates::Directories);
    assert_eq!(read("submit --env-file=|").source, Candidates::Files);
    assert_eq!(read("submit --kubeconfig |").source, Candidates::Files);
    assert_eq!(read("submit -- python -|").source, Candidates::Files);
    assert_eq!(read("submit -- -n |").source, Candidates::Files);
}

#[test]
fn what_nobody_knows_is_not_guessed() {
    assert_eq!(read("submit -i |").source, Candidates::Nothing);
    assert_eq!(read("submit -g |").source, Candidates::Nothing);
    assert_eq!(read("submit --nonsense=|").head, "");
}

#[test]
fn the_rest_of_the_line_is_read_whatever_it_holds() {
    let line = read(
        "submit -g abc --bad --context=a --as bob --as-group=g -n x -q | --kubeconfig k --as-group h -- --as eve",
    );
    assert_eq!(line.value("context"), Some("a"));
    assert_eq!(line.value("as_user"), Some("bob"));
    assert_eq!(line.values("as_group"), ["g", "h"]);
    assert_eq!(line.value("namespace"), Some("x"));
    assert_eq!(line.value("kubeconfig"), Some("k"));
    assert_eq!(line.value("queue"), None);
    let line = read("submit -vnx -n y --queue |");
    assert_eq!(line.values("namespace"), ["x", "y"]);
}
