"""An OpenAI-compatible chat service: vLLM behind Ray Serve.

`deployment` takes the `args` of serveconfig. By default there is one replica per
pod, with all of its GPUs; `gpus_per_replica` overrides that.
"""

import os

OPTIONS = {"model", "served_model_name", "gpus_per_replica", "max_model_len"}


def settings(args, environment=os.environ):
    """Completes and checks the arguments before a replica is started."""
    unknown = sorted(args.keys() - OPTIONS)
    if unknown:
        raise ValueError(f"serveconfig: unknown args: {', '.join(unknown)}")
    if "model" not in args:
        raise ValueError("serveconfig: args has no model")
    per_pod = int(environment["NUM_GPUS_PER_REPLICA"])
    per_replica = int(args.get("gpus_per_replica", per_pod))
    if not 1 <= per_replica <= per_pod:
        raise ValueError(f"serveconfig: gpus_per_replica is {per_replica}, a pod has {per_pod}")
    return {
        "model": args["model"],
        "served_model_name": args.get("served_model_name", args["model"]),
        "max_model_len": args.get("max_model_len"),
        "gpus_per_replica": per_replica,
        "replicas": int(environment["NUM_REPLICAS"]) * (per_pod // per_replica),
    }


def deployment(args):
    """Builds the application that serveconfig names."""
    from .server import Chat

    chosen = settings(args)
    return Chat.options(
        num_replicas=chosen["replicas"],
        ray_actor_options={"num_gpus": chosen["gpus_per_replica"]},
    ).bind(chosen)
