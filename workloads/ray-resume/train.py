"""Trains in an actor, saves its state when the driver is told to end, and resumes.

The "model" is a sum, so that the result shows whether a step was lost or repeated.
"""

import argparse
import json
import os
import signal
import sys
import time


class Trainer:
    """Keeps the state of the training, as an actor beside the GPUs."""

    def __init__(self, state, seconds):
        self.state = state
        self.seconds = seconds

    def advance(self):
        time.sleep(self.seconds)
        self.state["step"] += 1
        self.state["total"] += self.state["step"]
        return self.state["step"]

    def snapshot(self):
        return self.state


def load(path):
    """Reads what the attempt before has saved, if there was one."""
    try:
        with open(path) as file:
            return json.load(file)
    except FileNotFoundError:
        return {"step": 0, "total": 0}


def save(path, state):
    """Replaces the file at once: it is complete whenever the pod ends."""
    with open(path + ".new", "w") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=1, help="time of a step")
    parser.add_argument("--save-every", type=int, default=10, help="steps between checkpoints")
    parser.add_argument("--directory", default=os.environ.get("KAIWO_SCRATCH", "."))
    return parser.parse_args(argv)


def main():
    arguments = parse_arguments()
    import ray

    ray.init()
    stopped = []
    # After ray.init(), which installs a handler of its own.
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))

    path = os.path.join(arguments.directory, "checkpoint.json")
    state = load(path)
    attempt = os.environ.get("KAIWO_ATTEMPT", "unknown")
    print(f"attempt {attempt} starts at step {state['step']}", flush=True)

    gpus = 1 if int(os.environ.get("NUM_GPUS", "0")) else 0
    trainer = ray.remote(num_gpus=gpus)(Trainer).remote(state, arguments.seconds)
    step = state["step"]
    while step < arguments.steps:
        step = ray.get(trainer.advance.remote())
        if stopped:
            # The actor still runs: its pod waits until the driver has ended.
            save(path, ray.get(trainer.snapshot.remote()))
            print(f"saved at step {step}", flush=True)
            # Not 0: the training has not finished.
            sys.exit(143)
        if step % arguments.save_every == 0:
            save(path, ray.get(trainer.snapshot.remote()))
    state = ray.get(trainer.snapshot.remote())
    save(path, state)
    print(f"done: step {state['step']}, sum {state['total']}", flush=True)


if __name__ == "__main__":
    main()
