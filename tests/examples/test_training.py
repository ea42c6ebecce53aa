"""Data and checkpoints of the examples that train."""

import json
import os
import pathlib
import tempfile
import unittest

from example import WORKLOADS, load

finetune = load("lora/finetune.py")
train = load("full-training/train.py")


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


if __name__ == "__main__":
    unittest.main()
