//! An API server with what KAITO leaves in it, one moment after another.

use super::*;

/// KAITO's stand-in: each look at the workload that is asked for sees the next
/// moment, and the last one for ever.
pub(super) struct Life {
    pub(super) api: MockApi,
}

impl Life {
    pub(super) fn of(moments: Vec<Moment>) -> Self {
        Self::from(moments, true)
    }

    pub(super) fn from(moments: Vec<Moment>, is_there: bool) -> Self {
        assert!(!moments.is_empty());
        let state = Arc::new(Mutex::new((0_usize, is_there, false)));
        let api = MockApi::new(move |request| {
            let (at, is_there, deleted) = &mut *state.lock().unwrap();
            answer(request, &moments, at, is_there, deleted)
        });
        Self { api }
    }

    pub(super) fn kaiwo(&self, arguments: &[&str]) -> Outcome {
        self.api.sandbox.kaiwo(arguments)
    }

    /// Returns status and reason, which `list`, `status` and `why` agree on.
    #[track_caller]
    pub(super) fn stands(&self, kind: &str) -> (String, String) {
        let own = format!("{kind}/own");
        let document = |arguments: &[&str]| -> Value {
            let outcome = self.kaiwo(&[arguments, &["-o", "json"]].concat()).exits(0);
            serde_json::from_str(&outcome.stdout).unwrap()
        };
        let listed = document(&["list", "--any"]);
        let listed = &listed["items"].as_array().unwrap().iter();
        let listed = listed
            .clone()
            .find(|item| item["name"] == "own")
            .unwrap()
            .clone();
        let told = [
            listed,
            document(&["status", &own]),
            document(&["why", &own]),
        ];
        let told = told.map(|it| {
            let text = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
            (text("status"), text("reason"))
        });
        let [listed, shown, explained] = told;
        assert_eq!((&listed, &shown.0), (&shown, &explained.0));
        shown
    }
}

fn answer(
    request: &Request,
    moments: &[Moment],
    at: &mut usize,
    is_there: &mut bool,
    deleted: &mut bool,
) -> Option<Answer> {
    if request.query.contains("watch=true") {
        // Whoever watches is told to look again.
        return Some(Answer::Json(200, json!({})));
    }
    let path = request.path.as_str();
    if path == "/apis" {
        let mut served = groups(&["v1beta2"], &["v1"]);
        let kaito = json!({"name": "kaito.sh", "versions": [{"version": "v1beta1"}]});
        served["groups"].as_array_mut().unwrap().push(kaito);
        return Some(Answer::Json(200, served));
    }
    if path == "/apis/kaito.sh/v1beta1" {
        let kind = |name: &str, kind: &str| json!({"name": name, "kind": kind, "namespaced": true});
        let kinds = [
            kind("workspaces", "Workspace"),
            kind("inferencesets", "InferenceSet"),
        ];
        return Some(Answer::Json(200, json!({"resources": kinds})));
    }
    let (_, rest) = path.split_once("/namespaces/kaiwo/")?;
    let (collection, name) = rest.split_once('/').unwrap_or((rest, ""));
    let is_own = matches!(collection, "workspaces" | "inferencesets") && name == "own";
    match request.method.as_str() {
        "POST" if collection != "configmaps" && !request.is_dry_run() => {
            *is_there = true;
            return None;
        }
        "DELETE" if is_own && !request.is_dry_run() => *deleted = true,
        "GET" => {}
        _ => return None,
    }
    let known = [
        "workspaces",
        "inferencesets",
        "pods",
        "events",
        "workloads",
        "configmaps",
    ];
    // What `delete` looks for beside a workload.
    let beside = [
        "ingresses",
        "services",
        "horizontalpodautoscalers",
        "poddisruptionbudgets",
        "persistentvolumeclaims",
    ];
    if beside.contains(&collection) && name.is_empty() {
        return Some(Answer::Json(200, list(&[])));
    }
    if !known.contains(&collection) {
        return None;
    }
    // What is read beside the workload is of the same moment.
    *at += usize::from(is_own && *is_there);
    let moment = match *is_there {
        true => &moments[at.saturating_sub(1).min(moments.len() - 1)],
        false => &Vec::new(),
    };
    let mut there: Vec<Value> = moment
        .iter()
        .filter(|(of, _)| *of == collection)
        .map(|(_, object)| object.clone())
        .collect();
    if *deleted {
        for object in there
            .iter_mut()
            .filter(|object| object["metadata"]["name"] == "own")
        {
            object["metadata"]["deletionTimestamp"] = json!("2026-01-01T01:00:00Z");
        }
    }
    if name.is_empty() {
        let selects = |object: &Value| {
            let labels = object["metadata"]["labels"].as_object();
            let asked = request
                .query
                .split('&')
                .find_map(|it| it.strip_prefix("labelSelector="));
            asked.is_none_or(|asked| {
                let mut labels = labels.into_iter().flatten();
                labels.any(|(_, value)| asked.contains(value.as_str().unwrap_or("none")))
            })
        };
        there.retain(selects);
        return Some(Answer::Json(200, list(&there)));
    }
    let found = there
        .into_iter()
        .find(|object| object["metadata"]["name"] == name);
    Some(match found {
        Some(found) => Answer::Json(200, found),
        None => Answer::Refuse(404, "not found"),
    })
}
