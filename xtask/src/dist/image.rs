//! The container image: an OCI layout in one file, with an image for each architecture.
//! Nothing but the executable is in it, so it is written here and needs no builder.

use anyhow::Result;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::archive::{Entry, Kind, gzip, tar};
use super::hex;
use super::product::{Executable, Product};

/// The file.
pub const FILE: &str = "kaiwo_image.tar";
/// What the image is called in the file, before its version.
pub const NAME: &str = "localhost/kaiwo";
/// User of the process: `nobody` of distroless images.
const USER: &str = "65532:65532";

/// Returns the layout with the images of the executables that are static.
pub fn image(product: &Product, executables: &[Executable]) -> Result<Option<Vec<u8>>> {
    let mut blobs = Vec::new();
    let mut images = Vec::new();
    for executable in executables.iter().filter(|it| it.is_static) {
        images.push(add(product, executable, &mut blobs)?);
    }
    if images.is_empty() {
        return Ok(None);
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": images,
    });
    let mut index = blob(
        &mut blobs,
        "application/vnd.oci.image.index.v1+json",
        index.to_string().into_bytes(),
    );
    let version = &product.version;
    index["annotations"] = json!({
        "org.opencontainers.image.ref.name": version,
        "io.containerd.image.name": format!("{NAME}:{version}"),
    });
    let layout = json!({"schemaVersion": 2, "manifests": [index]});
    let mut entries = vec![
        Entry::file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#),
        Entry::file("index.json", layout.to_string()),
    ];
    for (digest, content) in blobs {
        entries.push(Entry::file(format!("blobs/sha256/{digest}"), content));
    }
    Ok(Some(tar("", &super::archive::with_directories(&entries))?))
}

/// Adds the image of an executable, and returns its descriptor.
fn add(
    product: &Product,
    executable: &Executable,
    blobs: &mut Vec<(String, Vec<u8>)>,
) -> Result<Value> {
    let architecture = executable.architecture.name;
    let layer = tar(
        "",
        &[
            Entry::program("kaiwo", executable.content.as_slice()),
            Entry::file("LICENSE", product.licence_text.as_str()),
            Entry {
                path: "tmp".to_owned(),
                kind: Kind::Directory(0o1777),
            },
        ],
    )?;
    let uncompressed = hex(&Sha256::digest(&layer));
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": {
            "User": USER,
            "Env": ["HOME=/tmp"],
            "WorkingDir": "/tmp",
            "Entrypoint": ["/kaiwo"],
            "Labels": {
                "org.opencontainers.image.title": "kaiwo",
                "org.opencontainers.image.version": product.version,
                "org.opencontainers.image.licenses": product.licence,
                "org.opencontainers.image.source": product.home,
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{uncompressed}")]},
    });
    let config = blob(
        blobs,
        "application/vnd.oci.image.config.v1+json",
        config.to_string().into_bytes(),
    );
    let layer = blob(
        blobs,
        "application/vnd.oci.image.layer.v1.tar+gzip",
        gzip(&layer)?,
    );
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": [layer],
    });
    let mut manifest = blob(
        blobs,
        "application/vnd.oci.image.manifest.v1+json",
        manifest.to_string().into_bytes(),
    );
    manifest["platform"] = json!({"architecture": architecture, "os": "linux"});
    Ok(manifest)
}

/// Keeps a content, and returns its descriptor.
fn blob(blobs: &mut Vec<(String, Vec<u8>)>, kind: &str, content: Vec<u8>) -> Value {
    let digest = hex(&Sha256::digest(&content));
    let descriptor = json!({
        "mediaType": kind,
        "digest": format!("sha256:{digest}"),
        "size": content.len(),
    });
    if !blobs.iter().any(|(known, _)| *known == digest) {
        blobs.push((digest, content));
    }
    descriptor
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::product::tests::{executable, product};

    #[test]
    fn only_a_static_executable_can_be_alone_in_an_image() {
        assert!(image(&product(), &[executable(false)]).unwrap().is_none());
        let layout = image(&product(), &[executable(true)]).unwrap().unwrap();
        let mut archive = tar::Archive::new(layout.as_slice());
        let mut found = 0;
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            match path.strip_prefix("blobs/sha256/") {
                Some(digest) if !digest.is_empty() => {
                    assert_eq!(digest, hex(&Sha256::digest(&content)));
                    found += 1;
                }
                _ => {}
            }
        }
        // The layer, its config, the image and the index of images.
        assert_eq!(found, 4);
    }
}
