//! Parameters that are swept over: `--sweep lr=1e-3,1e-4 --sweep seed=1..5`.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::separated::fields;
use crate::schema::{self, Schema};
use crate::secrecy::named;
use crate::yaml::{deserialize_from_text, serialize_as_text};

/// Most values of a parameter whose list has a range beside other values.
const MOST_IN_LIST: i64 = 100_000;

/// Returns the variable that holds a parameter in the container.
pub fn variable(parameter: &str) -> String {
    let upper = parameter.to_ascii_uppercase().replace(['-', '.'], "_");
    format!("KAIWO_PARAM_{upper}")
}

/// Checks the name of a parameter.
///
/// # Errors
/// Why it is not valid.
pub fn check_name(name: &str) -> Result<(), String> {
    let mut letters = name.chars();
    let begins = letters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let is_valid = begins && letters.all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if !is_valid {
        return Err(format!(
            "invalid parameter name {}: use letters, digits, _, - and ., beginning with a letter",
            named(name)
        ));
    }
    match name.eq_ignore_ascii_case("index") {
        true => Err("the parameter name index is taken: {index} is the task's number".to_owned()),
        false => Ok(()),
    }
}

/// The values of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Values {
    /// Numbers from `first` on, `step` apart.
    Range {
        first: i64,
        /// How many.
        count: i64,
        /// From one to the next.
        step: i64,
    },
    /// Texts.
    List(Vec<String>),
}

impl Values {
    /// Returns how many there are.
    pub fn count(&self) -> i64 {
        match self {
            Self::Range { count, .. } => *count,
            Self::List(values) => i64::try_from(values.len()).unwrap_or(i64::MAX),
        }
    }

    /// Returns one of them, counted from 0.
    pub fn at(&self, index: i64) -> Option<String> {
        match self {
            Self::Range { first, count, step } => {
                let is_one = (0..*count).contains(&index);
                is_one.then(|| (first + index * step).to_string())
            }
            Self::List(values) => values.get(usize::try_from(index).ok()?).cloned(),
        }
    }
}

/// Reads `1..5` and `0..100..10`, both ends included.
fn range(text: &str) -> Option<Result<Values, String>> {
    let parts: Vec<&str> = text.split("..").collect();
    let numbers: Option<Vec<i64>> = parts.iter().map(|part| part.trim().parse().ok()).collect();
    let (first, last, step) = match numbers?[..] {
        [first, last] => (first, last, 1),
        [first, last, step] => (first, last, step),
        _ => return None,
    };
    let far = i64::from(i32::MAX);
    if [first, last, step].iter().any(|number| number.abs() > far) {
        return Some(Err(format!("the range {text} is too large")));
    }
    Some(match (step, last < first) {
        (..=0, _) => Err(format!("the step of {text} must be at least 1")),
        (_, true) => Err(format!("{text} ends before it begins")),
        _ => Ok(Values::Range {
            first,
            count: (last - first) / step + 1,
            step,
        }),
    })
}

/// Returns whether a value is probably meant as a range: `0.1..0.5`, `1..`.
fn is_like_a_range(text: &str) -> bool {
    let is_of_numbers = text
        .chars()
        .all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    text.contains("..") && is_of_numbers && text.contains(|c: char| c.is_ascii_digit())
}

/// A parameter, with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    pub name: String,
    pub values: Values,
    /// As it was written.
    text: String,
}

impl FromStr for Sweep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, list) = text
            .split_once('=')
            .ok_or("expected NAME=VALUE,VALUE or NAME=FIRST..LAST")?;
        let name = name.trim();
        check_name(name)?;
        if list.contains(['\n', '\r', '\0']) {
            return Err(format!("the values of {name} must be on one line"));
        }
        let text = format!("{name}={list}");
        if let Some(range) = range(list) {
            return Ok(Self {
                name: name.to_owned(),
                values: range?,
                text,
            });
        }
        let items = fields(list, ',').map_err(|why| format!("in the values of {name}, {why}"))?;
        let mut values: Vec<String> = Vec::new();
        for item in items {
            match range(&item).transpose()? {
                Some(range) if range.count() > MOST_IN_LIST => {
                    return Err(format!("more than {MOST_IN_LIST} values of {name}"));
                }
                Some(range) => values.extend((0..range.count()).filter_map(|at| range.at(at))),
                None if item.is_empty() => return Err(format!("a value of {name} is empty")),
                None if is_like_a_range(&item) => {
                    return Err(format!(
                        "{} is no range of whole numbers, FIRST..LAST or FIRST..LAST..STEP; list other values: {name}=0.1,0.2",
                        named(&item)
                    ));
                }
                None => values.push(item),
            }
        }
        Ok(Self {
            name: name.to_owned(),
            values: Values::List(values),
            text,
        })
    }
}

impl Sweep {
    /// Returns what is probably not meant: a value that is there twice, or that a comma
    /// has divided.
    pub fn doubt(&self) -> Option<String> {
        let Values::List(values) = &self.values else {
            return None;
        };
        let name = &self.name;
        let mut sorted: Vec<&String> = values.iter().collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Some(format!(
                "--sweep {name} has the value {} twice, so some tasks are equal",
                named(pair[0])
            ));
        }
        let is_open = |value: &&String| {
            let count = |brackets: &str| value.matches(|c: char| brackets.contains(c)).count();
            count("([{") != count(")]}")
        };
        let divided = values.iter().filter(is_open).count();
        (divided > 1).then(|| {
            format!(
                "--sweep {name} has {} values, some of which are parts of a list: if a value contains a comma, quote it as in CSV: {name}='\"[1,2]\",\"[3,4]\"'",
                values.len()
            )
        })
    }
}

impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

serialize_as_text!(Sweep);
deserialize_from_text!(Sweep);

impl Schema for Sweep {
    fn schema() -> serde_json::Value {
        schema::text(
            "^[A-Za-z_][A-Za-z0-9_.-]*=.+$",
            &["lr=1e-3,1e-4", "seed=1..5"],
        )
    }
}

/// Parameters, every combination of whose values is a task. The last one changes first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Sweeps(pub Vec<Sweep>);

impl<'de> Deserialize<'de> for Sweeps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items;
        impl<'de> Visitor<'de> for Items {
            type Value = Sweeps;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a parameter or a sequence of parameters")
            }
            fn visit_str<E: de::Error>(self, item: &str) -> Result<Sweeps, E> {
                item.parse()
                    .map(|item| Sweeps(vec![item]))
                    .map_err(E::custom)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Sweeps, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Sweeps(list))
            }
        }
        deserializer.deserialize_any(Items)
    }
}

impl Schema for Sweeps {
    fn schema() -> serde_json::Value {
        let one = Sweep::schema();
        serde_json::json!({"anyOf": [one, {"type": "array", "items": one}]})
    }
}

impl Sweeps {
    /// Returns the number of combinations.
    pub fn count(&self) -> i64 {
        let counts = self.0.iter().map(|sweep| sweep.values.count());
        counts.fold(1, i64::saturating_mul)
    }

    /// Returns how often a parameter keeps its value from one task to the next: the
    /// product of what comes after it.
    pub fn stride(&self, parameter: usize) -> i64 {
        let after = self.0.iter().skip(parameter + 1);
        let counts = after.map(|sweep| sweep.values.count());
        counts.fold(1, i64::saturating_mul)
    }

    /// Returns the values of a task.
    pub fn at(&self, task: i64) -> Vec<(&str, String)> {
        let values = self.0.iter().enumerate().filter_map(|(parameter, sweep)| {
            let index = task / self.stride(parameter) % sweep.values.count().max(1);
            Some((sweep.name.as_str(), sweep.values.at(index)?))
        });
        values.collect()
    }
}

/// In a variable, parameters have semicolons between them.
impl FromStr for Sweeps {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sweeps = text.split(';').map(|sweep| sweep.trim().parse());
        sweeps.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweeps(texts: &[&str]) -> Sweeps {
        Sweeps(texts.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn every_combination_is_a_task() {
        let both = sweeps(&["lr=1e-3,1e-4", "seed=1..3"]);
        assert_eq!(both.count(), 6);
        let shown: Vec<String> = (0..6)
            .map(|task| {
                let values = both.at(task).into_iter();
                let values: Vec<String> = values
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                values.join(" ")
            })
            .collect();
        assert_eq!(shown[0], "lr=1e-3 seed=1");
        assert_eq!(shown[2], "lr=1e-3 seed=3");
        assert_eq!(shown[3], "lr=1e-4 seed=1");
        assert_eq!(both.0[0].to_string(), "lr=1e-3,1e-4");
    }

    #[test]
    fn values_are_texts_or_ranges() {
        let values = |text: &str| text.parse::<Sweep>().unwrap().values;
        let list =
            |words: &[&str]| Values::List(words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(
            values("a=1..5..2"),
            Values::Range {
                first: 1,
                count: 3,
                step: 2
            }
        );
        assert_eq!(values("a=-2..2").at(0).unwrap(), "-2");
        assert_eq!(values("a=1..2,9"), list(&["1", "2", "9"]));
        assert_eq!(values("a=x y, $HOME"), list(&["x y", "$HOME"]));
        assert_eq!(values(r#"a="x,y",z"#), list(&["x,y", "z"]));
        assert_eq!(values("a={\"x\":1}"), list(&["{\"x\":1}"]));
        // A directory is no range.
        assert_eq!(values("a=../data"), list(&["../data"]));
        assert_eq!(variable("weight-decay"), "KAIWO_PARAM_WEIGHT_DECAY");
        assert_eq!("a=1;b=2..3".parse::<Sweeps>().unwrap().count(), 2);
    }

    #[test]
    fn what_is_probably_not_meant_is_doubted() {
        let doubt = |text: &str| text.parse::<Sweep>().unwrap().doubt().unwrap_or_default();
        assert!(doubt("a=1..3,2").contains("the value \"2\" twice"));
        assert!(doubt("layers=[1,2],[3]").contains("quote it as in CSV"));
        for text in [
            "a=1..3",
            "a=x,y",
            "a=\"[1,2]\",\"[3,4]\"",
            "a=[1],[2]",
            "a=x(,y",
        ] {
            assert_eq!(doubt(text), "", "{text}");
        }
    }

    #[test]
    fn what_sweeps_over_nothing_is_refused() {
        for (text, why) in [
            ("lr", "expected NAME=VALUE"),
            ("=1", "invalid parameter name"),
            ("1a=1", "invalid parameter name"),
            ("lr=", "a value of lr is empty"),
            ("lr=1,,2", "a value of lr is empty"),
            ("seed=5..1", "ends before it begins"),
            ("seed=1..5..0", "the step"),
            ("index=1", "is taken"),
            ("a=1\n2", "on one line"),
            ("a=0.1..0.5", "\"0.1..0.5\" is no range of whole numbers"),
            ("a=1..", "is no range"),
            ("a=3,1...5", "is no range"),
            ("a=\"1,2", "a quote is not closed"),
        ] {
            let error = text.parse::<Sweep>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
