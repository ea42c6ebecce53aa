"""Asks every GPU of the Ray cluster to introduce itself."""

import os
import socket

import ray


@ray.remote(num_gpus=1)
def introduce() -> str:
    return f"{socket.gethostname()} GPU {ray.get_gpu_ids()}"


def main() -> None:
    ray.init()
    gpus = int(os.environ["NUM_GPUS"])
    for line in ray.get([introduce.remote() for _ in range(gpus)]):
        print(line)


if __name__ == "__main__":
    main()
