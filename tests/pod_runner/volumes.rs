//! The volumes of a pod, laid out on disk by kubelet's rules.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::environment::field;
use super::{Objects, PodError, array, bytes_of, keys_of, name_of, text};

/// Mode of projected files where neither item nor volume states one, which
/// the API server fills in.
const DEFAULT_MODE: u32 = 0o644;

/// One volume of a pod.
#[derive(Debug, PartialEq, Eq)]
pub enum Volume {
    /// A directory that the container writes to.
    Writable(PathBuf),
    /// A directory that every container sees read-only, whatever its mount
    /// says: ConfigMaps, Secrets, projections.
    ReadOnly(PathBuf),
    /// Memory, up to this many bytes if that is stated.
    Memory(Option<u64>),
}

/// What goes into one file of a volume.
struct Projection {
    content: Vec<u8>,
    mode: u32,
}

/// Files of a volume by their paths.
type Payload = BTreeMap<String, Projection>;

/// Lays out all volumes of a pod below `root`.
pub fn lay_out(
    pod: &Value,
    objects: Objects<'_>,
    root: &Path,
) -> Result<BTreeMap<String, Volume>, PodError> {
    array(&pod["spec"]["volumes"])
        .iter()
        .map(|volume| {
            let name = text(&volume["name"]).to_owned();
            let laid_out =
                lay_out_one(pod, volume, objects, &root.join(&name)).map_err(|error| {
                    PodError(format!(
                        "MountVolume.SetUp failed for volume {name:?}: {error}"
                    ))
                })?;
            Ok((name, laid_out))
        })
        .collect()
}

fn lay_out_one(
    pod: &Value,
    volume: &Value,
    objects: Objects<'_>,
    directory: &Path,
) -> Result<Volume, PodError> {
    let empty_dir = &volume["emptyDir"];
    if empty_dir["medium"] == "Memory" {
        let limit = match empty_dir["sizeLimit"].as_str() {
            Some(limit) => Some(bytes(limit)?),
            None => None,
        };
        return Ok(Volume::Memory(limit));
    }
    fs::create_dir_all(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o777))?;
    // What a claim holds is no business of the pod's; here it is empty.
    let claim = volume["ephemeral"].is_object() || volume["persistentVolumeClaim"].is_object();
    if empty_dir.is_object() || claim {
        return Ok(Volume::Writable(directory.to_path_buf()));
    }
    let payload = if volume["projected"].is_object() {
        projected(pod, &volume["projected"], objects)?
    } else if volume["downwardAPI"].is_object() {
        of_pod(pod, &volume["downwardAPI"], &volume["downwardAPI"])?
    } else if volume["configMap"].is_object() {
        let source = &volume["configMap"];
        of_object("ConfigMap", source, text(&source["name"]), source, objects)?
    } else if volume["secret"].is_object() {
        let source = &volume["secret"];
        of_object(
            "Secret",
            source,
            text(&source["secretName"]),
            source,
            objects,
        )?
    } else {
        return Err(PodError(format!(
            "the pod runner knows no volume like {volume}"
        )));
    };
    write_atomically(directory, &payload)?;
    Ok(Volume::ReadOnly(directory.to_path_buf()))
}

fn bytes(quantity: &str) -> Result<u64, PodError> {
    let digits = quantity.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor = match &quantity[digits.len()..] {
        "" => 0,
        "Ki" => 10,
        "Mi" => 20,
        "Gi" => 30,
        "Ti" => 40,
        other => return Err(PodError(format!("the pod runner knows no unit {other:?}"))),
    };
    digits
        .parse::<u64>()
        .map(|number| number << factor)
        .map_err(|error| PodError(format!("{quantity}: {error}")))
}

/// Collects the sources of a projected volume; a path that two of them fill
/// is the later one's.
fn projected(pod: &Value, volume: &Value, objects: Objects<'_>) -> Result<Payload, PodError> {
    let mut payload = Payload::new();
    for source in array(&volume["sources"]) {
        let (config_map, secret) = (&source["configMap"], &source["secret"]);
        if config_map.is_object() {
            let name = text(&config_map["name"]);
            payload.extend(of_object("ConfigMap", config_map, name, volume, objects)?);
        } else if secret.is_object() {
            let name = text(&secret["name"]);
            payload.extend(of_object("Secret", secret, name, volume, objects)?);
        } else if source["serviceAccountToken"].is_object() {
            let path = text(&source["serviceAccountToken"]["path"]).to_owned();
            let content = b"a token".to_vec();
            payload.insert(
                path,
                Projection {
                    content,
                    mode: DEFAULT_MODE,
                },
            );
        } else if source["downwardAPI"].is_object() {
            payload.extend(of_pod(pod, &source["downwardAPI"], volume)?);
        } else {
            return Err(PodError(format!(
                "the pod runner knows no source like {source}"
            )));
        }
    }
    Ok(payload)
}

/// Collects fields of the pod itself. `volume` states the default mode.
fn of_pod(pod: &Value, source: &Value, volume: &Value) -> Result<Payload, PodError> {
    let mut payload = Payload::new();
    for item in array(&source["items"]) {
        let content = field(pod, text(&item["fieldRef"]["fieldPath"]))?.into_bytes();
        let mode = mode(&item["mode"], &volume["defaultMode"]);
        payload.insert(text(&item["path"]).to_owned(), Projection { content, mode });
    }
    Ok(payload)
}

/// Collects the keys of a ConfigMap or Secret: those that `items` name, or
/// all. `volume` states the default mode.
fn of_object(
    kind: &str,
    source: &Value,
    name: &str,
    volume: &Value,
    objects: Objects<'_>,
) -> Result<Payload, PodError> {
    let optional = source["optional"] == true;
    let object = match objects(kind, name) {
        Some(object) => object,
        None if optional => Value::Null,
        None => return Err(PodError(format!("{kind} {name:?} not found"))),
    };
    let items = array(&source["items"]);
    let mut payload = Payload::new();
    if items.is_empty() {
        for key in keys_of(&object) {
            let content = bytes_of(&object, &key)?.unwrap_or_default();
            let mode = mode(&Value::Null, &volume["defaultMode"]);
            payload.insert(key, Projection { content, mode });
        }
    }
    for item in items {
        let key = text(&item["key"]);
        match bytes_of(&object, key)? {
            Some(content) => {
                let mode = mode(&item["mode"], &volume["defaultMode"]);
                payload.insert(text(&item["path"]).to_owned(), Projection { content, mode });
            }
            None if optional => {}
            None => {
                return Err(PodError(format!(
                    "{kind} {} references non-existent config key: {key}",
                    name_of(&object)
                )));
            }
        }
    }
    Ok(payload)
}

fn mode(item: &Value, default: &Value) -> u32 {
    let stated = item.as_u64().or_else(|| default.as_u64());
    stated.map_or(DEFAULT_MODE, |mode| u32::try_from(mode).unwrap())
}

/// Writes files as kubelet's AtomicWriter does (kubernetes v1.36
/// `pkg/volume/util/atomic_writer.go`): into a directory named by the time,
/// to which `..data` points; what a container sees are links through that.
fn write_atomically(target: &Path, payload: &Payload) -> Result<(), PodError> {
    let stamped = tempfile::Builder::new()
        .prefix("..2026_01_02_03_04_05.")
        .tempdir_in(target)?
        .keep();
    fs::set_permissions(&stamped, fs::Permissions::from_mode(0o755))?;
    for (path, projection) in payload {
        check_path(path)?;
        let file = stamped.join(path);
        // kubelet's umask leaves 0755 of the 0777 it asks for.
        let mut directory = stamped.clone();
        for part in Path::new(path).parent().into_iter().flat_map(Path::iter) {
            directory.push(part);
            if !directory.is_dir() {
                fs::create_dir(&directory)?;
                fs::set_permissions(&directory, fs::Permissions::from_mode(0o755))?;
            }
        }
        fs::write(&file, &projection.content)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(projection.mode))?;
    }
    symlink(stamped.file_name().unwrap(), target.join("..data_tmp"))?;
    fs::rename(target.join("..data_tmp"), target.join("..data"))?;
    for path in payload.keys() {
        let first = path.split('/').next().unwrap_or(path);
        let link = target.join(first);
        if !link.is_symlink() {
            symlink(Path::new("..data").join(first), link)?;
        }
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), PodError> {
    let wrong = path.is_empty()
        || path.starts_with('/')
        || path.starts_with("..")
        || path.len() > 4096
        || path.split('/').any(|part| part == ".." || part.len() > 255);
    match wrong {
        true => Err(PodError(format!("invalid path: {path:?}"))),
        false => Ok(()),
    }
}

/// Returns what a mount with `subPath` shows of a volume: the file or
/// directory itself, past the links; a directory is made where nothing is.
pub fn sub_path(volume: &Path, sub_path: &str) -> Result<PathBuf, PodError> {
    let path = volume.join(sub_path);
    if !path.exists() {
        fs::create_dir_all(&path)?;
    }
    let real = path.canonicalize()?;
    match real.starts_with(volume.canonicalize()?) {
        true => Ok(real),
        false => Err(PodError(format!("subPath {sub_path:?} leaves its volume"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn objects(kind: &str, name: &str) -> Option<Value> {
        match (kind, name) {
            ("ConfigMap", "one") => Some(json!({
                "kind": "ConfigMap", "metadata": {"name": "one"},
                "data": {"0000-run": "#!/bin/sh\n", "0001-x": "text"},
            })),
            ("ConfigMap", "two") => Some(json!({
                "kind": "ConfigMap", "metadata": {"name": "two"},
                "data": {"0002-y": "y"}, "binaryData": {"0003-z": "AP/+"},
            })),
            ("Secret", "key") => Some(json!({
                "kind": "Secret", "metadata": {"name": "key"},
                "data": {"json": "e30=", "other": "eA=="},
            })),
            _ => None,
        }
    }

    fn pod(volume: &Value) -> Value {
        let mut volume = volume.clone();
        volume["name"] = json!("v");
        json!({
            "metadata": {"name": "p", "namespace": "team"},
            "spec": {"volumes": [volume]},
        })
    }

    fn read_only(volume: &Value, root: &Path) -> Result<PathBuf, PodError> {
        match lay_out(&pod(volume), &objects, root)?.remove("v") {
            Some(Volume::ReadOnly(directory)) => Ok(directory),
            other => panic!("{other:?}"),
        }
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn config_maps_are_projected_into_one_directory() {
        let root = tempfile::tempdir().unwrap();
        let volume = json!({"projected": {"defaultMode": 0o440, "sources": [
            {"configMap": {"name": "one", "items": [
                {"key": "0000-run", "path": "run", "mode": 0o755},
                {"key": "0001-x", "path": "d/e/x.txt"},
            ]}},
            {"configMap": {"name": "two", "items": [
                {"key": "0002-y", "path": "d/y", "mode": 0o644},
                {"key": "0003-z", "path": "z"},
            ]}},
        ]}});
        let directory = read_only(&volume, root.path()).unwrap();

        let seen = names(&directory);
        let stamped = directory.join(&seen[0]);
        assert!(seen[0].starts_with("..20"), "{seen:?}");
        assert_eq!(seen[1..], ["..data", "d", "run", "z"]);
        for (link, to) in [
            ("..data", seen[0].as_str()),
            ("d", "..data/d"),
            ("run", "..data/run"),
            ("z", "..data/z"),
        ] {
            assert_eq!(fs::read_link(directory.join(link)).unwrap(), Path::new(to));
        }
        assert!(!stamped.join("d/e/x.txt").is_symlink());
        for (path, content, mode) in [
            ("run", &b"#!/bin/sh\n"[..], 0o755),
            ("d/e/x.txt", b"text", 0o440),
            ("d/y", b"y", 0o644),
            ("z", b"\0\xff\xfe", 0o440),
        ] {
            assert_eq!(fs::read(directory.join(path)).unwrap(), content, "{path}");
            assert_eq!(mode_of(&directory.join(path)), mode, "{path}");
        }
        for path in ["..data", "d", "d/e"] {
            assert_eq!(mode_of(&directory.join(path)), 0o755, "{path}");
        }
    }

    #[test]
    fn what_kubelet_cannot_mount_fails() {
        let root = tempfile::tempdir().unwrap();
        let of = |name: &str, key: &str, path: &str| {
            let items = json!([{"key": key, "path": path}]);
            let sources = json!([{"configMap": {"name": name, "items": items}}]);
            read_only(&json!({"projected": {"sources": sources}}), root.path())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            of("gone", "a", "a"),
            "MountVolume.SetUp failed for volume \"v\": ConfigMap \"gone\" not found"
        );
        assert!(of("one", "gone", "a").contains("non-existent config key: gone"));
        let long = "x".repeat(256);
        for path in ["/a", "../a", "a/../b", "..a", "", long.as_str()] {
            assert!(of("one", "0001-x", path).contains("invalid path"), "{path}");
        }
        assert!(
            lay_out(
                &pod(&json!({"hostPath": {"path": "/"}})),
                &objects,
                root.path()
            )
            .is_err()
        );
    }

    #[test]
    fn secrets_show_their_items_only() {
        let root = tempfile::tempdir().unwrap();
        let items = json!([{"key": "json", "path": "creds.json"}]);
        let volume = json!({"secret": {"secretName": "key", "items": items, "defaultMode": 0o400}});
        let directory = read_only(&volume, root.path()).unwrap();
        assert_eq!(names(&directory)[1..], ["..data", "creds.json"]);
        let file = sub_path(&directory, "creds.json").unwrap();
        assert!(file.is_file() && !file.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"{}");
        assert_eq!(mode_of(&file), 0o400);

        let all = json!({"secret": {"secretName": "key"}});
        let directory = read_only(&all, &root.path().join("all")).unwrap();
        assert_eq!(names(&directory)[1..], ["..data", "json", "other"]);
    }

    #[test]
    fn empty_directories_are_writable_or_memory() {
        let root = tempfile::tempdir().unwrap();
        let laid_out = |volume| {
            lay_out(&pod(&json!({"emptyDir": volume})), &objects, root.path())
                .unwrap()
                .remove("v")
                .unwrap()
        };
        let directory = root.path().join("v");
        assert_eq!(laid_out(json!({})), Volume::Writable(directory.clone()));
        assert_eq!(mode_of(&directory), 0o777);
        let memory = json!({"medium": "Memory", "sizeLimit": "8Gi"});
        assert_eq!(laid_out(memory), Volume::Memory(Some(8 << 30)));
    }

    #[test]
    fn the_service_account_is_a_projection() {
        let root = tempfile::tempdir().unwrap();
        let volume = json!({"projected": {"sources": [
            {"serviceAccountToken": {"path": "token"}},
            {"downwardAPI": {"items": [
                {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}},
            ]}},
        ]}});
        let directory = read_only(&volume, root.path()).unwrap();
        assert_eq!(fs::read(directory.join("namespace")).unwrap(), b"team");
        assert!(directory.join("token").is_file());
    }
}
