//! Chooses the image of a workload if the user names none.

use super::Refusal;
use super::request::WorkloadRequest;
use crate::api::vendor::Vendor;

/// Ray and ROCm for AMD GPUs: the image of the original kaiwo.
const ROCM_RAY: &str = "ghcr.io/silogen/rocm-ray:v0.5";
/// Version of Ray that [`RAY`] images have unless `--ray-version` says other.
const RAY_VERSION: &str = "2.46.0";
/// Ray's own images, by version: with CUDA under `-gpu`, else for CPUs.
const RAY: &str = "rayproject/ray";

/// KAITO's image with its inference server for models of one's own, the one
/// that KAITO's examples of custom models name.
const KAITO_BASE: &str = "mcr.microsoft.com/aks/kaito/kaito-base:0.0.8";

/// Returns the user's image, or the vendor's default for a directory.
///
/// # Errors
/// [`Refusal`] if there is no default for the vendor.
pub fn choose(
    request: &WorkloadRequest,
    vendor: Option<Vendor>,
    gpus: bool,
) -> Result<String, Refusal> {
    if let Some(image) = &request.image {
        return Ok(image.clone());
    }
    if request.kind.is_kaito() {
        return Ok(KAITO_BASE.to_owned());
    }
    let version = request.ray_version.as_deref().unwrap_or(RAY_VERSION);
    match vendor {
        Some(Vendor::Amd) => Ok(ROCM_RAY.to_owned()),
        Some(Vendor::Nvidia) if gpus => Ok(format!("{RAY}:{version}-gpu")),
        Some(Vendor::Nvidia) | None => Ok(format!("{RAY}:{version}")),
        Some(Vendor::Other) => Err(
            Refusal::new("there is no default image for this kind of GPU")
                .hint("name one: -i registry/image:tag (or image in ~/.config/kaiwo/config.yaml)"),
        ),
    }
}
