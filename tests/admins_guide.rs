//! `cluster-admins`, as far as it can be checked without a cluster: that its
//! README, manifests, rules and dashboard agree with each other and with what
//! kaiwo does. `testbed::queues` has the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use kaiwo::api::kueue_configuration::KueueConfiguration;
use kaiwo::plan::readiness;
use serde::Deserialize;
use serde_json::Value;

use crate::common::{Sandbox, checkout};

fn read(relative: &str) -> String {
    std::fs::read_to_string(checkout(relative))
        .unwrap_or_else(|error| panic!("{relative}: {error}"))
}

fn documents(relative: &str) -> Vec<Value> {
    kaiwo::yaml::parse_documents(Path::new(relative), &read(relative)).unwrap()
}

/// Returns the blocks of a Markdown file that are to be typed into a shell.
pub fn shell_blocks(markdown: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in markdown.lines() {
        match (&mut block, line) {
            (None, "```bash") => block = Some(String::new()),
            (Some(_), "```") => blocks.extend(block.take()),
            (Some(text), line) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, _) => {}
        }
    }
    assert_eq!(block, None, "a block is not closed");
    blocks
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(files_below(&path)),
            false => files.push(path),
        }
    }
    files.sort();
    files
}

#[test]
fn the_guide_has_the_versions_that_the_tests_run() {
    let guide = read("cluster-admins/README.md");
    for (name, folder, module) in [
        ("Kueue", "kueue", "sigs.k8s.io/kueue"),
        (
            "KubeRay",
            "kuberay",
            "github.com/ray-project/kuberay/ray-operator",
        ),
    ] {
        let pinned = read(&format!("testbed/{folder}/go.mod"));
        let mut pinned = pinned.lines().map(str::trim);
        let version = pinned
            .find_map(|line| line.strip_prefix(module)?.strip_prefix(" v"))
            .and_then(|rest| rest.split(' ').next())
            .unwrap();
        let row = format!("| {name} | {version} |");
        assert!(guide.contains(&row), "no {row}");
        let testbed = read("testbed/README.md");
        let row = testbed
            .lines()
            .find(|line| line.starts_with(&format!("| `{folder}` |")));
        let row = row.unwrap_or_default();
        assert!(row.ends_with(&format!("| {version} |")), "{row}");
        if name == "Kueue" {
            let values = read("cluster-admins/kueue/values.yaml");
            let install = format!("--version {version} --namespace kueue-system");
            for text in [&guide, &values] {
                assert!(text.contains(&install), "no {install}");
            }
        }
    }
}

#[test]
fn kueue_gives_services_the_time_that_their_probes_do() {
    let [values] = documents("cluster-admins/kueue/values.yaml")
        .try_into()
        .unwrap_or_else(|found| panic!("{found:?}"));
    let text = values["managerConfig"]["controllerManagerConfigYaml"].as_str();
    let configuration: KueueConfiguration =
        serde_json::from_value(kaiwo::yaml::parse_first(text.unwrap()).unwrap()).unwrap();
    let window = configuration.readiness().unwrap();
    let sandbox = Sandbox::new();
    let serve = [
        "serve",
        "-i",
        "x",
        "-g",
        "1",
        "--port",
        "80",
        "-q",
        "kaiwo",
        "--dry-run=client",
    ];
    let served = sandbox.kaiwo(&serve).exits(0).documents();
    let allowed = served.iter().filter_map(readiness::startup_seconds).max();
    let allowed = allowed.expect("a service has a startup probe");
    assert_eq!(readiness::warning(allowed, window), None);
}

#[test]
fn a_shell_understands_every_command() {
    for guide in ["cluster-admins/README.md", "docs/install.md"] {
        let blocks = shell_blocks(&read(guide));
        assert!(blocks.len() > 3, "{guide}");
        for block in blocks {
            let outcome = Command::new("bash")
                .args(["-n", "-c", &block])
                .output()
                .unwrap();
            assert!(
                outcome.status.success(),
                "{guide}:\n{block}\n{}",
                String::from_utf8_lossy(&outcome.stderr)
            );
        }
    }
}

#[test]
fn the_guide_names_every_file_and_no_other() {
    let guide = read("cluster-admins/README.md");
    let root = checkout("");
    for file in files_below(&checkout("cluster-admins")) {
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap();
        assert!(
            name.ends_with("README.md")
                || guide.contains(name.trim_start_matches("cluster-admins/")),
            "the guide does not mention {name}"
        );
    }
    let words = guide.split(|c: char| c.is_whitespace() || "`()'\"=,".contains(c));
    for path in words.filter(|word| word.starts_with("cluster-admins/")) {
        assert!(checkout(path).exists(), "{path} is not there");
    }
}

#[test]
fn the_guide_installs_what_the_tests_run_against() {
    let guide = read("cluster-admins/README.md");
    for (component, module, chart) in [
        ("kueue", "sigs.k8s.io/kueue v", "--version "),
        (
            "kuberay",
            "github.com/ray-project/kuberay/ray-operator v",
            "--version ",
        ),
    ] {
        let pins = read(&format!("testbed/{component}/go.mod"));
        let version = pins
            .lines()
            .find_map(|line| {
                line.trim()
                    .trim_start_matches("require ")
                    .strip_prefix(module)
            })
            .and_then(|rest| rest.split_whitespace().next())
            .unwrap_or_else(|| panic!("{component} is not pinned"));
        assert!(
            guide.contains(&format!("{chart}{version}")),
            "{component} {version}"
        );
        assert!(
            guide.contains(&format!("| {version} |")),
            "{component} {version}"
        );
    }
}

/// The parts of the Prometheus operator's kinds that the manifests use. A field
/// that is not here is a typing error, or one to look up and add.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Monitored<Spec> {
    #[serde(rename = "apiVersion")]
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    #[expect(dead_code, reason = "that it is there is what counts")]
    name: String,
    namespace: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "that nothing else is there is what counts")]
struct ServiceMonitorSpec {
    namespace_selector: NamespaceSelector,
    selector: Selector,
    endpoints: Vec<Endpoint>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "that nothing else is there is what counts")]
struct NamespaceSelector {
    match_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "that nothing else is there is what counts")]
struct Selector {
    match_labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that nothing else is there is what counts")]
struct Endpoint {
    port: String,
    interval: String,
    relabelings: Vec<Relabeling>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Relabeling {
    action: Option<String>,
    regex: Option<String>,
    #[serde(default)]
    source_labels: Vec<String>,
    target_label: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrometheusRuleSpec {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    #[expect(dead_code, reason = "that it is there is what counts")]
    name: String,
    #[expect(dead_code, reason = "that nothing else is there is what counts")]
    interval: Option<String>,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    record: Option<String>,
    alert: Option<String>,
    expr: String,
    #[serde(rename = "for")]
    lasting: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

fn rules() -> Vec<Rule> {
    let [document] = documents("cluster-admins/monitoring/rules.yaml")
        .try_into()
        .unwrap();
    let object: Monitored<PrometheusRuleSpec> = serde_json::from_value(document).unwrap();
    assert_eq!(object.api_version, "monitoring.coreos.com/v1");
    assert_eq!(object.kind, "PrometheusRule");
    assert_eq!(object.metadata.namespace, "monitoring");
    object
        .spec
        .groups
        .into_iter()
        .flat_map(|group| group.rules)
        .collect()
}

/// Returns the names of metrics that kaiwo's rules record and an expression uses.
fn recorded_in(expression: &str) -> BTreeSet<String> {
    expression
        .split(|c: char| !(c.is_ascii_alphanumeric() || "_:".contains(c)))
        .filter(|word| word.starts_with("kaiwo:"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_exporters_say_whose_a_gpu_is_and_their_own_pod_does_not() {
    for vendor in ["amd", "nvidia"] {
        let [document] = documents(&format!("cluster-admins/monitoring/{vendor}.yaml"))
            .try_into()
            .unwrap();
        let monitor: Monitored<ServiceMonitorSpec> = serde_json::from_value(document).unwrap();
        assert_eq!(monitor.kind, "ServiceMonitor");
        let [endpoint] = <[Endpoint; 1]>::try_from(monitor.spec.endpoints)
            .ok()
            .unwrap();
        let [drop, node] = <[Relabeling; 2]>::try_from(endpoint.relabelings)
            .ok()
            .unwrap();
        assert_eq!(drop.action.as_deref(), Some("labeldrop"));
        let dropped = drop.regex.unwrap();
        for label in ["namespace", "pod", "container"] {
            assert!(
                dropped.split('|').any(|word| word == label),
                "{vendor}: {label}"
            );
        }
        assert_eq!(node.source_labels, ["__meta_kubernetes_pod_node_name"]);
        assert_eq!(node.target_label.as_deref(), Some("node"));
    }
}

#[test]
fn rules_use_only_what_rules_record() {
    let rules = rules();
    let recorded: BTreeSet<String> = rules
        .iter()
        .filter_map(|rule| rule.record.clone())
        .collect();
    let tested = read("cluster-admins/monitoring/rules_test.yaml");
    for rule in &rules {
        let name = rule.record.as_ref().or(rule.alert.as_ref()).unwrap();
        assert!(
            tested.contains(name.as_str()),
            "rules_test.yaml has no {name}"
        );
        assert!(
            recorded_in(&rule.expr).is_subset(&recorded),
            "{name}: {}",
            rule.expr
        );
        if rule.alert.is_some() {
            assert!(rule.lasting.is_some(), "{name} would fire at once");
            assert!(rule.labels.contains_key("severity"), "{name}");
            assert!(rule.annotations.contains_key("summary"), "{name}");
        }
    }
}

/// kube-state-metrics exports a label under its name with `_` for everything
/// but letters and digits, if it is on the list.
#[test]
fn the_labels_that_kaiwo_sets_are_those_that_the_rules_read() {
    let [values] = documents("cluster-admins/monitoring/values.yaml")
        .try_into()
        .unwrap();
    let [list] = values["kube-state-metrics"]["metricLabelsAllowlist"]
        .as_array()
        .unwrap()
        .as_slice()
    else {
        panic!("another list")
    };
    let list = list.as_str().unwrap();
    let labels = list
        .strip_prefix("pods=[")
        .unwrap()
        .strip_suffix(']')
        .unwrap();
    assert!(read("cluster-admins/monitoring/prometheus.yml").contains(list));

    let sandbox = Sandbox::new();
    let path = checkout("workloads/hello");
    let job = sandbox
        .kaiwo(&[
            "submit",
            "-p",
            path.to_str().unwrap(),
            "-g",
            "1",
            "--dry-run",
            "-o",
            "yaml",
        ])
        .exits(0)
        .document("Job");
    let rules = read("cluster-admins/monitoring/rules.yaml");
    for label in labels.split(',') {
        let set = &job["spec"]["template"]["metadata"]["labels"][label];
        assert!(set.is_string(), "pods have no label {label}");
        let exported: String = label
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        assert!(
            rules.contains(&format!("label_{exported}!=\"\"")),
            "{exported}"
        );
    }
}

fn dashboard() -> Value {
    serde_json::from_str(&read("cluster-admins/monitoring/dashboard.json")).unwrap()
}

/// Returns the dashboard's expressions, with something for its variables.
fn expressions() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            found.push((
                panel["title"].as_str().unwrap().to_owned(),
                expression.to_owned(),
            ));
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if variable["type"] == "query" {
            let query = variable["query"]["query"].as_str().unwrap();
            let (series, _) = query
                .strip_prefix("label_values(")
                .and_then(|rest| rest.rsplit_once(", "))
                .unwrap();
            found.push((
                variable["name"].as_str().unwrap().to_owned(),
                series.to_owned(),
            ));
        }
    }
    for (_, expression) in &mut found {
        for variable in ["namespace", "user", "workload"] {
            *expression = expression.replace(&format!("${variable}"), ".*");
        }
        assert!(!expression.contains('$'), "{expression}");
    }
    found
}

#[test]
fn the_dashboard_shows_what_the_rules_record() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels
        .iter()
        .map(|panel| panel["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids.len(), panels.len(), "ids are not unique");
    let mut taken = BTreeSet::new();
    for panel in panels {
        let side = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(side("x") + side("w") <= 24, "{}", panel["title"]);
        for x in side("x")..side("x") + side("w") {
            for y in side("y")..side("y") + side("h") {
                assert!(taken.insert((x, y)), "{} lies on another", panel["title"]);
            }
        }
    }
    let recorded: BTreeSet<String> = rules().into_iter().filter_map(|rule| rule.record).collect();
    let mut shown = BTreeSet::new();
    for (title, expression) in expressions() {
        let used = recorded_in(&expression);
        assert!(
            !used.is_empty() || expression.contains("kueue_"),
            "{title}: {expression}"
        );
        assert!(used.is_subset(&recorded), "{title}: {expression}");
        shown.extend(used);
    }
    let per_workload: Vec<&String> = recorded
        .iter()
        .filter(|name| name.starts_with("kaiwo:workload_") && !name.ends_with(":max"))
        .collect();
    for name in per_workload {
        assert!(shown.contains(name), "{name} is not shown");
    }
}

/// Asks Prometheus' own tool, where there is one: `promtool` on the PATH.
#[test]
fn prometheus_understands_rules_configuration_and_dashboard() {
    let promtool = |directory: &Path, arguments: &[&str]| {
        Command::new("promtool")
            .args(arguments)
            .current_dir(directory)
            .output()
    };
    let sandbox = Sandbox::new();
    // As the first lines of rules.yaml say.
    let rules = Command::new("sed")
        .arg("1,/^spec:/d; s/^  //")
        .arg(checkout("cluster-admins/monitoring/rules.yaml"))
        .output()
        .unwrap();
    let file = sandbox.write("kaiwo.rules.yml", &rules.stdout);
    let plain =
        kaiwo::yaml::parse_documents(&file, &String::from_utf8(rules.stdout).unwrap()).unwrap();
    let [object] = documents("cluster-admins/monitoring/rules.yaml")
        .try_into()
        .unwrap();
    assert_eq!(plain, [object["spec"].clone()]);

    let shown: Vec<Value> = expressions()
        .iter()
        .enumerate()
        .map(|(number, (_, expression))| {
            serde_json::json!({"record": format!("panel{number}"), "expr": expression})
        })
        .collect();
    let shown = serde_json::json!({"groups": [{"name": "dashboard", "rules": shown}]});
    sandbox.write("dashboard.yml", shown.to_string());
    for file in ["rules_test.yaml", "prometheus.yml"] {
        sandbox.write(file, read(&format!("cluster-admins/monitoring/{file}")));
    }
    let home = sandbox.path("");
    if promtool(&home, &["--version"]).is_err() {
        crate::testbed::skip("there is no promtool on the PATH, so no PromQL was parsed");
        return;
    }
    for arguments in [
        &[
            "check",
            "rules",
            "--lint=all",
            "--lint-fatal",
            "kaiwo.rules.yml",
        ][..],
        &["check", "rules", "--lint=none", "dashboard.yml"],
        &["test", "rules", "rules_test.yaml"],
        &["check", "config", "--syntax-only", "prometheus.yml"],
    ] {
        let output = promtool(&home, arguments).unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        // As Debian builds it.
        if said.contains("kubernetes_sd_configs not found in type") {
            crate::testbed::skip("this promtool knows no pods, so it did not read prometheus.yml");
            continue;
        }
        assert!(output.status.success(), "promtool {arguments:?}\n{said}");
    }
}
