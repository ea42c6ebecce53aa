//! The `env` file: variables and secrets of a workload (the format of the
//! original kaiwo), or lines of `NAME=VALUE`.
//!
//! ```yaml
//! envVars:
//!   - name: MY_VAR
//!     value: "my value"
//!   - fromSecret:
//!       name: HF_TOKEN
//!       secret: hf-token
//!       key: token
//!   - mountSecret:
//!       name: GOOGLE_APPLICATION_CREDENTIALS
//!       secret: gcs-credentials
//!       key: gcs-credentials-json
//!       path: /etc/gcp/credentials.json
//! ```

use std::path::Path;

use serde_json::{Value, json};

use super::environment::{EnvSource, EnvVar, Environment, SecretMount};
use super::{WorkloadError, dotenv};
use crate::names::is_dns_1123_subdomain;
use crate::names::{check_mount_path, is_config_key, is_variable_name};
use crate::schema::{Schema, document, or_null, record};
use crate::secrecy::{named, variable};
use crate::suggestion::{Suggestion, kubectl};
use crate::yaml::{self, Located, YamlError, not_null};

record! {
    struct EnvFile {
        /// Variables and secrets.
        env_vars: Option<Vec<Located<Item>>>,
    }
}

record! {
    /// One of three forms, of which [`FORMS`] has the keys.
    struct Item {
        /// Name of the variable.
        #[serde(default, deserialize_with = "not_null")]
        name: Option<Located<String>>,
        /// Its value, as it is written. "" is an empty one.
        #[serde(default, deserialize_with = "not_null")]
        value: Option<Located<String>>,
        /// A variable whose value is a key of a Secret.
        #[serde(default, deserialize_with = "not_null")]
        from_secret: Option<FromSecret>,
        /// A key of a Secret as a file; the variable is its path.
        #[serde(default, deserialize_with = "not_null")]
        mount_secret: Option<MountSecret>,
    }
}

/// Keys of an item, of which exactly one set is there.
const FORMS: [&[&str]; 3] = [&["name", "value"], &["fromSecret"], &["mountSecret"]];

record! {
    struct FromSecret {
        /// Name of the variable.
        name: Located<String>,
        /// Name of the Secret.
        secret: Located<String>,
        /// Key in the Secret.
        key: Located<String>,
    }
}

record! {
    struct MountSecret {
        /// Name of the variable.
        name: Located<String>,
        /// Name of the Secret.
        secret: Located<String>,
        /// Key in the Secret.
        key: Located<String>,
        /// Absolute path of the file in the containers.
        path: Located<String>,
    }
}

/// Returns the JSON Schema of an `env` file.
pub fn schema() -> Value {
    let mut schema = EnvFile::schema();
    let list = &mut schema["properties"]["envVars"];
    let forms = FORMS.map(|keys| json!({"required": keys}));
    list["items"]["oneOf"] = json!(forms);
    list["items"]["dependentRequired"] = json!({"name": ["value"], "value": ["name"]});
    *list = or_null(list.take());
    let description = "Variables and secrets of a workload, in its directory.";
    document("env of kaiwo", description, schema)
}

/// Parses the text of an `env` file.
///
/// # Errors
/// [`WorkloadError`] with the line: unknown keys, an item that is not exactly
/// one of the three forms, names that Kubernetes refuses, duplicates.
pub fn parse(file: &Path, text: &str) -> Result<Environment, WorkloadError> {
    let mut reader = Reader {
        file,
        environment: Environment::default(),
        lines: Vec::new(),
    };
    if dotenv::is_dotenv(text) {
        for (name, value) in dotenv::parse(file, text)? {
            reader.variable(name, EnvSource::plain(value))?;
        }
        return Ok(reader.environment);
    }
    let parsed: EnvFile = yaml::parse(file, text)?;
    for item in parsed.env_vars.unwrap_or_default() {
        reader.read(item)?;
    }
    Ok(reader.environment)
}

/// Returns what to do about YAML that is not an `env` file.
pub(super) fn yaml_hint(error: &YamlError) -> Option<String> {
    if let Some(key) = error.message.strip_prefix("unknown field ") {
        let known = [
            "envVars",
            "name",
            "value",
            "fromSecret",
            "mountSecret",
            "secret",
            "key",
            "path",
        ];
        let word = key.split('`').nth(1)?;
        return crate::names::nearest(word, known.map(str::to_owned))
            .map(|near| format!("did you mean `{near}`?"));
    }
    error
        .message
        .contains(yaml::MISSING)
        .then(|| "use value: \"\" for an empty value".to_owned())
}

struct Reader<'a> {
    file: &'a Path,
    environment: Environment,
    /// Line of each variable, for the message about a second one.
    lines: Vec<u64>,
}

impl Reader<'_> {
    fn read(&mut self, item: Located<Item>) -> Result<(), WorkloadError> {
        match item.value {
            Item {
                name: Some(name),
                value: Some(value),
                from_secret: None,
                mount_secret: None,
            } => self.variable(name, EnvSource::plain(value.value)),
            Item {
                name: None,
                value: None,
                from_secret: Some(from),
                mount_secret: None,
            } => {
                let secret = self.secret_name(from.secret, &from.name.value)?;
                let key = self.secret_key(from.key, &from.name.value)?;
                self.variable(from.name, EnvSource::Secret { secret, key })
            }
            Item {
                name: None,
                value: None,
                from_secret: None,
                mount_secret: Some(mount),
            } => {
                let secret = self.secret_name(mount.secret, &mount.name.value)?;
                let key = self.secret_key(mount.key, &mount.name.value)?;
                let path = self.mount_path(mount.path)?;
                self.environment.mounts.push(SecretMount {
                    secret,
                    key,
                    path: path.clone(),
                });
                self.variable(mount.name, EnvSource::plain(path))
            }
            Item {
                name: Some(name), ..
            } => Err(self.wrong(
                name.line,
                format!("{} has no value", variable(&name.value)),
                "use value: \"\" for an empty value",
            )),
            _ => Err(self.wrong(
                item.line,
                "an item must be either name and value, fromSecret, or mountSecret".to_owned(),
                "split it into several items, each beginning with \"- \"",
            )),
        }
    }

    fn variable(&mut self, name: Located<String>, source: EnvSource) -> Result<(), WorkloadError> {
        let Located { value: name, line } = name;
        if let EnvSource::Value(value) = &source
            && value.expose().contains('\0')
        {
            return Err(self.wrong(
                line,
                format!("the value of {} contains a NUL character", variable(&name)),
                "remove it, or put the value in a file",
            ));
        }
        if !is_variable_name(&name) {
            return Err(self.wrong(
                line,
                format!("invalid variable name {}", variable(&name)),
                "use letters, digits and _, beginning with a letter or _",
            ));
        }
        if let Some(first) = self
            .environment
            .variables
            .iter()
            .position(|variable| variable.name == name)
        {
            let first = self.lines[first];
            return Err(self.wrong(
                line,
                format!("{} is set twice", variable(&name)),
                format!("it is first set in line {first}"),
            ));
        }
        self.environment.variables.push(EnvVar { name, source });
        self.lines.push(line);
        Ok(())
    }

    fn secret_name(&self, name: Located<String>, of: &str) -> Result<String, WorkloadError> {
        if is_dns_1123_subdomain(&name.value) {
            return Ok(name.value);
        }
        Err(self.wrong(
            name.line,
            format!("invalid Secret name {}", variable(of)),
            kubectl("get secrets", &[]).to("list the names"),
        ))
    }

    fn secret_key(&self, key: Located<String>, of: &str) -> Result<String, WorkloadError> {
        if is_config_key(&key.value) {
            return Ok(key.value);
        }
        Err(self.wrong(
            key.line,
            format!("invalid key of a Secret {}", variable(of)),
            kubectl("describe secret {NAME}", &[]).to("list the keys"),
        ))
    }

    fn mount_path(&self, path: Located<String>) -> Result<String, WorkloadError> {
        let names_a_file = !path.value.ends_with('/');
        if let Err(why) = check_mount_path(&path.value).and(
            names_a_file
                .then_some(())
                .ok_or_else(|| "it does not name a file".to_owned()),
        ) {
            return Err(self.wrong(
                path.line,
                format!(
                    "invalid path of a mounted file {}: {why}",
                    named(&path.value)
                ),
                "use an absolute path such as /etc/gcp/credentials.json",
            ));
        }
        // Kubelet refuses such names in a volume (validateLocalNonReservedPath).
        if path
            .value
            .rsplit('/')
            .next()
            .is_some_and(|name| name.starts_with(".."))
        {
            return Err(self.wrong(
                path.line,
                format!(
                    "invalid path of a mounted file {}: its name begins with two dots",
                    named(&path.value)
                ),
                "choose another name",
            ));
        }
        if self
            .environment
            .mounts
            .iter()
            .any(|mount| mount.path == path.value)
        {
            return Err(self.wrong(
                path.line,
                format!("{} is mounted twice", path.value),
                "choose another path",
            ));
        }
        Ok(path.value)
    }

    fn wrong(&self, line: u64, message: String, hint: impl Into<Suggestion>) -> WorkloadError {
        WorkloadError::Value {
            file: self.file.to_path_buf(),
            line,
            message,
            hint: hint.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Classified;
    use crate::suggestion::comparison::joined;

    fn read(text: &str) -> Result<Environment, WorkloadError> {
        parse(Path::new("env"), text)
    }

    #[test]
    fn lines_of_pairs_are_known_for_what_they_are() {
        for text in ["K1=V\nK2=W\n", "# mine\n\nexport K1=V\n"] {
            assert_eq!(read(text).unwrap().value("K1"), Some("V"), "{text}");
        }
        let twice = read("A=1\nA=2\n").unwrap_err();
        assert_eq!(twice.hints()[0], "it is first set in line 1");
        let junk = read("junk\n").unwrap_err();
        assert_eq!(junk.to_string(), "env:1: expected a mapping");
    }

    #[test]
    fn the_three_forms_are_read() {
        let environment = read(concat!(
            "envVars:\n",
            "  - name: EMPTY\n    value: \"\"\n",
            "  - name: BARE\n    value: yes\n",
            "  - fromSecret:\n      name: HF_TOKEN\n      secret: hf-token\n      key: token\n",
            "  - mountSecret:\n      name: CREDS\n      secret: gcs\n      key: json\n      path: /etc/gcp/c.json\n",
        ))
        .unwrap();
        assert_eq!(environment.value("EMPTY"), Some(""));
        assert_eq!(environment.value("BARE"), Some("yes"));
        assert_eq!(environment.value("CREDS"), Some("/etc/gcp/c.json"));
        assert!(environment.sets("HF_TOKEN"));
        assert_eq!(environment.mounts[0].secret, "gcs");
        assert_eq!(read("").unwrap(), Environment::default());
        assert_eq!(read("envVars: []\n").unwrap(), Environment::default());
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, object, says, hint) in [
            (
                "envVars:\n  - name: A\n    value: 1\n  - name: A\n    value: 2\n",
                "env:4",
                "is set twice",
                "line 2",
            ),
            (
                "envVars:\n  - nam: A\n    value: 1\n",
                "env:2",
                "unknown field `nam`",
                "`name`",
            ),
            (
                "envVar:\n  - name: A\n",
                "env:1",
                "unknown field",
                "`envVars`",
            ),
            (
                "envVars:\n  - name: 1A\n    value: x\n",
                "env:2",
                "invalid variable name",
                "letter",
            ),
            ("envVars:\n  - name: A\n", "env:2", "no value", "\"\""),
            (
                "envVars:\n  - name: A\n    value: x\n    fromSecret: {name: B, secret: s, key: k}\n",
                "env:2",
                "",
                "",
            ),
            (
                "envVars:\n  - fromSecret: {name: B, secret: S_, key: k}\n",
                "env:2",
                "invalid Secret name",
                "kubectl",
            ),
            (
                "envVars:\n  - mountSecret: {name: B, secret: s, key: k, path: etc/x}\n",
                "env:2",
                "path",
                "absolute",
            ),
            ("envVars:\n  - name: [\n", "env:2", "", ""),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.object().unwrap(), object, "{text}: {error}");
            assert!(error.to_string().contains(says), "{text}: {error}");
            assert!(
                joined(&error.hints(), " ").contains(hint),
                "{text}: {:?}",
                error.hints()
            );
        }
    }
}
