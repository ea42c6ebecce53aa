//! The makers of GPUs, and the names that their device plugins and labellers
//! use.

use super::keys;

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
    /// Those whose names are known.
    pub const KNOWN: [Self; 2] = [Self::Amd, Self::Nvidia];

    /// Returns the extended resource of its whole GPUs, if that is known.
    pub fn whole_gpu(self) -> Option<&'static str> {
        match self {
            Self::Amd => Some(keys::AMD_GPU),
            Self::Nvidia => Some(keys::NVIDIA_GPU),
            Self::Other => None,
        }
    }

    /// Returns the vendor of an extended resource.
    pub fn from_resource(resource: &str) -> Self {
        match resource.split('/').next() {
            Some("amd.com") => Self::Amd,
            Some("nvidia.com") => Self::Nvidia,
            _ => Self::Other,
        }
    }
}

/// Returns whether `resource` names GPUs: whole ones, or the parts that a
/// device plugin hands out under a name of their own.
///
/// NVIDIA: slices (`nvidia.com/mig-1g.10gb`) and shared GPUs
/// (`nvidia.com/gpu.shared`). AMD: compute partitions under the plugin's
/// `mixed` naming (`amd.com/cpx_nps4`). Intel: by driver, `i915` or `xe`.
pub fn is_gpu_resource(resource: &str) -> bool {
    let Some((domain, name)) = resource.split_once('/') else {
        return false;
    };
    match domain {
        "nvidia.com" => is_mig(resource) || matches!(name, "gpu" | "gpu.shared"),
        "amd.com" => {
            name == "gpu"
                || name.split_once('_').is_some_and(|(compute, memory)| {
                    compute.ends_with("px") && memory.starts_with("nps")
                })
        }
        "gpu.intel.com" => matches!(name, "i915" | "xe"),
        _ => name == "gpu",
    }
}

/// Returns whether `resource` is a slice of an NVIDIA GPU (MIG).
fn is_mig(resource: &str) -> bool {
    resource.starts_with("nvidia.com/mig-")
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
