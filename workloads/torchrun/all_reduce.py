"""Sums a number over all processes of all pods, as training would gradients."""

import os

import torch
import torch.distributed as dist


def main() -> None:
    gpus = torch.cuda.is_available()  # also true for ROCm
    dist.init_process_group("nccl" if gpus else "gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    local_rank = int(os.environ["LOCAL_RANK"])
    device = torch.device("cuda", local_rank) if gpus else torch.device("cpu")

    total = torch.ones(1, device=device) * rank
    dist.all_reduce(total)
    print(f"rank {rank} of {world} on {device}: the ranks sum to {int(total)}", flush=True)
    assert int(total) == world * (world - 1) // 2
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
