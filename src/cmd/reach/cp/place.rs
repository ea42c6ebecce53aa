//! Finds where the files of a workload are reached: in a pod of it, in one that has its
//! claim mounted, or through one that is started for that.

use serde_json::Value;

use crate::api::claim::Claim;
use crate::api::pod::Pod;
use crate::api::resource::Resource;
use crate::cli::CpArgs;
use crate::cluster::reach::copy::Container;
use crate::cluster::reach::copy::helper::{self, Created};
use crate::cluster::reach::logs;
use crate::cluster::read::lookup::{self, Found, LookupError};
use crate::cmd::reach::selection;
use crate::cmd::target::Reached;
use crate::error::{CommandError, ErrorClass};
use crate::observe::Snapshot;
use crate::observe::pod_selection::{PodChoiceError, Single};
use crate::observe::storage::helper::Helper;
use crate::observe::storage::mounts::{self, MountedClaim, SCRATCH};
use crate::transfer::end::Direction;

/// A container, and the path in it.
pub struct ContainerPath {
    pub container: Container,
    pub path: String,
    /// The claim, if it is reached through another workload's pod.
    claim: Option<String>,
    /// Whether the pod is started for it.
    is_helper: bool,
}

/// How files are reached.
pub enum CopyRoute {
    /// In a pod that runs.
    Pod(ContainerPath),
    /// Through a pod that is started for it.
    Helper(Box<HelperPlan>),
}

/// The pod that is started.
pub struct HelperPlan {
    /// The claim, and where the workload has it.
    pub mount: MountedClaim,
    workload: String,
    image: String,
    writes: bool,
    spec: Option<Value>,
    node: Option<String>,
    queue: Option<String>,
}

impl ContainerPath {
    /// Returns it in words.
    pub fn words(&self) -> String {
        let Container { pod, container, .. } = &self.container;
        match &self.claim {
            Some(claim) => format!("claim {claim}, in pod {pod}, container {container}"),
            None => format!("pod {pod}, container {container}"),
        }
    }

    /// Returns whether it is the workload's own.
    pub fn is_own(&self) -> bool {
        self.claim.is_none() && !self.is_helper
    }
}

impl CopyRoute {
    /// Finds the way.
    pub async fn find(
        reached: &Reached,
        args: &CpArgs,
        direction: &Direction,
    ) -> Result<Self, CommandError> {
        let wanted = direction.workload();
        let path = direction.remote_path();
        let namespace = &reached.namespace;
        let found = lookup::find(&reached.cluster, &reached.served, namespace, wanted).await;
        let found = match found {
            Ok(found) => found,
            // A Job goes after its --ttl, its claim does not.
            Err(error @ LookupError::NotFound { .. }) => {
                let mount = MountedClaim {
                    claim: format!("{}-scratch", wanted.name),
                    path: SCRATCH.to_owned(),
                    read_only: false,
                };
                let is_on_it = mounts::holding(std::slice::from_ref(&mount), path).is_some();
                if !is_on_it || claim(reached, &mount.claim).await?.is_none() {
                    return Err(error.into());
                }
                return Self::through_claim(reached, args, direction, mount, None).await;
            }
            Err(error) => return Err(error.into()),
        };
        let workload = found.workload.clone();
        let mut single = selection::single(args.pod.as_deref(), args.worker, args.head);
        let snapshot = selection::snapshot_for(reached, workload, &mut single).await?;
        logs::readable(&reached.cluster, &snapshot).await?;
        let none = match snapshot.running(&single) {
            Ok(pod) => {
                let container = pod.container(args.container.as_deref())?.to_owned();
                let container = Container {
                    namespace: pod.metadata.namespace.clone(),
                    pod: pod.name().to_owned(),
                    container,
                };
                let path = path.to_owned();
                return Ok(Self::Pod(ContainerPath {
                    container,
                    path,
                    claim: None,
                    is_helper: false,
                }));
            }
            Err(error @ PodChoiceError::NoneRuns { .. }) if single == Single::Main => error,
            Err(error) => return Err(error.into()),
        };
        let mounted = mounts::pod_spec(&found.object).map_or_else(Vec::new, mounts::of_spec);
        let Some(mount) = mounts::holding(&mounted, path) else {
            return Err(lost(none, path, &mounted, &snapshot));
        };
        if claim(reached, &mount.claim).await?.is_none() {
            let message = format!("{none}, and claim {} does not exist", mount.claim);
            return Err(CommandError::new(ErrorClass::Refused, message));
        }
        let own = Some((&found, &snapshot));
        Self::through_claim(reached, args, direction, mount.clone(), own).await
    }

    async fn through_claim(
        reached: &Reached,
        args: &CpArgs,
        direction: &Direction,
        mount: MountedClaim,
        own: Option<(&Found, &Snapshot)>,
    ) -> Result<Self, CommandError> {
        let writes = matches!(direction, Direction::Upload { .. });
        let pods = Resource::known("v1", "Pod");
        let pods: Vec<Pod> = reached.cluster.list(&pods, &reached.namespace, "").await?;
        if let Some(holder) = mounts::holder(&pods, &mount.claim)
            && !(writes && holder.mount.read_only)
        {
            let path = mounts::moved(direction.remote_path(), &mount.path, &holder.mount.path);
            let container = Container {
                namespace: reached.namespace.clone(),
                pod: holder.pod,
                container: holder.container,
            };
            return Ok(Self::Pod(ContainerPath {
                container,
                path,
                claim: Some(mount.claim),
                is_helper: false,
            }));
        }
        let spec = own.and_then(|(found, _)| mounts::pod_spec(&found.object));
        let image = spec.and_then(|spec| spec.pointer("/containers/0/image"));
        let image = image.and_then(Value::as_str).map(str::to_owned);
        let name = &direction.workload().name;
        let Some(image) = args.helper_image.clone().or(image) else {
            let message = format!(
                "{name} does not exist any more, so the image that reads claim {} is not known",
                mount.claim
            );
            let error = CommandError::new(ErrorClass::Refused, message);
            return Err(error.hint("choose one with a shell: --helper-image busybox"));
        };
        let last = own.and_then(|(_, snapshot)| {
            let pods = snapshot.pods().iter();
            pods.max_by_key(|pod| pod.metadata.creation_timestamp)
        });
        Ok(Self::Helper(Box::new(HelperPlan {
            mount,
            workload: name.clone(),
            image,
            writes,
            spec: spec.cloned(),
            node: last.and_then(|pod| pod.node().map(str::to_owned)),
            queue: own.and_then(|(found, _)| found.workload.queue().map(str::to_owned)),
        })))
    }
}

impl HelperPlan {
    /// Creates it.
    pub async fn create(&self, reached: &Reached, id: String) -> Result<Created, CommandError> {
        let helper = Helper {
            workload: &self.workload,
            namespace: &reached.namespace,
            id: &id,
            image: &self.image,
            mount: &self.mount,
            writes: self.writes,
            spec: self.spec.as_ref(),
            node: self.node.as_deref(),
            queue: None,
        };
        Ok(helper::create(&reached.cluster, helper, self.queue.as_deref()).await?)
    }

    /// Returns where the files are in it.
    pub fn place(&self, created: &Created, direction: &Direction) -> ContainerPath {
        ContainerPath {
            container: Container {
                namespace: created.namespace.clone(),
                pod: created.name.clone(),
                container: "files".to_owned(),
            },
            path: direction.remote_path().to_owned(),
            claim: None,
            is_helper: true,
        }
    }
}

async fn claim(reached: &Reached, name: &str) -> Result<Option<Claim>, CommandError> {
    let resource = Resource::known("v1", "PersistentVolumeClaim");
    let found = reached.cluster.find(&resource, &reached.namespace, name);
    Ok(found.await?)
}

/// Returns the error for files that no claim holds.
fn lost(
    none: PodChoiceError,
    path: &str,
    mounted: &[MountedClaim],
    snapshot: &Snapshot,
) -> CommandError {
    let message = format!("{none}, and {path} is not on a claim that outlives its pods");
    let error = CommandError::new(ErrorClass::Refused, message);
    match mounted {
        [] => {
            let why = snapshot.workload.command("why {} -n {}");
            error.hint(why.to("see why no pod runs"))
        }
        mounted => {
            let known = mounted
                .iter()
                .map(|it| format!("{} ({})", it.path, it.claim));
            let known: Vec<String> = known.collect();
            error.hint(format!("on claims: {}", known.join(", ")))
        }
    }
}
