//! What the guide gives to Prometheus and Grafana.

use super::*;

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
