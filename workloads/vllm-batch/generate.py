"""Answers a file of prompts with vLLM, on all GPUs of the Ray cluster.

The prompts are split into parts, and each part becomes one file in the output
directory once it is answered. Existing parts are not processed again.
"""

import argparse
import json
import os


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="model on the Hugging Face hub, or a path")
    parser.add_argument("--prompts", required=True, help="JSONL file with id and prompt")
    parser.add_argument("--output", required=True, help="directory for part-00000.jsonl and so on")
    parser.add_argument("--part-size", type=int, default=1000, help="prompts per part")
    parser.add_argument("--gpus-per-engine", type=int, default=1, help="GPUs that share one model")
    parser.add_argument("--max-tokens", type=int, default=512, help="tokens per answer")
    parser.add_argument("--max-model-len", type=int, default=8192, help="tokens of prompt and answer")
    parser.add_argument("--temperature", type=float, default=0.0)
    return parser.parse_args(argv)


def read_prompts(path):
    prompts = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                prompts.append({"id": record["id"], "prompt": record["prompt"]})
            except (ValueError, KeyError, TypeError) as error:
                raise SystemExit(f"{path}:{number}: no id and prompt: {error!r}") from error
    return prompts


def open_parts(prompts, size, output):
    """Returns the parts without a file, as pairs of path and prompts."""
    parts = []
    for start in range(0, len(prompts), size):
        path = os.path.join(output, f"part-{start // size:05}.jsonl")
        if not os.path.exists(path):
            parts.append((path, prompts[start : start + size]))
    return parts


def write_part(path, answers):
    """Writes the file of a part atomically."""
    unfinished = path + ".tmp"
    with open(unfinished, "w", encoding="utf-8") as file:
        for answer in answers:
            file.write(json.dumps(answer, ensure_ascii=False) + "\n")
    os.replace(unfinished, path)


def engines_for(gpus, per_engine, per_pod):
    """Returns how many engines fit. An engine cannot span pods."""
    if not 1 <= per_engine <= per_pod:
        raise SystemExit(f"--gpus-per-engine {per_engine}: a pod has {per_pod} GPUs")
    return gpus // per_pod * (per_pod // per_engine)


class Engine:
    """One copy of the model: a Ray actor that holds its GPUs."""

    def __init__(self, arguments):
        from vllm import LLM, SamplingParams

        self.sampling = SamplingParams(
            temperature=arguments.temperature, max_tokens=arguments.max_tokens
        )
        self.llm = LLM(
            model=arguments.model,
            max_model_len=arguments.max_model_len,
            tensor_parallel_size=arguments.gpus_per_engine,
            # The actor's GPUs are in one pod, so processes are enough; no second Ray.
            distributed_executor_backend="mp" if arguments.gpus_per_engine > 1 else None,
        )

    def answer(self, path, prompts):
        conversations = [[{"role": "user", "content": each["prompt"]}] for each in prompts]
        outputs = self.llm.chat(conversations, self.sampling, use_tqdm=False)
        answers = [
            {**prompt, "answer": output.outputs[0].text, "finish": output.outputs[0].finish_reason}
            for prompt, output in zip(prompts, outputs, strict=True)
        ]
        write_part(path, answers)
        return path


def main():
    arguments = parse_arguments()
    prompts = read_prompts(arguments.prompts)
    os.makedirs(arguments.output, exist_ok=True)
    parts = open_parts(prompts, arguments.part_size, arguments.output)
    print(f"{len(prompts)} prompts, {len(parts)} parts to do", flush=True)
    if not parts:
        return
    engines = engines_for(
        int(os.environ["NUM_GPUS"]),
        arguments.gpus_per_engine,
        int(os.environ["NUM_GPUS_PER_REPLICA"]),
    )

    import ray
    from ray.util import ActorPool

    ray.init()
    actor = ray.remote(num_gpus=arguments.gpus_per_engine)(Engine)
    pool = ActorPool([actor.remote(arguments) for _ in range(min(engines, len(parts)))])
    for path in pool.map_unordered(lambda engine, part: engine.answer.remote(*part), parts):
        print(f"done: {path}", flush=True)


if __name__ == "__main__":
    main()
