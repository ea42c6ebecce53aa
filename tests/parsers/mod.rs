//! Every parser of what others write: whatever it is given, it ends, with a value or
//! with an error of a few lines. The texts in `corpus` are changed at random; a text
//! that was a fault once belongs there.
//!
//! Parsers that only their own file can call have such tests beside them
//! (`kaiwo_client`).

mod upstream;

use std::collections::VecDeque;
use std::fs;
use std::path::Path;

use clap::CommandFactory as _;
use kaiwo::api::workload::Workload;
use kaiwo::api::{Encoded, Reading};
use kaiwo::chat::{Answer, Dialect};
use kaiwo::cli::Cli;
use kaiwo::cluster::client::kubeconfig::Kubeconfig;
use kaiwo::cluster::read::kueue::queues::parse_configuration;
use kaiwo::cluster::read::prometheus::PrometheusChoice;
use kaiwo::completion::{TypedLine, aliases, repair};
use kaiwo::error::Classified;
use kaiwo::kind::WorkloadKind;
use kaiwo::names::check_image;
use kaiwo::observe::gpu_metrics::{self, Sample};
use kaiwo::observe::log::{Cursor, Splitter};
use kaiwo::plan::kaito::annotation::Runtime;
use kaiwo::plan::kaito::inference_config::check_inference_config;
use kaiwo::plan::kaito::training_config::check_training_config;
use kaiwo::plan::kaito::tuning::TuningMethod;
use kaiwo::plan::request::claim::{ClaimMount, Storage};
use kaiwo::plan::request::pod::SecretKey;
use kaiwo::plan::request::schedule::{Schedule, check_time_zone};
use kaiwo::quantity::{ByteSize, Quantity};
use kaiwo::render::{concatenation, go_template, quoting};
use kaiwo::settings::Settings;
use kaiwo::time::Seconds;
use kaiwo::workload::{directory, env_file, serve_config};
use kaiwo::yaml;
use proptest::prelude::*;

use crate::common::mutation::texts;

/// Most bytes of an error: a few lines, whatever was read.
const MOST_TOLD: usize = 4000;

fn told<T, E: std::fmt::Display>(result: Result<T, E>) {
    if let Err(error) = result {
        let error = error.to_string();
        assert!(!error.is_empty() && error.len() < MOST_TOLD, "{error}");
    }
}

fn refused<T, E: Classified>(result: Result<T, E>) {
    if let Err(error) = &result {
        let _ = (error.class(), error.hints(), error.object());
    }
    told(result);
}

macro_rules! words {
    ($text:ident: $($type:ty),*) => { $( told($text.parse::<$type>()); )* };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn kubeconfigs(text in texts(include_str!("corpus/kubeconfig"))) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        fs::write(&file, &text).unwrap();
        let read = Kubeconfig::read(&[file]);
        if let Err(error) = &read {
            let error = error.to_string();
            prop_assert!(error.len() < MOST_TOLD && !error.contains("sekret"), "{}", error);
        }
        if let Ok(read) = read {
            told(read.choose(None));
        }
    }

    #[test]
    fn variables(text in texts(include_str!("corpus/env"))) {
        refused(env_file::parse(Path::new("env"), &text));
    }

    #[test]
    fn settings(text in texts(include_str!("corpus/kaiwoconfig"))) {
        refused(Settings::parse_file(Path::new("kaiwoconfig"), &text));
    }

    #[test]
    fn serving(text in texts(include_str!("corpus/serveconfig"))) {
        refused(serve_config::check(Path::new("serveconfig"), &text));
    }

    #[test]
    fn templates(text in texts(include_str!("corpus/template"))) {
        let _ = go_template::find(&text);
        let candidates = quoting::candidates(&text);
        let _ = quoting::instrument(&text, &candidates, "mark");
        let operands = concatenation::operands(&text);
        let _ = concatenation::instrument(&text, &operands, "mark");
    }

    #[test]
    fn manifests(text in texts(include_str!("corpus/template"))) {
        told(yaml::parse_documents(Path::new("made"), &text));
        let _ = yaml::parse_first(&text);
    }

    #[test]
    fn ignore_files(text in texts(include_str!("corpus/ignore"))) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".kaiwoignore"), &text).unwrap();
        fs::write(folder.path().join("a1.txt"), "").unwrap();
        refused(directory::read(folder.path(), None, directory::DEFAULT_LIMIT));
    }

    #[test]
    fn quantities(text in texts(include_str!("corpus/quantity"))) {
        words!(text: Quantity, ByteSize);
    }

    #[test]
    fn words_of_flags(text in texts(include_str!("corpus/words"))) {
        words!(text: Seconds, ClaimMount, Storage, SecretKey, PrometheusChoice);
        words!(text: kaiwo::plan::request::toleration::Toleration);
        words!(text: kaiwo::plan::request::ingress::IngressHost);
        words!(text: kaiwo::plan::request::autoscale::Scale);
        words!(text: kaiwo::plan::request::min_available::MinAvailable);
        words!(text: kaiwo::plan::request::preload::Preload);
        words!(text: kaiwo::plan::kaito::place::ImageOrClaim);
        words!(text: kaiwo::observe::workload_ref::WorkloadRef);
        words!(text: kaiwo::observe::forward::Forward);
    }

    #[test]
    fn schedules(text in texts(include_str!("corpus/schedule"))) {
        let read = Schedule::new(&text);
        if let Ok((schedule, zone)) = &read {
            // What was taken is taken again, as it is sent.
            let (again, none) = Schedule::new(schedule.as_str()).unwrap();
            prop_assert_eq!((again.as_str(), none), (schedule.as_str(), None));
            refused(check_time_zone(zone.as_deref().unwrap_or_default()));
        }
        refused(read);
    }

    #[test]
    fn images(text in texts(include_str!("corpus/image"))) {
        if let Err(error) = check_image(&text) {
            prop_assert!(!error.reason.is_empty() && error.reason.len() < text.len() + MOST_TOLD);
            if let Some(instead) = error.instead {
                prop_assert_eq!(check_image(&instead), Ok(()));
            }
        }
    }

    #[test]
    fn configurations_of_kueue(text in texts(include_str!("corpus/kueue-configuration"))) {
        if let Some(read) = parse_configuration(&text) {
            if let Some(window) = read.readiness() {
                prop_assert!(window.start > 0 && window.recovery.is_none_or(|it| it > 0));
            }
            let _ = read.counts("amd.com/gpu");
        }
    }

    #[test]
    fn files_of_kaito(
        inference in texts(include_str!("corpus/inference-config")),
        training in texts(include_str!("corpus/training-config")),
        force in any::<bool>(),
    ) {
        let file = Path::new("config.yaml");
        for runtime in [Runtime::Vllm, Runtime::Transformers] {
            refused(check_inference_config(file, &inference, None, runtime, force));
        }
        for method in [TuningMethod::Lora, TuningMethod::Qlora] {
            refused(check_training_config(file, &training, method, force));
        }
    }

    #[test]
    fn unfinished_command_lines(text in texts(include_str!("corpus/command-line")), at in any::<usize>()) {
        let mut command = Cli::command();
        command.build();
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let line = TypedLine::read(&command, &words, at % (words.len() + 2));
        if let Some(word) = words.get(at % (words.len() + 2)) {
            prop_assert_eq!(format!("{}{}", line.head, line.start), word.as_str());
        }
        let _ = (line.named(), line.complete("x"));
        let repaired = repair::repaired(&command, words.clone(), |word| word == "train");
        prop_assert!(repaired.len() >= words.len());
        let _ = aliases::verb(&command, &words);
        let _ = aliases::attached(&command, &words);
        for pair in words.windows(2) {
            let _ = aliases::near(&command, &pair[0]);
            let _ = aliases::flag(&command, &pair[0], Some(&pair[1]));
        }
    }

    #[test]
    fn answers_of_models(lines in proptest::collection::vec(texts(include_str!("corpus/answers")), 1..6)) {
        for dialect in Dialect::ALL {
            let mut answer = Answer::default();
            for line in lines.iter().flat_map(|text| text.lines()) {
                let _ = answer.take(dialect, line);
            }
        }
    }

    #[test]
    fn pages(text in texts(include_str!("corpus/page"))) {
        let page = Encoded::Json(text);
        for kind in WorkloadKind::ALL {
            for reading in [Reading::Strict, Reading::Blank] {
                told(Workload::read_page(kind, "v1", &page, reading));
            }
            if let Ok((strict, _)) = Workload::read_page(kind, "v1", &page, Reading::Strict) {
                let (blank, _) = Workload::read_page(kind, "v1", &page, Reading::Blank).unwrap();
                prop_assert_eq!(strict.len(), blank.len());
            }
        }
    }

    #[test]
    fn measurements(text in texts(include_str!("corpus/metrics"))) {
        if let Ok(answer) = serde_json::from_str::<serde_json::Value>(&text)
            && let Ok(samples) = serde_json::from_value::<Vec<Sample>>(answer["data"]["result"].clone())
        {
            let _ = gpu_metrics::by_pod(&[samples.clone(), samples.clone(), samples]);
        }
    }

    #[test]
    fn logs(text in texts(include_str!("corpus/log")), at in any::<usize>()) {
        let bytes = text.as_bytes();
        let (before, after) = bytes.split_at(at % (bytes.len() + 1));
        let (mut splitter, mut lines) = (Splitter::default(), VecDeque::new());
        splitter.push(before, &mut lines);
        splitter.push(after, &mut lines);
        lines.extend(splitter.rest());
        let mut cursor = Cursor::default();
        let taken = lines.iter().filter(|line| cursor.take(line)).count();
        prop_assert!(taken <= lines.len());
    }
}
