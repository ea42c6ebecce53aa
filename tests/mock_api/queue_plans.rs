//! What kaiwo plans for a queue, where the cluster or the user's own template have
//! a say in it.

use serde_json::{Value, json};

use super::server::{Answer, MockApi, Request, cluster_queue, list};

/// A cluster whose admission puts every Job into queue `team`, which has 16 GPUs;
/// queue `kaiwo` may be gone.
fn puts_into_team(has_kaiwo: bool) -> impl FnMut(&Request) -> Option<Answer> {
    move |request| {
        let named =
            |name: &str| json!({"metadata": {"name": name}, "spec": {"clusterQueue": name}});
        let path = request.path.as_str();
        if request.method == "GET" && path.ends_with("/localqueues") {
            let kaiwo = has_kaiwo.then(|| named("kaiwo"));
            let queues: Vec<Value> = kaiwo.into_iter().chain([named("team")]).collect();
            return Some(Answer::Json(200, list(&queues)));
        }
        if request.method == "GET" && path.ends_with("/clusterqueues") {
            let (kaiwo, mut team) = (cluster_queue(), cluster_queue());
            team["metadata"]["name"] = "team".into();
            team["spec"]["resourceGroups"][0]["flavors"][0]["resources"][2]["nominalQuota"] =
                "16".into();
            return Some(Answer::Json(200, list(&[kaiwo, team])));
        }
        if request.method == "POST" && path.ends_with("/localqueues") {
            return Some(Answer::Refuse(403, "you cannot create localqueues"));
        }
        (request.method == "POST" && path.ends_with("/jobs")).then(|| {
            let mut answer = request.body.clone();
            answer["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = "team".into();
            answer["metadata"]["uid"] = "uid-of-Job".into();
            answer["spec"]["suspend"] = true.into();
            Answer::Json(201, answer)
        })
    }
}

#[test]
fn a_queue_that_admission_changes_is_followed() {
    // Not even the right to make the LocalQueue that is not needed is asked for.
    for has_kaiwo in [true, false] {
        let api = MockApi::new(puts_into_team(has_kaiwo));
        let outcome = api.submit(&["-g", "16", "-o", "json"]).exits(0);
        let told = &outcome.stderr;
        let (before, after) = told
            .split_once("this cluster moves it to queue team, although it was submitted to kaiwo")
            .unwrap_or_else(|| panic!("{told}"));
        assert!(
            before.contains("queue kaiwo") && before.contains("32 of 32 free"),
            "{told}"
        );
        assert!(
            after.contains("queue team") && after.contains("16 of 16 free"),
            "{told}"
        );
        let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(report["queue"], "team");
        let jobs = api.requests().into_iter();
        let mut jobs = jobs.filter(|request| request.is_write() && request.body["kind"] == "Job");
        let created = jobs.next().unwrap().body;
        assert_eq!(
            created["metadata"]["labels"]["kueue.x-k8s.io/queue-name"],
            "team"
        );
        assert!(!api.writes().iter().any(|line| line.contains("localqueues")));
        assert_eq!(jobs.next().map(|request| request.line()), None);
    }
    // What that queue never gives is refused, with who chose it.
    let api = MockApi::new(puts_into_team(true));
    let outcome = api.submit(&["-g", "24"]).exits(3);
    for words in [
        "ClusterQueue \"team\" provides at most 16",
        "changes the queue kaiwo to team",
    ] {
        assert!(
            outcome.stderr.contains(words),
            "no {words:?} in {outcome:?}"
        );
    }
    assert!(api.writes().is_empty(), "{:?}", api.writes());
}

#[test]
fn kueue_that_waits_for_less_long_than_a_model_may_load_is_told() {
    let told = |configuration: Option<&str>| {
        let configuration = configuration.map(str::to_owned);
        let api = MockApi::new(move |request| {
            if request.path.ends_with("/configmaps/kueue-manager-config") {
                let text = configuration.clone()?;
                let data = json!({"controller_manager_config.yaml": text});
                return Some(Answer::Json(200, json!({"data": data})));
            }
            (request.method == "POST" && request.path.ends_with("/deployments")).then(|| {
                let mut answer = request.body.clone();
                answer["metadata"]["uid"] = "uid-of-Deployment".into();
                answer["spec"]["template"]["metadata"]["labels"]["kueue.x-k8s.io/managed"] =
                    "true".into();
                Answer::Json(201, answer)
            })
        });
        let serve = ["-g", "8", "-q", "kaiwo", "--port", "8000"];
        api.serve(&serve).exits(0).stderr
    };
    let short = told(Some("waitForPodsReady: {timeout: 30m}"));
    assert!(
        short.contains(
            "pods that are not ready after 30 min, but the startup probe lets them load for 60 min"
        ),
        "{short}"
    );
    for silent in [
        // Most may not read it.
        told(None),
        told(Some(
            "waitForPodsReady: {timeout: 90m, recoveryTimeout: 75m}",
        )),
    ] {
        assert!(!silent.contains("Kueue evicts"), "{silent}");
    }
}

/// A cluster whose queue has 32 GPUs and so many thousandths of a CPU.
fn with_cpus(thousandths: i64) -> MockApi {
    MockApi::new(move |request| {
        (request.method == "GET" && request.path.ends_with("/clusterqueues")).then(|| {
            let mut queue = cluster_queue();
            queue["spec"]["resourceGroups"][0]["flavors"][0]["resources"][0]["nominalQuota"] =
                format!("{thousandths}m").into();
            Answer::Json(200, list(&[queue]))
        })
    })
}

#[test]
fn a_template_of_ones_own_is_counted_as_kueue_counts_it() {
    // Two workers of 32 CPUs, the head of 2, and the submitter.
    let needed = 66_500;
    let of_ours = |thousandths: i64| {
        let api = with_cpus(thousandths);
        let show = api.sandbox.kaiwo(&["template", "show", "rayjob"]).exits(0);
        api.sandbox.write("same.yaml.tera", &show.stdout);
        let is_off = "enableInTreeAutoscaling: {{ Scheduling.MinReplicas is not none }}";
        assert!(show.stdout.contains(is_off), "{}", show.stdout);
        let scaled = show.stdout.replace(is_off, "enableInTreeAutoscaling: true");
        api.sandbox.write("scaled.yaml.tera", scaled);
        let submit = |template: &[&str]| {
            // Sizes that are stated stay, however little there is.
            let sizes = ["--cpus-per-gpu=4", "--head-cpus=2"];
            let ray = ["-g", "16", "--ray", "--dry-run=server"];
            let outcome = api.submit(&[&ray[..], &sizes, template].concat());
            let forecast = outcome.stderr.lines().find(|line| line.contains("16 GPUs"));
            (outcome.code, forecast.map(str::to_owned))
        };
        [
            submit(&[]),
            submit(&["--template", "same.yaml.tera"]),
            submit(&["--template", "scaled.yaml.tera"]),
        ]
    };
    let [built_in, same, scaled] = of_ours(needed);
    assert_eq!(built_in.0, 0);
    assert!(built_in.1.is_some());
    assert_eq!(built_in, same);
    assert_eq!(scaled.0, 3, "the autoscaler beside the head counts");
    let [built_in, same, _] = of_ours(needed - 1);
    assert_eq!((built_in.0, same.0), (3, 3));
    let [_, _, scaled] = of_ours(needed + 500);
    assert_eq!(scaled.0, 0);
}
