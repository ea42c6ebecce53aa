//! The makers of GPUs, and the names that their device plugins and labellers
//! use.

use super::request::toleration::Toleration;
use crate::api::gpu_resource::is_mig;
use crate::api::keys;

/// Makers of GPUs, as far as they matter to kaiwo: for labels and images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// `amd.com/…`
    Amd,
    /// `nvidia.com/…`
    Nvidia,
    /// Any other device plugin.
    Other,
}

impl Vendor {
    /// Returns the vendor of an extended resource.
    pub fn from_resource(resource: &str) -> Self {
        match resource.split('/').next() {
            Some("amd.com") => Self::Amd,
            Some("nvidia.com") => Self::Nvidia,
            _ => Self::Other,
        }
    }
}

/// Returns what lets pods onto nodes that are kept for those with GPUs: by
/// custom such a taint has the name of the resource, or of the vendor's whole
/// GPUs.
pub fn tolerations(resource: &str) -> Vec<Toleration> {
    let whole = match Vendor::from_resource(resource) {
        Vendor::Amd => keys::AMD_GPU,
        Vendor::Nvidia => keys::NVIDIA_GPU,
        Vendor::Other => resource,
    };
    let mut keys = vec![whole];
    keys.extend(Some(resource).filter(|resource| *resource != whole));
    keys.into_iter()
        .map(|key| Toleration {
            key: key.to_owned(),
            value: None,
            effect: None,
        })
        .collect()
}

/// Returns the node label in which the vendor's own labeller counts `resource`
/// on a node. `nvidia.com/gpu.count` counts whole GPUs even where they are
/// sliced, so that slices have labels of their own (GPU feature discovery,
/// strategy `mixed`).
pub fn count_label(resource: &str) -> Option<String> {
    match resource {
        keys::AMD_GPU => Some(keys::AMD_GPU_COUNT_LABEL.to_owned()),
        keys::NVIDIA_GPU => Some(keys::NVIDIA_GPU_COUNT_LABEL.to_owned()),
        slice if is_mig(slice) => Some(format!("{slice}.count")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::gpu_resource::is_gpu_resource;

    #[test]
    fn gpus_are_told_from_other_resources() {
        for name in [
            "amd.com/gpu",
            "amd.com/cpx_nps4",
            "nvidia.com/gpu",
            "nvidia.com/gpu.shared",
            "nvidia.com/mig-1g.10gb",
            "gpu.intel.com/i915",
            "example.org/gpu",
        ] {
            assert!(is_gpu_resource(name), "{name}");
        }
        for name in [
            "cpu",
            "memory",
            "ephemeral-storage",
            "gpu",
            "rdma/hca",
            "nvidia.com/gpu.memory",
            "gpu.intel.com/i915_monitoring",
            "gpu.intel.com/memory.max",
        ] {
            assert!(!is_gpu_resource(name), "{name}");
        }
        assert_eq!(
            Vendor::from_resource("nvidia.com/mig-1g.10gb"),
            Vendor::Nvidia
        );
        assert_eq!(Vendor::from_resource("amd.com/cpx_nps4"), Vendor::Amd);
        assert_eq!(Vendor::from_resource("gpu.intel.com/xe"), Vendor::Other);
    }

    #[test]
    fn a_label_that_counts_whole_gpus_does_not_count_slices() {
        assert_eq!(
            count_label("nvidia.com/gpu").as_deref(),
            Some("nvidia.com/gpu.count")
        );
        assert_eq!(
            count_label("nvidia.com/mig-1g.10gb").as_deref(),
            Some("nvidia.com/mig-1g.10gb.count")
        );
        assert_eq!(count_label("nvidia.com/gpu.shared"), None);
        assert_eq!(count_label("amd.com/cpx_nps4"), None);
    }
}
