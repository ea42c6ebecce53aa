//! What other programs call what kaiwo has a flag for.

use clap::Command;

use super::{has, with_word};
use crate::shell;
use crate::suggestion::{Suggestion, kubectl};

/// Flags of other programs, kaiwo's own, and what to say.
type Row = (&'static str, &'static str, &'static str);

/// The rows; `{}` is the value that was typed.
pub(super) const FLAGS: &[Row] = &[
    (
        "-N --nodes --num-nodes --nnodes --workers --num-workers --parallelism --ntasks --num-replicas",
        "--replicas",
        "use --replicas {} for the number of pods; -g alone splits the GPUs over nodes automatically",
    ),
    (
        "--gpu --num-gpus --ngpus --gres --accelerators --gpu-count --entrypoint-num-gpus",
        "--gpus",
        "use -g {#}, the total over all pods",
    ),
    (
        "--gpus-per-pod --gpus-per-worker --nproc-per-node --gpus-per-task --ntasks-per-node",
        "--gpus-per-replica",
        "use --gpus-per-replica {}",
    ),
    (
        "--gpu-type --accelerator --gpu-model --gpu-product --constraint",
        "--node-selector",
        "use --node-selector KEY=VALUE, with a label of such nodes (see kaiwo nodes), or a queue for such nodes: -q QUEUE",
    ),
    (
        "--cpu --cpus-per-task --ncpus --num-cpus --cpu-limit --entrypoint-num-cpus",
        "--cpus",
        "use --cpus {}, which is per pod",
    ),
    (
        "--mem --ram --mem-per-cpu --memory-limit --entrypoint-memory",
        "--memory",
        "use --memory {}, which is per pod",
    ),
    (
        "--mem-per-gpu",
        "--memory-per-gpu",
        "use --memory-per-gpu {}",
    ),
    (
        "--cpus-per-gpus --cpu-per-gpu",
        "--cpus-per-gpu",
        "use --cpus-per-gpu {}",
    ),
    (
        "--shm-size --ipc --large-shm",
        "--shm",
        "use --shm SIZE for the size of /dev/shm, which is part of the pod's memory (default: half of it)",
    ),
    (
        "--time --time-limit --max-time --max-duration --walltime --deadline --active-deadline-seconds",
        "--max-runtime",
        "use --max-runtime TIME: 90s, 30m, 2d",
    ),
    (
        "--partition --pool --cluster-queue --local-queue",
        "--queue",
        "use -q {}",
    ),
    (
        "--job-name --title --run-name --submission-id",
        "--name",
        "use --name {}",
    ),
    (
        "--cmd --command --entrypoint --exec --run --script --args --wrap",
        "--path",
        "use -- {} as the last arguments",
    ),
    (
        "--mount --volumes --pvc --existing-pvc --data --volume-mount",
        "--volume",
        "use --volume PVC:/path, with the name of a PersistentVolumeClaim",
    ),
    (
        "--docker-image --container --container-image",
        "--image",
        "use -i {}",
    ),
    (
        "--environment --env-var --envs --export",
        "--env",
        "use --env {}",
    ),
    (
        "--secrets --secret-env --env-secret",
        "--secret",
        "use --secret NAME=SECRET/KEY, with a Secret from kubectl create secret generic",
    ),
    (
        "--detach --no-wait --async --background --detach-run",
        "--wait",
        "not needed: kaiwo returns at once unless --wait or --follow is given",
    ),
    (
        "--priority --qos",
        "--priority-class",
        "use --priority-class {}",
    ),
    (
        "--max-retries --backoff-limit --max-restarts --retry --retry-until-up",
        "--retries",
        "use --retries {}",
    ),
    (
        "--restart --restart-policy --requeue",
        "--retries",
        "use --retries N, the number of times a failed pod is restarted",
    ),
    (
        "--cron --cron-schedule --every",
        "--schedule",
        "use --schedule '0 3 * * *'",
    ),
    (
        "-w --workdir --working-dir --dir --directory --folder --source --chdir",
        "--path",
        "use -p DIR, which is uploaded and becomes the working directory",
    ),
    (
        "--publish --http-port --expose --target-port --ports",
        "--port",
        "use --port {}",
    ),
    (
        "--host --domain --hostname",
        "--ingress",
        "use --ingress {}",
    ),
    (
        "--min-replicas --max-replicas --min-scale --max-scale",
        "--autoscale",
        "use --autoscale MIN..MAX",
    ),
    (
        "--tensor-parallel-size --max-model-len --gpu-memory-utilization --dtype --quantization",
        "--path",
        "use the server's own arguments as the last ones, after --",
    ),
    (
        "--rm --interactive",
        "--wait",
        "not needed: pods are deleted with the workload; use exec for a shell in them",
    ),
    (
        "--region --zone",
        "--node-selector",
        "use --node-selector topology.kubernetes.io/region={}, or a queue for such nodes: -q QUEUE",
    ),
    (
        "--machine-type --node-type --vm-size --instance --flavor",
        "--node-selector",
        "use --node-selector node.kubernetes.io/instance-type={}, or a queue for such nodes: -q QUEUE",
    ),
    (
        "--spot --use-spot --preemptible --on-demand",
        "--queue",
        "use -q QUEUE for such nodes (see kaiwo queues), or --toleration for their taint",
    ),
    (
        "--exclusive --whole-node",
        "--gpus-per-replica",
        "use --gpus-per-replica N, with all GPUs of a node (see kaiwo nodes)",
    ),
    (
        "--pip --requirements --runtime-env --runtime-env-json --conda --packages",
        "--image",
        "use -i with an image that has them, or an entrypoint that installs them",
    ),
    (
        "--address --ray-address --dashboard-host",
        "--ray",
        "use --ray: the job gets its own Ray cluster",
    ),
    (
        "--network --net --privileged --cap-add --cap-drop --device --security-opt --ulimit --overrides --image-pull-policy --platform",
        "--template",
        "use your own template: kaiwo template eject job DIR",
    ),
    (
        "--dependency --depends-on --after --begin",
        "--wait",
        "use --wait in a script: the next command runs when this one has finished",
    ),
    (
        "-r -R -a -p --recursive --archive --preserve --no-preserve --retries",
        "--helper-image",
        "not needed: directories are copied whole, with modes and times, and a broken connection is continued",
    ),
    ("--all", "--all-namespaces", "use -A"),
    (
        "-u --user --me --author",
        "--mine",
        "use --mine for your own",
    ),
    ("--lines --last", "--tail", "use --tail {#}"),
    ("--stream --watch", "--follow", "use -f"),
    (
        "--mail-type --mail-user --email --slack --webhook",
        "--notify",
        "use --wait --notify URL, or --notify 'COMMAND' with a command that sends the mail",
    ),
    (
        "--nodelist --nodefile --node-name",
        "--node-selector",
        "use --node-selector kubernetes.io/hostname={}",
    ),
    (
        "--node-pools --node-pool",
        "--queue",
        "use -q QUEUE for such nodes (see kaiwo queues)",
    ),
    (
        "--disk-size --disk --ephemeral-storage --new-pvc",
        "--storage",
        "use --storage SIZE for a claim at /scratch",
    ),
    (
        "--ttl-after-finish --ttl-seconds-after-finished --autostop --down --idle-minutes-to-autostop --idle-duration",
        "--ttl",
        "use --ttl TIME to delete the Job that long after its end; its GPUs are free at once",
    ),
    (
        "--test-only --dry --what-if --preview",
        "--dry-run",
        "use --dry-run or --dry-run=server",
    ),
    (
        "--serviceaccount --sa",
        "--service-account",
        "use --service-account {}",
    ),
    (
        "--labels --tags --metadata-json",
        "--label",
        "use --label K=V",
    ),
    ("--annotations", "--annotation", "use --annotation K=V"),
    (
        "--health-cmd --readiness-probe --liveness-probe --probe-path --health-check",
        "--health-path",
        "use --health-path PATH, which the server answers once it is ready",
    ),
    (
        "--project --account",
        "--namespace",
        "use -n {}: a project is a namespace, and -q selects its queue",
    ),
    (
        "--cloud --infra --backend",
        "--context",
        "use --context NAME to select the cluster",
    ),
    (
        "--all-containers --prefix --node-rank",
        "--all-pods",
        "use --all-pods or --pod POD",
    ),
    ("--since-time", "--since", "use --since TIME: 90s, 10m, 2h"),
    (
        "--sort-by --field-selector --no-headers --show-labels --format --template",
        "--selector",
        "use -o json for other programs, and -l LABELS to select",
    ),
    ("--state --states -t", "--status", "use --status {}"),
    (
        "--now --grace-period --cascade --purge --signal",
        "--yes",
        "not needed: kaiwo ends the pods and deletes everything that belongs to the workload",
    ),
    (
        "--wait",
        "--no-wait",
        "not needed: kaiwo waits until everything is deleted unless --no-wait is given",
    ),
];

/// Likewise, where the value is a manifest, which kubectl takes.
pub(super) const FILES: &[Row] = &[
    (
        "-f --file --filename --manifest --yaml --values",
        "--template",
        "use -p for a directory, -t for your own template, -c for its values; use kubectl for manifests",
    ),
    (
        "-f",
        "--all",
        "pass the name of a workload; use kubectl for manifests",
    ),
];

/// Returns what kaiwo has for a flag that it does not, if the command has that.
/// `value` is what follows it.
pub fn flag(command: &Command, typed: &str, value: Option<&str>) -> Option<Suggestion> {
    let name = typed.split('=').next().unwrap_or(typed);
    let has_own = |own: &str| {
        let own = own.trim_start_matches('-');
        let mut flags = command.get_arguments();
        flags.any(|flag| flag.get_long() == Some(own))
    };
    let find = |rows: &'static [Row]| {
        let mut rows = rows.iter().filter(|(known, ..)| has(known, name));
        rows.find(|(_, own, _)| has_own(own))
    };
    let of_file = find(FILES);
    let (_, _, text) = of_file.or_else(|| find(FLAGS))?;
    // Of gpu:a100:2, how many.
    let last = value.and_then(|value| value.rsplit([':', '=', ',', 'x']).next());
    let number = last
        .filter(|last| last.parse::<u32>().is_ok())
        .unwrap_or("N");
    let quoted = value.map_or("VALUE".to_owned(), shell::quoted);
    let text = text.replace("{#}", number).replace("{}", &quoted);
    if of_file.is_none() {
        return Some(text.into());
    }
    let verb = match command.get_name() {
        "delete" => "delete -f",
        _ => "apply -f",
    };
    Some(with_word(kubectl(verb, &[]), value.unwrap_or("FILE")).to(text))
}
