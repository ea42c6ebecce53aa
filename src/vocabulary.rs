//! What kaiwo knows of other programs' words, and what it makes of a word that it
//! does not know. Their releases come and go without kaiwo; so a refusal needs a
//! fact, and what is only believed is a warning that names the release it was
//! read from. `--force` turns refusals of this kind into warnings as well.
//!
//! | whose words | read from | a fact, refused | believed, warned of |
//! | --- | --- | --- | --- |
//! | keys of a `serveconfig` | Ray Serve 2.52, `serve/schema.py` | a slip in a key of that place; a value of another type | any other key; keys of older releases, by name |
//! | enumerations of a `serveconfig` | the same | a slip in one of Ray's values; bounds the wrong way round; more GPUs than a pod or all pods have | any other value |
//! | options of vLLM | vLLM 0.25, `engine/arg_utils.py`, `openai/cli_args.py` | a slip in an option; a value for a switch, which takes none | any other option; options of older releases, by name |
//! | keys of KAITO's `inference_config.yaml` | KAITO v0.12 | a slip in a key | any other key |
//! | models of KAITO | KAITO v0.12's catalogue, v0.10's for older | what the cluster was seen not to serve | a model that the cluster's release may know |
//! | kinds and versions | API discovery | what the cluster does not serve | – |
//! | names of images | `distribution/reference` v0.6 | what no kubelet can parse | – |
//!
//! A slip is a letter or two, or their case, away from a known word: `judge`.

use crate::names::is_slip;

/// A program whose words are known as they were in one release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownProgram {
    pub name: &'static str,
    /// The release that its words were read from.
    pub release: &'static str,
    /// Words of older releases: the word, the first release without it, and what came
    /// in its place, if anything did.
    dropped: &'static [(&'static str, Without, Option<&'static str>)],
}

/// The first release without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Without {
    /// Seen in that release and not in the one before, or said so by those who
    /// dropped it.
    Seen(&'static str),
    /// Inferred from the day on which it was dropped, which is not far off.
    Inferred(&'static str),
}

/// Ray Serve, by `python/ray/serve/schema.py` and `config.py`. What it dropped:
/// ray#46392 and ray#46427, both of July 2024.
pub const RAY_SERVE: KnownProgram = KnownProgram {
    name: "Ray Serve",
    release: "2.52",
    dropped: &[
        (
            "target_num_ongoing_requests_per_replica",
            Without::Inferred("2.33"),
            Some("target_ongoing_requests"),
        ),
        (
            "max_concurrent_queries",
            Without::Inferred("2.33"),
            Some("max_ongoing_requests"),
        ),
    ],
};

/// vLLM, by `vllm/engine/arg_utils.py` and `vllm/entrypoints/openai/cli_args.py`.
/// What it dropped: vllm#36216 (the releases before and after it are compared in
/// unsloth-zoo#1210), vllm#18404 and #18538, vllm#25334 (v0.10.2 documents these), and
/// what else only its first engine had, vllm#22779 among that.
pub const VLLM: KnownProgram = KnownProgram {
    name: "vLLM",
    release: "0.25",
    dropped: &[
        ("swap-space", Without::Seen("0.18"), None),
        (
            "enable-reasoning",
            Without::Seen("0.10"),
            Some("reasoning-parser"),
        ),
        ("multi-step-stream-outputs", Without::Inferred("0.11"), None),
        (
            "num-lookahead-slots",
            Without::Inferred("0.11"),
            Some("speculative-config"),
        ),
        ("num-scheduler-steps", Without::Inferred("0.11"), None),
        ("preemption-mode", Without::Seen("0.11"), None),
        ("scheduler-delay-factor", Without::Seen("0.11"), None),
        ("use-v2-block-manager", Without::Inferred("0.11"), None),
    ],
};

/// KAITO's own inference server.
pub const KAITO: KnownProgram = KnownProgram {
    name: "KAITO",
    release: "v0.12",
    dropped: &[],
};

/// What is made of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is one of those that are known.
    Known,
    /// It is one of them but for a slip.
    Slip(&'static str),
    /// It is of an older release; this is what to say.
    Dropped(String),
    /// Nothing like it is known.
    Unknown,
}

impl KnownProgram {
    /// Judges a word where only `known` ones belong.
    pub fn judge(&self, word: &str, known: &[&'static str]) -> Verdict {
        if let Some((_, release, instead)) = self.dropped.iter().find(|(old, ..)| *old == word) {
            let instead = instead.map_or_else(String::new, |new| format!(" for {new}"));
            let name = self.name;
            return Verdict::Dropped(match release {
                Without::Seen(release) => format!("{name} {release} dropped {word}{instead}"),
                Without::Inferred(release) => {
                    format!("{name} dropped {word}{instead}, in {release} or near it")
                }
            });
        }
        judge(word, known)
    }

    /// Says that a word is not known here, which is no proof.
    pub fn unknown(&self, what: &str) -> String {
        format!(
            "{} {} has no {what}; a newer one may",
            self.name, self.release
        )
    }
}

/// Judges a word where only `known` ones belong.
fn judge(word: &str, known: &[&'static str]) -> Verdict {
    if known.contains(&word) {
        return Verdict::Known;
    }
    let near = known.iter().filter(|candidate| is_slip(word, candidate));
    let nearest = near.min_by_key(|candidate| {
        strsim::osa_distance(&word.to_lowercase(), &candidate.to_lowercase())
    });
    match nearest {
        Some(near) => Verdict::Slip(near),
        None => Verdict::Unknown,
    }
}

/// Returns the rows of a table in `data`: cells between tabs. Lines that begin with `#` say
/// where it was read from, and what its columns are.
pub fn rows<const N: usize>(text: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        cells.try_into().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that every row of a table has so many cells, and that its head names a
    /// release.
    fn check<const N: usize>(text: &'static str) {
        let head = text.lines().take_while(|line| line.starts_with('#'));
        let head: Vec<&str> = head.collect();
        assert!(head.join(" ").contains(" v0.") || head.join(" ").contains("vLLM 0."));
        let columns = head.last().unwrap().trim_start_matches("# ");
        assert_eq!(columns.split('\t').count(), N, "{columns}");
        let lines = text.lines().skip(head.len());
        let wrong: Vec<&str> = lines
            .clone()
            .filter(|line| line.split('\t').count() != N || line.starts_with('#'))
            .collect();
        assert_eq!(wrong, [""; 0]);
        assert_eq!(rows::<N>(text).count(), lines.count());
    }

    #[test]
    fn tables_are_whole_and_say_where_they_are_from() {
        check::<2>(include_str!("../data/vllm-options.tsv"));
        check::<9>(include_str!("../data/kaito-presets.tsv"));
        check::<4>(include_str!("../data/kaito-retired.tsv"));
        check::<4>(include_str!("../data/kaito-instance-types.tsv"));
        check::<3>(include_str!("../data/kaito-dropped-instance-types.tsv"));
    }

    #[test]
    fn a_slip_is_a_letter_or_two_and_nothing_more() {
        let known = ["EveryNode", "HeadOnly", "PACK", "max-model-len"];
        for (word, verdict) in [
            ("EveryNode", Verdict::Known),
            ("Everynode", Verdict::Slip("EveryNode")),
            ("everynode", Verdict::Slip("EveryNode")),
            ("EveryNodes", Verdict::Slip("EveryNode")),
            ("pack", Verdict::Slip("PACK")),
            ("PACKS", Verdict::Slip("PACK")),
            ("max-modle-len", Verdict::Slip("max-model-len")),
            ("max-model-length", Verdict::Unknown),
            ("PACKING", Verdict::Unknown),
            ("Nowhere", Verdict::Unknown),
        ] {
            assert_eq!(judge(word, &known), verdict, "{word}");
        }
    }

    #[test]
    fn older_words_are_told_by_the_release_without_them() {
        let Verdict::Dropped(said) = RAY_SERVE.judge("max_concurrent_queries", &["a"]) else {
            panic!("it is in the table");
        };
        assert_eq!(
            said,
            "Ray Serve dropped max_concurrent_queries for max_ongoing_requests, in 2.33 or near it"
        );
        let Verdict::Dropped(said) = VLLM.judge("swap-space", &["a"]) else {
            panic!("it is in the table");
        };
        assert_eq!(said, "vLLM 0.18 dropped swap-space");
        assert_eq!(
            VLLM.unknown("option \"x\""),
            "vLLM 0.25 has no option \"x\"; a newer one may"
        );
    }
}
