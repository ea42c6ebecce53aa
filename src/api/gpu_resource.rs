//! Tells which extended resources are GPUs.

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
pub fn is_mig(resource: &str) -> bool {
    resource.starts_with("nvidia.com/mig-")
}
