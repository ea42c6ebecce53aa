"""Trains all parameters of a language model, sharded by FSDP over every GPU.

Ray Train starts one worker per GPU. All write their shards of a checkpoint to
the shared directory OUTPUT. A resubmitted run or a restarted worker continues
from the last complete one.
"""

import argparse
import glob
import os
import re


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="model on the Hugging Face hub, or a path")
    parser.add_argument("--data", required=True, help="pattern of text files")
    parser.add_argument("--output", required=True, help="directory that all pods share")
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--learning-rate", type=float, default=1e-5)
    parser.add_argument("--batch-size", type=int, default=1, help="blocks per GPU and step")
    parser.add_argument("--block-size", type=int, default=4096, help="tokens per block")
    parser.add_argument("--save-steps", type=int, default=200, help="steps between checkpoints")
    return parser.parse_args(argv)


def text_files(pattern):
    """Returns the absolute paths of the files, in the same order in every worker."""
    files = sorted(os.path.abspath(path) for path in glob.glob(pattern, recursive=True))
    if not files:
        raise SystemExit(f"{pattern}: no such files")
    return files


def last_complete_checkpoint(output):
    """Returns the newest complete checkpoint, or None.

    Trainer writes trainer_state.json last, so a directory without it is
    incomplete, for instance because a node failed.
    """
    complete = []
    for entry in os.scandir(output) if os.path.isdir(output) else ():
        step = re.fullmatch(r"checkpoint-(\d+)", entry.name)
        if step and os.path.exists(os.path.join(entry.path, "trainer_state.json")):
            complete.append((int(step[1]), entry.path))
    return max(complete)[1] if complete else None


def blocks_of(tokens, size):
    """Cuts a batch of tokenized texts into blocks of one size; drops the rest."""
    joined = [token for text in tokens for token in text]
    return [joined[start : start + size] for start in range(0, len(joined) - size + 1, size)]


def train_worker(config):
    """Runs on each GPU."""
    import torch
    from datasets import load_dataset
    from ray import train
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        DataCollatorForLanguageModeling,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    class Report(TrainerCallback):
        """Reports progress to Ray; the checkpoints are already in place."""

        def on_log(self, args, state, control, logs, **_):
            train.report({"step": state.global_step, **logs})

    # Accelerate reads this only from the environment. Every rank writes its
    # own shard, instead of one that gathers all of them in its memory.
    os.environ["FSDP_STATE_DICT_TYPE"] = "SHARDED_STATE_DICT"
    # Before the model: with FSDP on, only the first rank of a node reads the
    # weights, and the others get their shards from it.
    arguments = TrainingArguments(
        output_dir=config["output"],
        num_train_epochs=config["epochs"],
        learning_rate=config["learning_rate"],
        lr_scheduler_type="cosine",
        warmup_ratio=0.03,
        per_device_train_batch_size=config["batch_size"],
        bf16=True,
        fsdp="full_shard auto_wrap",
        fsdp_config={
            "activation_checkpointing": True,
            "cpu_ram_efficient_loading": True,
        },
        logging_steps=1,
        save_steps=config["save_steps"],
        save_total_limit=2,
        report_to="none",
    )
    tokenizer = AutoTokenizer.from_pretrained(config["model"])
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    texts = load_dataset("text", data_files=config["files"], split="train", sample_by="document")

    def prepare(batch):
        ended = [text + tokenizer.eos_token for text in batch["text"]]
        return {"input_ids": blocks_of(tokenizer(ended)["input_ids"], config["block_size"])}

    blocks = texts.map(prepare, batched=True, remove_columns=["text"])
    if len(blocks) == 0:
        raise SystemExit("the texts are shorter than one block: lower --block-size")
    trainer = Trainer(
        model=AutoModelForCausalLM.from_pretrained(config["model"], dtype=torch.float32),
        args=arguments,
        train_dataset=blocks,
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
        callbacks=[Report()],
    )
    trainer.train(resume_from_checkpoint=last_complete_checkpoint(config["output"]))

    trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
    trainer.save_model(os.path.join(config["output"], "final"))
    if trainer.is_world_process_zero():
        tokenizer.save_pretrained(os.path.join(config["output"], "final"))


def main():
    arguments = parse_arguments()
    config = {**vars(arguments), "files": text_files(arguments.data)}
    resumed = last_complete_checkpoint(arguments.output)
    print(f"starting from {resumed or arguments.model}", flush=True)

    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    ray.init(runtime_env={"pip": "requirements.txt"})
    TorchTrainer(
        train_worker,
        train_loop_config=config,
        scaling_config=ScalingConfig(num_workers=int(os.environ["NUM_GPUS"]), use_gpu=True),
        run_config=RunConfig(
            name="ray",
            storage_path=arguments.output,
            failure_config=FailureConfig(max_failures=2),
        ),
    ).fit()
    print(f"model: {os.path.join(arguments.output, 'final')}", flush=True)


if __name__ == "__main__":
    main()
