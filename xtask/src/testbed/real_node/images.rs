//! The images of a real node: layers and how they are started, as an OCI layout that containerd imports.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::files;
use super::layers::{Layer, Layers, hex};
use crate::testbed::build::binaries::NodeBinaries;
use crate::testbed::progress::Progress;

/// The tag of every image. `latest` would be pulled, and a node pulls nothing.
const TAG: &str = "1";
/// What the containers of a pod share their namespaces with.
pub const PAUSE: &str = "docker.io/testbed/pause:1";

/// What scripts of tests and Ray's own probes need.
const PYTHON: [&str; 5] = ["python3", "python-is-python3", "wget", "curl", "procps"];
const RAY: &str = "ray[default,serve]==2.60.0";
/// With pip, but without Debian's `python3-venv`, as in many images.
const UV: [&str; 2] = ["pip==26.3", "uv==0.13.9"];
/// Ray's own limits are for nodes with more cores than a machine of CI has, and it aborts beyond them.
const ENVIRONMENT: [&str; 6] = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG=C.UTF-8",
    "RAY_DASHBOARD_STARTUP_TIMEOUT_S=600",
    "RAY_agent_register_timeout_ms=600000",
    "RAY_gcs_server_request_timeout_seconds=600",
    "RAY_gcs_rpc_server_reconnect_timeout_s=600",
];
const TORCH: [&str; 2] = ["python3-torch", "python3-numpy"];

/// An image and how it starts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Image {
    /// What follows `testbed/` in its name.
    pub name: String,
    layers: Vec<Layer>,
    command: Vec<String>,
    user: String,
}

impl Image {
    fn new(name: &str, layers: &[&Layer], command: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            layers: layers.iter().map(|layer| (*layer).clone()).collect(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            user: String::new(),
        }
    }

    fn reference(&self) -> String {
        format!("docker.io/testbed/{}:{TAG}", self.name)
    }

    /// Returns the image's configuration (OCI image specification 1.1, `config.md`).
    fn configuration(&self) -> Value {
        let digests: Vec<&str> = self
            .layers
            .iter()
            .map(|layer| layer.digest.as_str())
            .collect();
        json!({
            "architecture": architecture(),
            "os": "linux",
            "config": {
                "Env": ENVIRONMENT,
                "Cmd": self.command,
                "User": self.user,
            },
            "rootfs": {"type": "layers", "diff_ids": digests},
        })
    }
}

/// Returns the machine's architecture as Go and OCI call it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Returns the images, after making those the cache has not.
pub fn ensure(
    cache: &Path,
    binaries: &NodeBinaries,
    torch: bool,
    progress: &Progress,
) -> Result<Vec<Image>> {
    let layers = Layers::new(cache, progress);
    let still = layers.program("still", &binaries.still)?;
    let python = layers.debian("python", &PYTHON)?;
    let ray = layers.python("ray", &python, &[RAY])?;
    let uv = layers.python("uv", &python, &UV)?;
    let mut user = Image::new("user", &[&python], &["sh"]);
    user.user = "1000:1000".to_owned();
    let mut busybox = Image::new("busybox", &[&layers.busybox()?], &["sh"]);
    busybox.user.clone_from(&user.user);
    let mut images = vec![
        Image::new("pause", &[&still], &["/still"]),
        Image::new("noshell", &[&still], &["/still", "there is no shell here"]),
        Image::new("python", &[&python], &["python3"]),
        Image::new("ray", &[&python, &ray], &["python3"]),
        Image::new("uv", &[&python, &uv], &["python3"]),
        user,
        busybox,
    ];
    if torch {
        let torch = layers.debian("torch", &[&PYTHON[..], &TORCH].concat())?;
        images.push(Image::new("torch", &[&torch], &["python3"]));
    }
    Ok(images)
}

/// Lays images out in `place` (OCI image specification 1.1, `image-layout.md`). The layers are links into the cache.
pub fn lay_out(images: &[Image], place: &Path) -> Result<()> {
    let blobs = place.join("blobs/sha256");
    files::remove(place)?;
    files::create_dir(&blobs)?;
    let mut manifests = Vec::new();
    for image in images {
        let configuration = blob(&blobs, &image.configuration(), "config")?;
        let mut layers = Vec::new();
        for layer in &image.layers {
            let link = blobs.join(layer.digest.trim_start_matches("sha256:"));
            if !link.exists() {
                std::os::unix::fs::symlink(&layer.file, &link)
                    .with_context(|| format!("failed to write {}", link.display()))?;
            }
            layers.push(json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": layer.digest,
                "size": layer.size,
            }));
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": configuration,
            "layers": layers,
        });
        let mut manifest = blob(&blobs, &manifest, "manifest")?;
        // containerd takes the name from the first of these (`images/archive/importer.go`).
        manifest["annotations"] = json!({
            "io.containerd.image.name": image.reference(),
            "org.opencontainers.image.ref.name": TAG,
        });
        manifests.push(manifest);
    }
    files::write(
        &place.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )?;
    let index = json!({"schemaVersion": 2, "manifests": manifests});
    files::write(&place.join("index.json"), serde_json::to_vec(&index)?)
}

/// Writes a document under its digest, and returns what leads to it.
fn blob(blobs: &Path, document: &Value, kind: &str) -> Result<Value> {
    let content = serde_json::to_vec(document)?;
    let digest = hex(&Sha256::digest(&content));
    files::write(&blobs.join(&digest), &content)?;
    Ok(json!({
        "mediaType": format!("application/vnd.oci.image.{kind}.v1+json"),
        "digest": format!("sha256:{digest}"),
        "size": content.len(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_leads_from_the_index_to_the_layers() {
        let place = std::env::temp_dir().join(format!("xtask-layout-{}", std::process::id()));
        files::create_dir(&place).unwrap();
        let file = place.join("layer.tar");
        files::write(&file, "content").unwrap();
        let digest = format!("sha256:{}", hex(&Sha256::digest("content")));
        let layer = Layer {
            file,
            digest: digest.clone(),
            size: 7,
            python: None,
        };
        let mut image = Image::new("one", &[&layer], &["/one"]);
        image.user = "1000".to_owned();
        let layout = place.join("layout");
        lay_out(&[image, Image::new("two", &[&layer], &["/two"])], &layout).unwrap();

        let read = |digest: &Value| -> Value {
            let digest = digest.as_str().unwrap().trim_start_matches("sha256:");
            files::read_json(&layout.join("blobs/sha256").join(digest)).unwrap()
        };
        let index: Value = files::read_json(&layout.join("index.json")).unwrap();
        let first = &index["manifests"][0];
        assert_eq!(
            first["annotations"]["io.containerd.image.name"],
            "docker.io/testbed/one:1"
        );
        let manifest = read(&first["digest"]);
        assert_eq!(manifest["layers"][0]["digest"], digest);
        let configuration = read(&manifest["config"]["digest"]);
        assert_eq!(configuration["rootfs"]["diff_ids"][0], digest);
        assert_eq!(configuration["config"]["User"], "1000");
        let blob = layout
            .join("blobs/sha256")
            .join(digest.trim_start_matches("sha256:"));
        assert_eq!(std::fs::read(blob).unwrap(), b"content");
        files::remove(&place).unwrap();
    }
}
