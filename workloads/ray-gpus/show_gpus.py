"""Prints the name of every GPU in the Ray cluster."""

import os
import socket

import ray


@ray.remote(num_gpus=1)
class Gpu:
    """Keeps its GPU until the end, so no two actors have the same one."""

    def introduce(self) -> str:
        return f"{socket.gethostname()} GPU {ray.get_gpu_ids()}"


def main() -> None:
    ray.init()
    gpus = [Gpu.remote() for _ in range(int(os.environ["NUM_GPUS"]))]
    for line in ray.get([gpu.introduce.remote() for gpu in gpus]):
        print(line)


if __name__ == "__main__":
    main()
