use super::*;
use crate::error::Classified;

fn file(name: &str) -> Origin {
    match name {
        "kaiwoconfig" => Origin::Project(PathBuf::from(name)),
        _ => Origin::User(PathBuf::from(name)),
    }
}

fn from(text: &str) -> Settings {
    Settings::parse_file(Path::new("kaiwoconfig"), text).unwrap()
}

#[test]
fn the_first_source_that_speaks_wins() {
    let merged = Merged::merge([
        (Origin::Flag, from("gpus: 16\nqueue: typed")),
        (Origin::Variable("KAIWO_QUEUE"), from("queue: variable")),
        (
            file("kaiwoconfig"),
            from("namespace: project\nqueue: project\ndryRun: none"),
        ),
        (file("config.yaml"), from("namespace: user\nuser: alice")),
    ]);
    assert_eq!(*merged.queue.unwrap().value, *"typed");
    assert_eq!(
        merged.namespace.unwrap(),
        Sourced {
            value: "project".parse().unwrap(),
            origin: file("kaiwoconfig")
        }
    );
    assert_eq!(merged.user.unwrap().origin, file("config.yaml"));
}

#[test]
fn a_typed_total_is_not_reshaped_by_a_file() {
    let merged = Merged::merge([
        (Origin::Flag, from("gpus: 8")),
        (
            file("kaiwoconfig"),
            from("requestedReplicas: 4\nrequestedGPUsPerReplica: 4"),
        ),
    ]);
    assert_eq!(merged.gpus.unwrap().value, 8);
    assert_eq!((merged.replicas, merged.gpus_per_replica), (None, None));
}

#[test]
fn a_typed_shape_sets_the_total_of_a_file_aside() {
    let merged = Merged::merge([
        (Origin::Flag, from("replicas: 2\ngpusPerReplica: 4")),
        (file("kaiwoconfig"), from("gpus: 16")),
    ]);
    assert_eq!(merged.gpus, None);
}

#[test]
fn a_lone_typed_count_completes_the_total_of_a_file() {
    let merged = Merged::merge([
        (Origin::Flag, from("replicas: 2")),
        (file("kaiwoconfig"), from("gpus: 16\nreplicas: 4")),
    ]);
    assert_eq!(merged.gpus.unwrap().value, 16);
    assert_eq!(merged.replicas.unwrap().value, 2);
}

#[test]
fn variables_complete_one_another() {
    let set = |name: &str| match name {
        "KAIWO_GPUS" => Some("16".to_owned()),
        "KAIWO_REPLICAS" => Some("4".to_owned()),
        _ => None,
    };
    let merged = Merged::merge(Settings::from_variables(set).unwrap());
    assert_eq!(merged.gpus.unwrap().value, 16);
    assert_eq!(merged.replicas.unwrap().value, 4);
}

#[test]
fn pairs_merge_key_by_key_and_lists_do_not() {
    let merged = Merged::merge([
        (Origin::Flag, from("label: {team: typed}\nvolume: [a:/a]")),
        (
            file("kaiwoconfig"),
            from("label: {team: file, tier: gold}\nvolume: [b:/b, c:/c]\ntoleration: gpu"),
        ),
    ]);
    assert_eq!(merged.label["team"].value.expose(), "typed");
    assert_eq!(
        merged.label["tier"],
        Sourced {
            value: "gold".to_owned().into(),
            origin: file("kaiwoconfig")
        }
    );
    assert_eq!(merged.volume.unwrap().value.0.len(), 1);
    assert_eq!(merged.toleration.unwrap().value.0[0].key, "gpu");
}

#[test]
fn pairs_and_lists_fit_into_a_variable() {
    for text in ["A=1,B=x=y", "{A: 1, B: \"x=y\"}"] {
        let pairs: Pairs = text.parse().unwrap();
        assert_eq!(
            pairs.0,
            BTreeMap::from(
                [("A", "1"), ("B", "x=y")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned().into()))
            ),
            "{text}"
        );
    }
    assert!("A".parse::<Pairs>().is_err());
    assert_eq!(
        "a:/a, b:/b:ro".parse::<List<ClaimMount>>().unwrap().0.len(),
        2
    );
    assert!("a:/a,b".parse::<List<ClaimMount>>().is_err());
}

#[test]
fn mistakes_name_their_place_and_the_likely_word() {
    let error =
        Settings::parse_file(Path::new("dir/kaiwoconfig"), "gpus: 1\nqueeu: x\n").unwrap_err();
    assert_eq!(error.object().unwrap(), "dir/kaiwoconfig:2");
    assert_eq!(error.hints(), ["did you mean `queue`?"]);

    let error =
        Settings::from_variables(|name| (name == "KAIWO_RAY").then(|| "maybe".into())).unwrap_err();
    assert!(
        error.to_string() == "KAIWO_RAY: expected true or false",
        "{error}"
    );

    let error = Settings::parse_file(Path::new("kaiwoconfig"), "gpus: 1\ngpus: 2\n").unwrap_err();
    assert_eq!(error.object().unwrap(), "kaiwoconfig:2");
}
