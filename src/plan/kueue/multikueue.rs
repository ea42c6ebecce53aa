//! What a workload takes along when Kueue sends it to another cluster (MultiKueue): only
//! the workload itself is copied there, and nothing it refers to.

use crate::plan::{Plan, Refusal};
use crate::quantity::ByteSize;
use crate::secrecy;
use crate::workload::packed::PackedFiles;

/// Most bytes of the files of one pod, as a text. Kubernetes allows 256 KiB for all
/// annotations of an object (`TotalAnnotationSizeLimitB`, v1.36); the rest is left for
/// those of the user, of Kueue and of KubeRay.
const MOST_PACKED: u64 = 245_760;
/// The same as an archive, of which each three bytes become four.
const MOST_COMPRESSED: ByteSize = ByteSize(MOST_PACKED / 4 * 3);
/// Most bytes that all pods hold together. Each pod is an object of its own in etcd,
/// whose default quota is 2 GiB.
const MOST_IN_ALL: ByteSize = ByteSize(16 << 20);

const OTHER_QUEUE: &str = "or choose a queue of this cluster with -q";

/// Gives a workload that runs in another cluster the files that it needs there.
///
/// # Errors
/// [`Refusal`] with what would stay behind. It is wrong rather than hopeless:
/// `--force` does not pass it.
pub fn send_away(plan: &mut Plan) -> Result<(), Refusal> {
    let queue = plan.local_queue.clone().unwrap_or_default();
    let about = |mut refusal: Refusal| {
        refusal.message = format!(
            "queue {queue:?} sends workloads to other clusters (MultiKueue), and {}",
            refusal.message
        );
        refusal
            .about(format!("localqueue/{queue}"))
            .hint(OTHER_QUEUE)
    };
    check(plan).map_err(about)?;
    plan.packed = packed(plan).map_err(about)?;
    plan.is_sent_away = true;
    Ok(())
}

/// Checks that it needs nothing but files.
fn check(plan: &Plan) -> Result<(), Refusal> {
    let request = &plan.request;
    if request.session.is_some() {
        return Err(
            Refusal::new("no one can attach to a pod there through this cluster")
                .hint("submit it, without anyone attached"),
        );
    }
    if plan.indexed() {
        return Err(Refusal::new(
            "the Service that connects the pods of a Job is not copied to them",
        )
        .hint("use --ray: the pods of a RayJob find each other on any cluster"));
    }
    let local = request.environment.local();
    let local: Vec<String> = local.map(|(name, _)| secrecy::variable(name)).collect();
    if let Some(name) = local.first() {
        return Err(Refusal::new(format!(
            "the Secret with {} is not copied to them",
            local.join(", ")
        ))
        .hint(format!(
            "create a Secret on these clusters, and name it: --secret {name}=SECRET/KEY"
        )));
    }
    if request.kept_claim().is_some() {
        return Err(
            Refusal::new("the claim of --keep-storage is not copied to them").hint(
                "create a claim on these clusters, and name it: --volume CLAIM:/scratch/kept",
            ),
        );
    }
    Ok(())
}

/// Packs the files.
fn packed(plan: &Plan) -> Result<Option<PackedFiles>, Refusal> {
    const IMAGE: &str = "put the files into an image: -i registry/image:tag -- COMMAND, without -p";
    let request = &plan.request;
    if request.upload.is_empty() {
        return Ok(None);
    }
    if !request.kind.is_batch() {
        return Err(Refusal::new("the uploads of a service are not copied to them").hint(IMAGE));
    }
    if !request.copies_uploads() {
        let refusal =
            Refusal::new("uploads only get there if the container's command unpacks them");
        return Err(match request.pods.read_only_workdir {
            true => refusal.hint("remove --read-only-workdir"),
            false => refusal.hint("add the command that the image runs: -- COMMAND"),
        });
    }
    let too_large = |what: String| {
        Refusal::new(what)
            .hint("exclude files that the program does not need in .kaiwoignore")
            .hint(IMAGE)
    };
    let Some(packed) = PackedFiles::new(&request.upload) else {
        return Err(too_large(
            "the files have names that no archive holds".to_owned(),
        ));
    };
    if packed.size() > MOST_PACKED {
        return Err(too_large(format!(
            "only {MOST_COMPRESSED} of compressed files travel with a workload, not {}",
            // Rounded up, or a little too much would look like enough.
            ByteSize(packed.compressed_size().div_ceil(1024) * 1024)
        )));
    }
    let pods: i64 = plan.pods.iter().map(|set| set.count).sum();
    let in_all = ByteSize(packed.size().saturating_mul(pods.max(0).unsigned_abs()));
    if in_all > MOST_IN_ALL {
        return Err(too_large(format!(
            "the files would be in each of {pods} pods, {in_all} in all, which is more than {MOST_IN_ALL}"
        )));
    }
    Ok(Some(packed))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind::WorkloadKind;
    use crate::plan::facts::ClusterFacts;
    use crate::plan::request::{Run, WorkloadRequest};
    use crate::plan::{plan_in, testing};
    use crate::secrecy::Confidential;
    use crate::workload::environment::{EnvSource, LocalValue};
    use crate::workload::upload::{Upload, UploadFile};

    fn facts() -> ClusterFacts {
        let quota = json!([{"coveredResources": ["cpu", "memory", "amd.com/gpu"], "flavors": [{
        "name": "amd", "resources": [
            {"name": "cpu", "nominalQuota": "9000"},
            {"name": "memory", "nominalQuota": "90Ti"},
            {"name": "amd.com/gpu", "nominalQuota": "800"},
        ]}]}]);
        let queue = testing::cluster_queue("kaiwo", json!({"resourceGroups": quota}), json!({}));
        let flavor = testing::flavor("amd", json!({}));
        ClusterFacts {
            is_sent_away: true,
            ..testing::facts(vec![queue], vec![flavor])
        }
    }

    /// Bytes that no compression makes less of.
    fn noise(size: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..size).map(next).collect()
    }

    fn request(kind: WorkloadKind, gpus: i64, bytes: usize) -> WorkloadRequest {
        let file = UploadFile {
            path: "data".to_owned(),
            content: Confidential::new(noise(bytes)),
            executable: false,
        };
        WorkloadRequest {
            run: Run::Command(vec!["train".to_owned()]),
            upload: Upload::new(vec![file]),
            gpus_per_node: Some(1),
            ..testing::request(kind, gpus)
        }
    }

    fn plan(request: WorkloadRequest) -> Result<Plan, Refusal> {
        plan_in(request, Some("kaiwo"), &facts())
    }

    #[test]
    fn small_files_travel_inside_of_a_job_and_a_rayjob() {
        for kind in [WorkloadKind::Job, WorkloadKind::RayJob] {
            let plan = plan(request(kind, 1, 100_000)).unwrap();
            assert!(plan.is_sent_away);
            assert!(plan.packed.unwrap().size() > 100_000);
        }
    }

    #[test]
    fn the_limit_is_that_of_the_annotation() {
        let fits = plan(request(WorkloadKind::Job, 1, 178_000)).unwrap();
        assert!(fits.packed.unwrap().size() <= MOST_PACKED);
        let refusal = plan(request(WorkloadKind::Job, 1, 190_000)).unwrap_err();
        let says = "only 180 KiB of compressed files travel with a workload, not 18";
        assert!(refusal.message.contains(says), "{refusal}");
        assert!(refusal.hints[1].plain().contains("-i registry/image"));
    }

    #[test]
    fn what_all_pods_hold_has_a_limit() {
        assert!(plan(request(WorkloadKind::RayJob, 60, 178_000)).is_ok());
        let refusal = plan(request(WorkloadKind::RayJob, 80, 178_000)).unwrap_err();
        for says in ["in each of 82 pods", "in all, which is more than 16.0 MiB"] {
            assert!(refusal.message.contains(says), "{refusal}");
        }
    }

    #[test]
    fn what_stays_behind_is_refused() {
        let job = || request(WorkloadKind::Job, 1, 10);
        let mut secret = job();
        secret
            .environment
            .set("TOKEN", EnvSource::Local(LocalValue::new("x".into())));
        let mut read_only = job();
        read_only.pods.read_only_workdir = true;
        let own_program = WorkloadRequest {
            run: Run::Image,
            ..job()
        };
        let several = request(WorkloadKind::Job, 2, 10);
        for (request, says, hint) in [
            (
                secret,
                "the Secret with TOKEN is not copied",
                "--secret TOKEN=SECRET/KEY",
            ),
            (
                read_only,
                "command unpacks them",
                "remove --read-only-workdir",
            ),
            (own_program, "command unpacks them", "-- COMMAND"),
            (several, "the Service that connects the pods", "use --ray"),
        ] {
            let refusal = plan(request).unwrap_err();
            assert!(refusal.message.contains(says), "{refusal}");
            assert!(
                refusal.hints[0].plain().contains(hint),
                "{:?}",
                refusal.hints
            );
            assert_eq!(refusal.hints.last().unwrap().plain(), OTHER_QUEUE);
        }
    }
}
