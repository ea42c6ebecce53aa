//! `cargo xtask test`: every layer of tests, cheapest first.

mod report;
mod run;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Error, Result, anyhow, bail};
use clap::Args;

use report::{End, Notes, Report, say};
use run::tests;

use crate::faults::Faults;
use crate::testbed::{Controller, NoRealNode, NoToolchain, Options, Platform, Testbed};

/// Name of the testbed that the tests have for themselves.
const TESTBED: &str = "test";
/// Name of the testbed with a real node. It is another, because tests that pretend to be nodes, or let pods run
/// anywhere, have no place beside one.
const REAL_NODE: &str = "test-node";
/// What `tests/testbed/kueue_settings.rs` needs of Kueue.
const STRICT: [(&str, &str); 2] = [
    ("waitForPodsReady.recoveryTimeout", "1m"),
    ("featureGates.ElasticJobsViaWorkloadSlices", "false"),
];
/// Tests on a testbed at once: they mostly wait for its controllers.
const ON_TESTBED: &str = "--test-threads=4";
/// Tests on the real node at once: their pods share the machine with it.
const ON_REAL_NODE: &str = "--test-threads=4";
/// Tests without a cluster at once: most of their time they wait for what they scripted.
const MOSTLY_WAITING: &str = "--test-threads=8";
/// Whether failed tests keep their namespaces.
const KEEP: &str = "KAIWO_TESTBED_KEEP";

/// Run all tests, cheapest layers first.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Leave out the layer that needs the testbed
    #[arg(long, conflicts_with = "require_testbed")]
    no_testbed: bool,
    /// Fail where there is nothing to build the testbed with, instead of
    /// leaving it out
    #[arg(long)]
    require_testbed: bool,
    /// Run the layer on a real node, too: needs root, see `cargo xtask testbed
    /// check`
    #[arg(long)]
    real_node: bool,
    /// Likewise, and fail where this machine allows no real node
    #[arg(long)]
    require_real_node: bool,
    /// Run only layers whose name contains this, such as "packages"
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,
    /// Leave the testbed running afterwards, with the namespaces of failed
    /// tests, for a look at them
    #[arg(long)]
    keep_testbed: bool,
    /// Run besides what CI has no time for: `why` where Kueue gives its finer
    /// reasons, a second cluster, further kinds that Kueue queues, and the layer
    /// on a real node, with a second one and PyTorch
    #[arg(long, conflicts_with = "no_testbed")]
    all: bool,
    /// Which Kueue the testbed has; on the previous one only its layer runs
    #[arg(long, value_enum, default_value_t, conflicts_with = "no_testbed")]
    platform: Platform,
    /// Run besides what KAITO's own controller does, by this binary; see
    /// `cargo xtask testbed up --help`
    #[arg(long, value_name = "BINARY", conflicts_with = "no_testbed")]
    kaito: Option<PathBuf>,
}

impl TestArgs {
    fn wants_real_node(&self) -> bool {
        self.real_node || self.require_real_node || self.all
    }
}

/// Layers of their own target: name, and the arguments that select it.
const TARGETS: [(&str, &[&str]); 3] = [
    ("unit and property tests", &["--lib"]),
    ("the client alone", &["--test", "client"]),
    ("unit tests of xtask", &["--bin", "xtask"]),
];

/// Layers that are modules of the integration tests.
const MODULES: [(&str, &str); 14] = [
    ("structure of the code", "architecture::"),
    ("documents about the code", "documents::"),
    ("dependencies", "dependencies::"),
    ("workflows of CI", "workflows::"),
    ("examples", "examples::"),
    ("golden manifests", "golden::"),
    ("the admin's guide", "admins_guide::"),
    ("JSON, against its schemas", "json_schemas::"),
    ("hostile values", "hostile::"),
    ("canaries in every position", "canaries::"),
    ("command line", "cli::"),
    ("scripted API server", "mock_api::"),
    ("credentials, beside kubectl", "credentials::"),
    ("schemas, beside the operators'", "upstream::"),
];

/// Runs the layers, and fails if one has failed.
pub fn run(args: &TestArgs) -> Result<()> {
    // Before anything else: who comes second must not learn of it after minutes,
    // or end the testbed of the first.
    let _claim = match args.no_testbed {
        true => None,
        false => Some(Testbed::claim(TESTBED, "test").map_err(|error| {
            anyhow!("{error:#}\nhelp: leave the testbed out: cargo xtask test --no-testbed")
        })?),
    };
    let _node = match args.wants_real_node() {
        true => Some(Testbed::claim(REAL_NODE, "test")?),
        false => None,
    };
    let mut report = Report::new(args.only.clone());
    let compiled = report.layer("compiling", |_| {
        // The whole workspace at once everywhere, so that all layers share
        // one set of features and nothing is compiled twice.
        let compiled = cargo(&["test", "--workspace", "--no-run"])
            .status()
            .context("cannot run cargo")?;
        match compiled.success() {
            true => Ok(End::Done),
            false => bail!("the tests do not compile"),
        }
    });
    if compiled {
        layers(args, &mut report);
    }
    std::io::stderr().write_all(report.table().as_bytes())?;
    report.verdict()
}

/// Runs the layers of tests, whether or not one before has failed.
fn layers(args: &TestArgs, report: &mut Report) {
    match args.platform {
        Platform::Current => without_cluster(report),
        Platform::Previous => {}
    }
    let options = Options {
        name: TESTBED.to_owned(),
        platform: args.platform,
        ..Options::default()
    };
    report.layer("testbed", |notes| match args.no_testbed {
        true => Ok(End::LeftOut("--no-testbed".to_owned())),
        false => on_testbed(args, &options, "testbed::", notes),
    });
    report.layer("faults", |_| match args.no_testbed {
        true => Ok(End::LeftOut("--no-testbed".to_owned())),
        false => faults(args),
    });
    if args.all {
        let explaining = Options {
            explain: true,
            ..options
        };
        report.layer("testbed, reasons told", |notes| {
            let end = on_testbed(args, &explaining, "testbed::why::", notes);
            end_testbed(args, end)
        });
        let strict = Options {
            name: TESTBED.to_owned(),
            platform: args.platform,
            kueue: STRICT
                .map(|(field, value)| (field.to_owned(), value.to_owned()))
                .into(),
            ..Options::default()
        };
        report.layer("testbed, Kueue set otherwise", |notes| {
            let end = on_testbed(args, &strict, "testbed::kueue_settings::", notes);
            end_testbed(args, end)
        });
        let with_worker = Options {
            name: TESTBED.to_owned(),
            platform: args.platform,
            multikueue: true,
            ..Options::default()
        };
        report.layer("testbed, a second cluster", |skipped| {
            let end = on_testbed(args, &with_worker, "testbed::multikueue::", skipped);
            end_testbed(args, end)
        });
        let with_controllers = Options {
            name: TESTBED.to_owned(),
            platform: args.platform,
            with: Controller::ALL.to_vec(),
            ..Options::default()
        };
        report.layer("testbed, further kinds", |skipped| {
            let end = on_testbed(args, &with_controllers, "testbed::any_kind::", skipped);
            end_testbed(args, end)
        });
    }
    if let Some(kaito) = &args.kaito {
        let with_kaito = Options {
            name: TESTBED.to_owned(),
            kaito: Some(kaito.clone()),
            ..Options::default()
        };
        report.layer("KAITO's own controller", |notes| {
            on_testbed(args, &with_kaito, "testbed::kaito_controller::", notes)
        });
    }
    report.layer("real node", |notes| match args.wants_real_node() {
        true => on_real_node(args, notes),
        false => Ok(End::LeftOut("not asked for: --real-node".to_owned())),
    });
}

/// Runs the layers that ask no control plane.
fn without_cluster(report: &mut Report) {
    for (name, target) in TARGETS {
        let mut command = cargo(&["test", "--workspace"]);
        command.args(target);
        report.layer(name, |notes| tests(command, notes));
    }
    for (name, module) in MODULES {
        let mut command = cargo(&["test", "--workspace", "--test", "it", "--", module]);
        command.arg(MOSTLY_WAITING);
        report.layer(name, |notes| tests(command, notes));
    }
    let mut rest = cargo(&["test", "--workspace", "--test", "it", "--"]);
    for (_, module) in MODULES {
        rest.args(["--skip", module]);
    }
    report.layer("the tests' own tools", |notes| tests(rest, notes));
    report.layer("packages", |notes| {
        // Compiled with the tests, which run it.
        let executable = crate::cargo::target_directory()?.join("debug/kaiwo");
        crate::dist::packages(&executable, &mut notes.skipped).map(End::Passed)
    });
}

/// Runs the tests of what pods really do, on a testbed with a real node, and
/// looks whether that leaves anything.
fn on_real_node(args: &TestArgs, notes: &mut Notes) -> Result<End> {
    Testbed::down(REAL_NODE)?;
    let before = Testbed::traces(REAL_NODE)?;
    let options = Options {
        name: REAL_NODE.to_owned(),
        real_node: if args.all { 2 } else { 1 },
        torch: args.all,
        multikueue: args.all,
        amd_nodes: 1,
        nvidia_nodes: 0,
        small_nodes: 0,
        ..Options::default()
    };
    let testbed = match Testbed::up(&options) {
        Ok(testbed) => testbed,
        Err(error) => return without_real_node(error, args.require_real_node),
    };
    let mut command = cargo(&["test", "--workspace", "--test", "it", "--"]);
    command.args(["--ignored", "--nocapture", ON_REAL_NODE, "real_node::"]);
    testbed.point(&mut command);
    command.env(KEEP, args.keep_testbed.to_string());
    command.env("KAIWO_TESTBED_LONG", args.all.to_string());
    let end = tests(command, notes);
    if args.keep_testbed {
        say_kept(REAL_NODE);
        return end;
    }
    let down = Testbed::down(REAL_NODE).and_then(|()| {
        let after = Testbed::traces(REAL_NODE)?;
        let left: Vec<&String> = after.difference(&before).collect();
        match left.is_empty() {
            true => Ok(()),
            false => bail!("the real node has left on this machine: {left:#?}"),
        }
    });
    both(end, down)
}

/// Tells what it means that the testbed with a real node did not start.
fn without_real_node(error: Error, required: bool) -> Result<End> {
    match error.downcast_ref::<NoRealNode>() {
        Some(missing) if !required => Ok(End::LeftOut(missing.to_string())),
        _ => without_testbed(error, required),
    }
}

/// Runs the tests that need a control plane, on one of their own.
fn on_testbed(
    args: &TestArgs,
    options: &Options,
    tests_of: &str,
    notes: &mut Notes,
) -> Result<End> {
    // One that an earlier run has kept may be of another kind.
    Testbed::down_unless(options)?;
    let testbed = match Testbed::up(options) {
        Ok(testbed) => testbed,
        Err(error) => return without_testbed(error, args.require_testbed),
    };
    for skip in testbed.skips() {
        say(&format!(
            "this testbed has no {}: {}",
            skip.word(),
            skip.meaning()
        ));
    }
    let mut command = cargo(&["test", "--workspace", "--test", "it", "--"]);
    command.args(["--ignored", "--nocapture", ON_TESTBED, tests_of]);
    testbed.point(&mut command);
    command.env(KEEP, args.keep_testbed.to_string());
    tests(command, notes)
}

/// Runs a small part of `cargo xtask faults` where the tests ran, and ends that testbed.
fn faults(args: &TestArgs) -> Result<End> {
    let Some(testbed) = Testbed::find(TESTBED)? else {
        return Ok(End::LeftOut("there is no testbed".to_owned()));
    };
    let end = Faults::slice(&testbed, TESTBED).map(End::Passed);
    end_testbed(args, end)
}

/// Ends the tests' testbed, unless it is to stay.
fn end_testbed(args: &TestArgs, end: Result<End>) -> Result<End> {
    if args.keep_testbed {
        say_kept(TESTBED);
        return end;
    }
    both(end, Testbed::down(TESTBED))
}

/// Returns how the tests ended, unless only what came after them failed.
fn both(end: Result<End>, down: Result<()>) -> Result<End> {
    match (end, down) {
        (end, Ok(())) => end,
        (Ok(_), Err(down)) => Err(down),
        (Err(tests), Err(down)) => Err(anyhow!("{tests:#}; then, besides: {down:#}")),
    }
}

fn say_kept(testbed: &str) {
    say(&format!(
        "the testbed stays up: eval \"$(cargo xtask testbed env --name {testbed})\""
    ));
}

/// Tells what it means that the testbed did not start. Only a machine that
/// cannot build one is excused: a testbed that is broken must not look like
/// one that is not there.
fn without_testbed(error: Error, required: bool) -> Result<End> {
    match error.downcast_ref::<NoToolchain>() {
        Some(missing) if !required => Ok(End::LeftOut(missing.to_string())),
        _ => Err(error.context("the testbed did not start")),
    }
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = crate::cargo::cargo();
    command.args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_missing_toolchain_excuses_from_the_testbed() {
        let missing = || Error::new(NoToolchain).context("cannot build etcd");
        assert_eq!(
            without_testbed(missing(), false).unwrap(),
            End::LeftOut(NoToolchain.to_string())
        );
        assert!(without_testbed(missing(), true).is_err());
        let broken = without_testbed(anyhow!("etcd ended with 1"), false).unwrap_err();
        assert_eq!(
            format!("{broken:#}"),
            "the testbed did not start: etcd ended with 1"
        );
    }

    #[test]
    fn a_machine_may_forbid_a_real_node_unless_it_is_required() {
        let forbidden = || Error::new(NoRealNode::because("a real node needs root"));
        assert_eq!(
            without_real_node(forbidden(), false).unwrap(),
            End::LeftOut("a real node needs root".to_owned())
        );
        assert!(without_real_node(forbidden(), true).is_err());
        assert!(without_real_node(anyhow!("the kubelet ended"), false).is_err());
    }
}
