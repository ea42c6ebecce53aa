//! Adapters (LoRA) that are served with a preset.

use std::fmt;
use std::str::FromStr;

use super::annotation::Runtime;
use super::place::ImageOrClaim;
use crate::names::is_dns_1123_subdomain;
use crate::plan::Refusal;
use crate::schema::{self, Schema};
use crate::yaml::{deserialize_from_text, serialize_as_text};

/// Most adapters of a Workspace (`MaxAdaptersNumber`, v0.12).
pub const MOST_ADAPTERS: usize = 10;

/// An adapter: `NAME=IMAGE[@STRENGTH]` or `NAME=pvc:CLAIM[@STRENGTH]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adapter {
    /// Name, under which vLLM serves it as a model of its own.
    pub name: String,
    /// Where its weights are.
    pub place: ImageOrClaim,
    /// How much of it is applied, from 0 to 1; all of it if absent. KAITO takes
    /// a text.
    pub strength: Option<String>,
}

impl FromStr for Adapter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!("expected NAME=IMAGE or NAME=pvc:CLAIM, optionally with @STRENGTH: {why}")
        };
        let (name, rest) = text.split_once('=').ok_or_else(|| wrong("it has no ="))?;
        // The name becomes a directory and a container.
        if !is_dns_1123_subdomain(name) {
            return Err(wrong("the name may only contain a-z, 0-9, - and ."));
        }
        // A digest stands behind an @ as well: image@sha256:…
        let (place, strength) = match rest.rsplit_once('@') {
            Some((place, strength)) if is_number(strength) => (place, Some(strength)),
            _ => (rest, None),
        };
        let in_range = |text: &str| text.parse().is_ok_and(|it: f64| (0.0..=1.0).contains(&it));
        if strength.is_some_and(|strength| !in_range(strength)) {
            return Err(wrong("the strength must be between 0 and 1"));
        }
        Ok(Self {
            name: name.to_owned(),
            place: place.parse().map_err(|why: String| wrong(&why))?,
            strength: strength.map(str::to_owned),
        })
    }
}

fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.place)?;
        match &self.strength {
            Some(strength) => write!(f, "@{strength}"),
            None => Ok(()),
        }
    }
}

deserialize_from_text!(Adapter);
serialize_as_text!(Adapter);

impl Schema for Adapter {
    fn schema() -> serde_json::Value {
        let examples = ["style=registry/adapter:1", "law=pvc:adapters@0.5"];
        schema::text("^[a-z0-9][a-z0-9.-]*=[^ ]+$", &examples)
    }
}

/// Checks the adapters of one Workspace. `runtime` is what serves the model.
///
/// # Errors
/// [`Refusal`] for what KAITO's webhook rejects (v0.12).
pub fn check_adapters(adapters: &[Adapter], runtime: Runtime) -> Result<(), Refusal> {
    if adapters.len() > MOST_ADAPTERS {
        return Err(Refusal::new(format!(
            "too many adapters ({}): KAITO accepts up to {MOST_ADAPTERS} for a model",
            adapters.len()
        )));
    }
    for (at, adapter) in adapters.iter().enumerate() {
        let name = &adapter.name;
        if adapters[..at].iter().any(|other| other.name == *name) {
            return Err(Refusal::new(format!("two adapters have the name {name:?}"))
                .hint("give each its own name: vLLM serves it under that name"));
        }
        if let (Some(strength), Runtime::Vllm) = (&adapter.strength, runtime) {
            return Err(Refusal::new(format!(
                "adapter {name:?} has the strength {strength}: vLLM does not support a strength, and KAITO rejects it"
            ))
            .hint(format!(
                "--adapter {name}={} applies all of it",
                adapter.place
            ))
            .hint("--runtime transformers supports strengths"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapters(texts: &[&str]) -> Vec<Adapter> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_name_a_place_and_perhaps_a_strength() {
        let adapter: Adapter = "law=pvc:adapters@0.5".parse().unwrap();
        assert_eq!(adapter.place, ImageOrClaim::Claim("adapters".into()));
        assert_eq!(adapter.strength.as_deref(), Some("0.5"));
        let digest: Adapter = "a=registry:5000/x@sha256:0123".parse().unwrap();
        assert_eq!(digest.strength, None);
        for text in ["a=b:1", "a=b@1", "a.b-c=pvc:x", "a=b@sha256:12@0.25"] {
            assert_eq!(text.parse::<Adapter>().unwrap().to_string(), text);
        }
        for (text, why) in [
            ("image:1", "has no ="),
            ("A=image", "the name may only contain"),
            ("a=", "a valid image"),
            ("a=b@2", "be between 0 and 1"),
            ("a=b@-1", "be between 0 and 1"),
            ("a=https://x/y", "expected an image or"),
            ("a=pvc:X", "is not a valid claim"),
        ] {
            let said = text.parse::<Adapter>().unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn what_kaito_rejects_is_refused() {
        check_adapters(&adapters(&["a=x", "b=x@1"]), Runtime::Transformers).unwrap();
        let refusal = |texts: &[&str]| check_adapters(&adapters(texts), Runtime::Vllm).unwrap_err();
        assert_eq!(
            refusal(&["a=x@0.5"]).message,
            "adapter \"a\" has the strength 0.5: vLLM does not support a strength, and KAITO rejects it"
        );
        assert_eq!(
            refusal(&["a=x@0.5"]).hints[0],
            "--adapter a=x applies all of it"
        );
        assert_eq!(
            refusal(&["a=x", "a=y"]).message,
            "two adapters have the name \"a\""
        );
        let names: Vec<String> = (0..11).map(|n| format!("a{n}=x")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(
            refusal(&names).message,
            "too many adapters (11): KAITO accepts up to 10 for a model"
        );
    }
}
