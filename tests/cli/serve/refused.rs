//! What cannot be served, and why.

use super::*;

#[test]
fn what_cannot_be_served() {
    let sandbox = home();
    for (arguments, says, helps) in [
        (
            &["-g", "1"][..],
            "nothing to run: no directory or image given",
            "kaiwo serve -p DIR",
        ),
        // Ray
        (
            &["-p", "chat", "--ray"],
            "chat/serveconfig does not exist, but a RayService needs one",
            "without --ray the directory's entrypoint is served",
        ),
        (
            &["-i", "image", "--ray"],
            "a RayService needs a directory with serveconfig",
            "-p",
        ),
        (
            &["-p", "llm", "--ray", "--", "serve", "run"],
            "a RayService runs its serveconfig, not a command",
            "after --",
        ),
        (
            &["-p", "llm", "--ray", "--port", "8000"],
            "a port (from the command line) would have no effect",
            "remove --port",
        ),
        (
            &["-p", "llm", "--ray", "--kaito"],
            "Ray (from the command line) and KAITO cannot be combined",
            "remove --kaito",
        ),
        // Network
        (
            &["-p", "chat", "--port", "0"],
            "invalid port 0 (from the command line): must be between 1 and 65535",
            "--port 8000",
        ),
        (
            &["-p", "chat", "--port", "70000"],
            "invalid port 70000 (from the command line)",
            "--port 8000",
        ),
        (
            &["-p", "chat", "--port=-1"],
            "invalid port -1 (from the command line)",
            "--port 8000",
        ),
        (
            &["-p", "chat", "--port", "8000", "--health-path", "health"],
            "--health-path: invalid health path \"health\": must begin with /",
            "use /health",
        ),
        (
            &["-p", "chat", "--health-path", "/health"],
            "--health-path needs --port",
            "--port 8000",
        ),
        (
            &["-p", "chat", "--public"],
            "--public needs a Service, and therefore --port",
            "--port 8000",
        ),
        (
            &["-p", "chat", "--ingress", "chat.example.org"],
            "--ingress needs a Service, and therefore --port",
            "--port 8000",
        ),
        (
            &["-p", "llm", "--ray", "--public"],
            "--public (from the command line) requires a Deployment: KubeRay creates the Services",
            "remove --public",
        ),
        (
            &["-p", "llm", "--ray", "--ingress", "chat.example.org"],
            "--ingress (from the command line) requires a Deployment",
            "remove --ingress",
        ),
        // Scaling
        (
            &["-p", "chat", "--autoscale", "1-5"],
            "--autoscale needs a target: CPU utilization, or a metric of the pods",
            "--target-cpu 70",
        ),
        (
            &["-p", "chat", "--autoscale", "0-5", "--target-cpu", "70"],
            "--autoscale 0-5: a HorizontalPodAutoscaler keeps at least one pod",
            "--autoscale 1-5",
        ),
        (
            &["-p", "chat", "--target-cpu", "70"],
            "--target-cpu has no effect without --autoscale",
            "--autoscale 1-5",
        ),
        (
            &["-p", "chat", "--target-metric", "queue=10"],
            "--target-metric has no effect without --autoscale",
            "--autoscale 1-5",
        ),
        (
            &["-p", "chat", "--autoscale", "1-5", "--target-cpu=-1"],
            "invalid --target-cpu -1: expected a percentage of the CPUs of a pod",
            "--target-cpu 70",
        ),
        (
            &[
                "-p",
                "chat",
                "--autoscale=1-5",
                "--target-metric=a=1",
                "--target-metric=a=2",
            ],
            "--target-metric a is given twice",
            "keep one",
        ),
        (
            &[
                "-p",
                "chat",
                "--autoscale=1-5",
                "--target-cpu=70",
                "--replicas=2",
            ],
            "the number of replicas is fixed (from the command line)",
            "keep one of --autoscale and --replicas",
        ),
        (
            &[
                "-p",
                "chat",
                "-g",
                "1",
                "--autoscale=1-5",
                "--target-cpu=70",
            ],
            "1 GPU does not divide evenly by the 5 replicas of --autoscale 1-5\n",
            "try -g 5",
        ),
        (
            &["-p", "chat", "-g", "7", "--replicas=2"],
            "7 GPUs do not divide evenly by --replicas 2\n",
            "try -g 6 or -g 8",
        ),
        (&["-m", "phi4"], "phi4", "did you mean -m phi-4?"),
        (
            &["-p", "chat", "--min-available", "2"],
            "--min-available 2 is more than the maximum of 1 pod",
            "--replicas 2",
        ),
        (
            &["-p", "llm", "--ray", "--target-cpu", "70"],
            "--target-cpu (from the command line) requires a Deployment",
            "remove --target-cpu",
        ),
        (
            &["-p", "llm", "--ray", "--min-available", "1"],
            "--min-available (from the command line) requires a Deployment",
            "remove --min-available",
        ),
        // Storage
        (
            &["-p", "chat", "--keep-storage"],
            "--keep-storage has no effect without --storage",
            "--storage 100Gi",
        ),
        (
            &[
                "-p",
                "chat",
                "--keep-storage",
                "--storage=1Gi",
                "--replicas=2",
            ],
            "--keep-storage requires one pod, and there are 2",
            "[ReadWriteMany]",
        ),
        (
            &["-p", "llm", "--ray", "--keep-storage", "--storage=1Gi"],
            "--keep-storage (from the command line) requires a Deployment",
            "remove --keep-storage",
        ),
        (
            &[
                "-p",
                "chat",
                "--preload=hf://a/b:/models",
                "--volume=models:/models:ro",
            ],
            "cannot preload into /models: claim models is mounted there read-only",
            "--volume models:/models",
        ),
        (
            &["-p", "chat", "--preload-image=loader:1"],
            "--preload-image has no effect without --preload",
            "add --preload",
        ),
        (
            &[
                "-m",
                "phi-4",
                "--node-selector=a=b",
                "--preload=hf://a/b:/models",
            ],
            "KAITO itself loads the models of its catalogue",
            "remove --preload",
        ),
        // KAITO
        (
            &["-p", "chat", "--kaito"],
            "a Workspace needs --instance-type or --node-selector",
            "--node-selector pool=llm",
        ),
        (
            &["-m", "phi-4"],
            "a Workspace needs --instance-type or --node-selector",
            "--instance-type Standard_NC24ads_A100_v4",
        ),
        (
            &["-m", "phi-4", "--ray"],
            "without Ray (from the command line)",
            "remove --ray",
        ),
        (
            &["-m", "phi-4", "-g", "2"],
            "without a number of GPUs (from the command line)",
            "--instance-type",
        ),
        (
            &["-m", "phi-4", "--gpus-per-replica", "2"],
            "without a number of GPUs (from the command line)",
            "--instance-type",
        ),
        (
            &["-m", "phi-4", "-p", "chat"],
            "without a directory (from the command line)",
            "--kaito -p DIR",
        ),
        (
            &["-m", "phi-4", "-i", "image"],
            "without an image (from the command line)",
            "--kaito -i IMAGE",
        ),
        (
            &[
                "-m",
                "phi-4",
                "--instance-type",
                "Standard_NC24ads_A100_v4",
                "-q",
                "team",
            ],
            "Kueue does not queue KAITO Workspaces",
            "remove -q",
        ),
        (
            &[
                "-m",
                "phi-4",
                "--instance-type",
                "Standard_NC24ads_A100_v4",
                "--port",
                "80",
            ],
            "a port (from the command line) would have no effect",
            "remove --port",
        ),
        (
            &["-p", "chat", "--instance-type", "Standard_NC24ads_A100_v4"],
            "--instance-type requires KAITO",
            "add --kaito",
        ),
        (
            &["-p", "chat", "-c", "missing.yaml"],
            "",
            "kaiwo template eject deployment DIR",
        ),
    ] {
        let _ = refused(&sandbox, arguments).says(says).says(helps);
    }
}
