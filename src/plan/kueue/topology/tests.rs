//! Which level is meant, and what is refused.

use serde_json::json;

use super::*;
use crate::api::node::Node;
use crate::kind::WorkloadKind;
use crate::plan::testing::{cluster_queue, facts, flavor, request};

fn queue() -> QueueChoice {
    let spec = json!({"resourceGroups": [{
        "coveredResources": ["cpu", "memory", "amd.com/gpu"],
        "flavors": [{"name": "f", "resources": [
            {"name": "cpu", "nominalQuota": 1000},
            {"name": "memory", "nominalQuota": "16Ti"},
            {"name": "amd.com/gpu", "nominalQuota": 64},
        ]}],
    }]});
    QueueChoice {
        local_queue: "q".into(),
        cluster_queue: Some(cluster_queue("q", spec, json!({}))),
        create_for: None,
        resources: vec![],
        obstacle: None,
    }
}

fn wants(text: &str) -> WorkloadRequest {
    let mut request = request(WorkloadKind::Job, 16);
    request.pods.topology = Some(text.parse().unwrap());
    request
}

fn cluster(topology: Option<&str>, topologies: Option<Readable<Vec<Topology>>>) -> ClusterFacts {
    let spec = match topology {
        Some(name) => json!({"topologyName": name}),
        None => json!({}),
    };
    ClusterFacts {
        topologies,
        ..facts(
            queue().cluster_queue.into_iter().collect(),
            vec![flavor("f", spec)],
        )
    }
}

fn known() -> Option<Readable<Vec<Topology>>> {
    let levels = [
        "cloud.example.com/topology-block",
        "example.com/rack",
        "kubernetes.io/hostname",
    ];
    let levels: Vec<_> = levels
        .iter()
        .map(|label| json!({"nodeLabel": label}))
        .collect();
    let topology = json!({"metadata": {"name": "dc"}, "spec": {"levels": levels}});
    Some(Readable::Known(vec![
        serde_json::from_value(topology).unwrap(),
    ]))
}

fn found(text: &str, facts: &ClusterFacts) -> Result<Level, Refusal> {
    let level = of_queue(&wants(text), &queue(), Some("amd.com/gpu"), facts)?;
    Ok(level.expect("a level is asked for"))
}

#[test]
fn a_word_means_the_level_whose_label_ends_with_it() {
    let facts = cluster(Some("dc"), known());
    for (text, label) in [
        ("rack", "example.com/rack"),
        ("block", "cloud.example.com/topology-block"),
        ("topology-block", "cloud.example.com/topology-block"),
        ("node", "kubernetes.io/hostname"),
        ("hostname", "kubernetes.io/hostname"),
        ("example.com/rack:required", "example.com/rack"),
    ] {
        let level = found(text, &facts).unwrap();
        assert_eq!(
            (level.label.as_str(), level.required),
            (label, text.ends_with("required"))
        );
    }
    assert_eq!(word("cloud.example.com/topology-block"), "block");
}

#[test]
fn a_queue_without_the_level_is_refused() {
    let none = found("rack", &cluster(None, known())).unwrap_err();
    assert!(
        none.message
            .contains("no flavor of ClusterQueue \"q\" has a topology"),
        "{none}"
    );
    let shouted = found("RACK:required", &cluster(Some("dc"), known())).unwrap_err();
    assert_eq!(shouted.hints[0], "did you mean --topology rack:required?");
    let wrong = found("rakc", &cluster(Some("dc"), known())).unwrap_err();
    assert_eq!(wrong.hints[0], "did you mean --topology rack?");
    assert!(
        wrong.hints[1]
            == "levels, widest first: block (cloud.example.com/topology-block), rack (example.com/rack), node (kubernetes.io/hostname)",
        "{wrong:?}"
    );
    let mut forced = wants("other.com/rack");
    forced.force = true;
    let level = of_queue(&forced, &queue(), None, &cluster(None, known())).unwrap();
    assert_eq!(level.unwrap().label, "other.com/rack");
}

#[test]
fn where_topologies_may_not_be_read_the_settings_tell() {
    let facts = cluster(Some("dc"), Some(Readable::Forbidden));
    let blind = found("rack", &facts).unwrap_err();
    assert!(
        blind.message.contains("you may not list Topologies"),
        "{blind}"
    );
    assert_eq!(
        found("example.com/rack", &facts).unwrap().label,
        "example.com/rack"
    );
    let mut told = wants("rack");
    told.pods.topology_levels = vec!["x.com/topology-rack".into()];
    let level = of_queue(&told, &queue(), None, &facts).unwrap().unwrap();
    assert_eq!(level.label, "x.com/topology-rack");
    told.pods.topology = Some("block".parse().unwrap());
    let refusal = of_queue(&told, &queue(), None, &facts).unwrap_err();
    assert!(
        refusal.hints[1] == "topologyLevels in your settings: \"x.com/topology-rack\"",
        "{refusal:?}"
    );
    assert_eq!(
        of_queue(&request(WorkloadKind::Job, 8), &queue(), None, &facts),
        Ok(None)
    );
}

#[test]
fn racks_that_are_too_small_are_warned_of() {
    let mut facts = cluster(Some("dc"), known());
    let node = |name: &str, rack: &str| -> Node {
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {
                "cloud.example.com/topology-block": "b", "example.com/rack": rack, "kubernetes.io/hostname": name,
            }},
            "status": {"allocatable": {"cpu": "64", "memory": "512Gi", "amd.com/gpu": "8"}},
        }))
        .unwrap()
    };
    facts.nodes = Some(Readable::Known(vec![
        node("a", "r1"),
        node("b", "r1"),
        node("c", "r2"),
    ]));
    facts.local_queues = Readable::Known(vec![
        serde_json::from_value(json!({"metadata": {"name": "q"}, "spec": {"clusterQueue": "q"}}))
            .unwrap(),
    ]);
    let warned = |text: &str, gpus: i64| {
        let mut request = wants(text);
        request.gpus.total = Some(gpus);
        request.gpus_per_node = Some(8);
        request.queue = Some("q".into());
        let facts = crate::plan::facts::Facts::Live(Box::new(facts.clone()));
        let plan = crate::plan::plan(request, &facts).unwrap();
        plan.topology.unwrap().warning
    };
    assert_eq!(warned("rack:required", 16), None);
    assert_eq!(
        warned("rack:required", 24).unwrap(),
        "no rack holds all 3 pods (the largest, b/r1, holds 2 when it is empty): they will wait until nodes are added; without :required they can be spread, --topology rack"
    );
    assert!(
        warned("rack", 24)
            .unwrap()
            .ends_with("they will be spread over several")
    );
}
