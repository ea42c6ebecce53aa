"""Data and checkpoints of the examples that train."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

from example import WORKLOADS, load

finetune = load("lora/finetune.py")
train = load("full-training/train.py")
ray_resume = load("ray-resume/train.py")


def words_of(entrypoint):
    """Returns the arguments of the program that an entrypoint runs."""
    script = (WORKLOADS / entrypoint).read_text().replace("\\\n", " ")
    command = script.strip().splitlines()[-1]
    return [word.strip("'\"") for word in command.split()[3:]]


class Lora(unittest.TestCase):
    def test_the_entrypoint_has_all_arguments(self):
        arguments = finetune.parse_arguments(words_of("lora/entrypoint"))
        self.assertEqual(arguments.storage, "$STORAGE")

    def test_the_sample_becomes_turns(self):
        examples = finetune.read_examples(WORKLOADS / "lora/data/train.jsonl")
        self.assertEqual(len(examples), 8)
        self.assertEqual([turn["role"] for turn in examples[0]["prompt"]], ["user"])
        self.assertEqual([turn["role"] for turn in examples[0]["completion"]], ["assistant"])

    def test_bad_data_names_its_line(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, "data.jsonl")
            for text in ["{}", "[]", "no json", '{"prompt": "x"}', "1"]:
                path.write_text('{"prompt": "a", "completion": "b"}\n\n' + text + "\n")
                with self.assertRaisesRegex(SystemExit, r"data\.jsonl:3: "):
                    finetune.read_examples(path)
            path.write_text("\n")
            with self.assertRaisesRegex(SystemExit, "no examples"):
                finetune.read_examples(path)


class FullTraining(unittest.TestCase):
    def test_the_entrypoint_has_all_arguments(self):
        arguments = train.parse_arguments(words_of("full-training/entrypoint"))
        os.chdir(WORKLOADS / "full-training")
        (sample,) = train.text_files(arguments.data)
        self.assertTrue(os.path.isabs(sample))

    def test_missing_texts_are_an_error(self):
        with self.assertRaisesRegex(SystemExit, "no such files"):
            train.text_files("/nowhere/*.txt")

    def test_only_complete_checkpoints_are_resumed(self):
        with tempfile.TemporaryDirectory() as output:
            self.assertIsNone(train.last_complete_checkpoint(output + "/new"))
            self.assertIsNone(train.last_complete_checkpoint(output))
            for step, complete in [(9, True), (100, True), (1000, False)]:
                checkpoint = pathlib.Path(output, f"checkpoint-{step}")
                checkpoint.mkdir()
                if complete:
                    (checkpoint / "trainer_state.json").write_text(json.dumps({}))
            pathlib.Path(output, "final").mkdir()
            newest = train.last_complete_checkpoint(output)
            self.assertEqual(os.path.basename(newest), "checkpoint-100")

    def test_blocks_have_one_size_and_lose_only_the_rest(self):
        self.assertEqual(train.blocks_of([[1, 2, 3], [4], [5, 6, 7]], 3), [[1, 2, 3], [4, 5, 6]])
        self.assertEqual(train.blocks_of([[1, 2, 3]], 3), [[1, 2, 3]])
        self.assertEqual(train.blocks_of([[1, 2]], 3), [])


class Resume(unittest.TestCase):
    def run_until_done(self, directory, stops):
        """Returns what each attempt printed; those but the last are told to end."""
        printed = []
        for attempt in range(1, stops + 2):
            program = subprocess.Popen(
                [sys.executable, WORKLOADS / "resume/train.py", "--steps", "40",
                 "--seconds", "0.05", "--directory", directory],
                env={**os.environ, "KAIWO_ATTEMPT": str(attempt)},
                stdout=subprocess.PIPE, text=True,
            )
            first = program.stdout.readline()
            if attempt <= stops:
                program.send_signal(signal.SIGTERM)
            printed.append(first + program.communicate()[0])
            self.assertEqual(program.returncode, 143 if attempt <= stops else 0)
        return printed

    def test_no_step_is_lost_or_repeated(self):
        with tempfile.TemporaryDirectory() as directory:
            first, second, last = self.run_until_done(directory, 2)
            self.assertTrue(first.startswith("attempt 1 starts at step 0\nsaved at step "))
            self.assertTrue(second.startswith("attempt 2 starts at step "))
            self.assertTrue(last.endswith("done: step 40, sum 820\n"), last)

    def test_an_actor_continues_from_what_was_saved(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "checkpoint.json")
            trainer = ray_resume.Trainer(ray_resume.load(path), 0)
            self.assertEqual([trainer.advance() for _ in range(3)], [1, 2, 3])
            ray_resume.save(path, trainer.snapshot())
            trainer = ray_resume.Trainer(ray_resume.load(path), 0)
            self.assertEqual((trainer.advance(), trainer.snapshot()["total"]), (4, 10))

if __name__ == "__main__":
    unittest.main()
