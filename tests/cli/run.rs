//! `kaiwo run` without a cluster: what it refuses, and what it would create.

use crate::common::Sandbox;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("w/train.py", "print()\n");
    sandbox
}

#[test]
fn what_cannot_be_attached_to_is_refused_with_the_command_that_submits_it() {
    let run = |arguments: &[&str]| sandbox().kaiwo(&[&["run", "-d"], arguments].concat());
    _ = run(&["-i", "image", "-g", "16", "-it", "--", "bash"])
        .exits(3)
        .says("attaches to one pod, but this would be 2 pods with 8 GPUs each")
        .says("kaiwo submit --follow -d -i image -g 16 -- bash");
    _ = run(&[
        "-p",
        "w",
        "--replicas",
        "2",
        "--idle=1h",
        "--",
        "env",
        "A=1",
    ])
    .exits(3)
    .says("replicas, from the command line")
    .says("kaiwo submit --follow -d -p w --replicas 2 -- env A=1");
    _ = run(&[
        "w/train.py",
        "-g",
        "2",
        "--ray",
        "--publish",
        "8888",
        "--",
        "--lr=3",
    ])
    .exits(3)
    .says("only starts Jobs, not RayJobs")
    .says("kaiwo submit --follow -p w -d -g 2 --ray -- python train.py --lr=3");
}

#[test]
fn bad_input_is_refused_before_anything_is_created() {
    let run = |arguments: &[&str]| sandbox().kaiwo(&[&["run"], arguments].concat());
    _ = run(&["-d"]).exits(3).says("kaiwo run -p DIR");
    _ = run(&["-d", "-i", "image"])
        .exits(3)
        .says("no command given")
        .says("add -it");
    _ = run(&["-d", "-i", "image", "--", "--lr", "3"])
        .exits(3)
        .says("kaiwo run … -- python main.py \"--lr\"");
    _ = run(&["-d", "-i", "image", "--", ""])
        .exits(3)
        .says("the command after -- is empty");
    _ = run(&["-d", "missing.py"])
        .exits(3)
        .says("missing.py does not exist");
    _ = run(&["-i", "image", "-t", "bash", "--", "-c", "ls"])
        .exits(3)
        .says("bash does not exist")
        .says("kaiwo run -i image -t -- bash -c ls");
    _ = run(&["-d", "-i", "image", "--idle", "0", "--", "x"])
        .exits(3)
        .says("invalid idle time 0s (from the command line): must be at least 10s");
    _ = run(&["-i", "image", "-it", "--", "bash"])
        .exits(2)
        .says("-t needs a terminal, and stdin is not one");
    _ = run(&["--attach", "x", "-g", "1"]).exits(2);
    _ = run(&["w/train.py", "-p", "w"]).exits(2);
}

#[test]
fn a_directory_needs_no_flag_and_a_file_says_only_what_concerns_a_run() {
    let sandbox = sandbox();
    sandbox.write("w/entrypoint", "python train.py\n");
    sandbox.write("w/template", "kind: Job\n");
    let file = "name: nightly\nretries: 3\nttl: 1d\nschedule: 0 3 * * *\nwait: true\n";
    sandbox.write("w/kaiwoconfig", file);
    let outcome = sandbox
        .kaiwo(&["run", "-d", "w", "-i", "image"])
        .exits(0)
        .says("not used: template");
    for words in [
        "kind: Job",
        "name: nightly-",
        "backoffLimit: 0",
        "ttlSecondsAfterFinished: 60",
        "/workload/entrypoint",
    ] {
        assert!(outcome.stdout.contains(words), "{words}: {outcome:?}");
    }
    _ = sandbox
        .kaiwo(&["run", "-d", "w", "-i", "image", "--", "x"])
        .exits(0);
    sandbox.write("w/kaiwoconfig", "ray: true\n");
    _ = sandbox
        .kaiwo(&["run", "-d", "-p", "w", "--", "x"])
        .exits(3)
        .says("ray, from w/kaiwoconfig")
        .says("add --ray=false");
}
