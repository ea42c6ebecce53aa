"""Trains step by step, saves when it is told to end, and resumes where it was.

The "model" is a sum, so that the result shows whether a step was lost or repeated.
Put your own into Training: what save() and load() write is what an attempt leaves to
the next one.
"""

import argparse
import json
import os
import signal
import sys
import time


class Training:
    """What is trained, as far as the next attempt needs it."""

    def __init__(self, step=0, total=0):
        self.step = step
        self.total = total

    def advance(self):
        self.step += 1
        self.total += self.step

    @classmethod
    def load(cls, path):
        """Reads what the attempt before has saved, if there was one."""
        try:
            with open(path) as file:
                return cls(**json.load(file))
        except FileNotFoundError:
            return cls()

    def save(self, path):
        """Replaces the file at once: it is complete whenever the pod ends."""
        with open(path + ".new", "w") as file:
            json.dump({"step": self.step, "total": self.total}, file)
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
    stopped = []
    # Only notes it: a handler runs in the middle of a step.
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))

    # One file for each pod of a Job of several.
    index = os.environ.get("JOB_COMPLETION_INDEX", "0")
    path = os.path.join(arguments.directory, f"checkpoint-{index}.json")
    training = Training.load(path)
    attempt = os.environ.get("KAIWO_ATTEMPT", "unknown")
    print(f"attempt {attempt} starts at step {training.step}", flush=True)

    while training.step < arguments.steps:
        time.sleep(arguments.seconds)
        training.advance()
        if stopped:
            training.save(path)
            print(f"saved at step {training.step}", flush=True)
            # Not 0: the training has not finished.
            sys.exit(143)
        if training.step % arguments.save_every == 0:
            training.save(path)
    training.save(path)
    print(f"done: step {training.step}, sum {training.total}", flush=True)


if __name__ == "__main__":
    main()
