"""LoRA fine-tuning of a chat model, with one worker of Ray Train per GPU.

Checkpoints go to STORAGE/RUN. A run that is submitted again under the same name
continues from its last checkpoint.
"""

import argparse
import json
import os


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="model on the Hugging Face hub, or a path")
    parser.add_argument("--data", required=True, help="JSONL file with prompt and completion")
    parser.add_argument("--storage", required=True, help="bucket or shared directory for checkpoints")
    parser.add_argument("--run", required=True, help="name of the run in the storage")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--batch-size", type=int, default=2, help="examples per GPU and step")
    parser.add_argument("--max-length", type=int, default=2048, help="tokens per example")
    parser.add_argument("--save-steps", type=int, default=50, help="steps between checkpoints")
    parser.add_argument("--rank", type=int, default=16, help="rank of the adapter's matrices")
    return parser.parse_args(argv)


def read_examples(path):
    """Reads prompts and completions as the chat turns that TRL expects."""
    examples = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                prompt, completion = record["prompt"], record["completion"]
            except (ValueError, KeyError, TypeError) as error:
                raise SystemExit(f"{path}:{number}: no prompt and completion: {error!r}") from error
            examples.append(
                {
                    "prompt": [{"role": "user", "content": prompt}],
                    "completion": [{"role": "assistant", "content": completion}],
                }
            )
    if not examples:
        raise SystemExit(f"{path}: no examples")
    return examples


def train_worker(config):
    """Runs on each GPU."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from ray import train
    from transformers import TrainerCallback
    from transformers.trainer_utils import get_last_checkpoint
    from trl import SFTConfig, SFTTrainer

    class Report(TrainerCallback):
        """Reports every checkpoint to Ray. All ranks report; the first one has the files."""

        def on_save(self, args, state, control, **_):
            metrics = {key: value for entry in state.log_history[-2:] for key, value in entry.items()}
            checkpoint = None
            if state.is_world_process_zero:
                checkpoint = train.Checkpoint.from_directory(get_last_checkpoint(args.output_dir))
            train.report(metrics, checkpoint=checkpoint)

    gpus = torch.cuda.is_available()  # also true for ROCm
    trainer = SFTTrainer(
        model=config["model"],
        args=SFTConfig(
            output_dir=os.path.join(os.environ["KAIWO_SCRATCH"], "trainer"),
            num_train_epochs=config["epochs"],
            learning_rate=config["learning_rate"],
            lr_scheduler_type="cosine",
            warmup_ratio=0.03,
            per_device_train_batch_size=config["batch_size"],
            max_length=config["max_length"],
            gradient_checkpointing=True,
            gradient_checkpointing_kwargs={"use_reentrant": False},
            bf16=gpus,
            use_cpu=not gpus,
            model_init_kwargs={"dtype": "bfloat16" if gpus else "float32"},
            logging_steps=5,
            save_steps=config["save_steps"],
            save_total_limit=1,
            ddp_find_unused_parameters=False,
            report_to="none",
        ),
        train_dataset=Dataset.from_list(config["examples"]),
        peft_config=LoraConfig(
            r=config["rank"],
            lora_alpha=2 * config["rank"],
            lora_dropout=0.05,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
        callbacks=[Report()],
    )
    checkpoint = train.get_checkpoint()
    if checkpoint is None:
        trainer.train()
    else:
        with checkpoint.as_directory() as directory:
            trainer.train(resume_from_checkpoint=directory)


def main():
    arguments = parse_arguments()
    config = {**vars(arguments), "examples": read_examples(arguments.data)}
    gpus = int(os.environ["NUM_GPUS"])

    import ray
    from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    ray.init(runtime_env={"pip": "requirements.txt"})
    result = TorchTrainer(
        train_worker,
        train_loop_config=config,
        scaling_config=ScalingConfig(num_workers=max(gpus, 1), use_gpu=gpus > 0),
        run_config=RunConfig(
            name=arguments.run,
            storage_path=arguments.storage,
            checkpoint_config=CheckpointConfig(num_to_keep=2),
            failure_config=FailureConfig(max_failures=2),
        ),
    ).fit()
    print(f"adapter: {result.checkpoint.path}", flush=True)


if __name__ == "__main__":
    main()
