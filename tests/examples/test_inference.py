"""Requests, parts and resuming of the examples that infer."""

import json
import pathlib
import tempfile
import unittest

from example import WORKLOADS, load, load_package

generate = load("vllm-batch/generate.py")
embed = load("embed-nightly/embed.py")
app = load_package("vllm-online", "app")


class Batch(unittest.TestCase):
    def test_only_parts_without_a_file_are_done(self):
        prompts = generate.read_prompts(WORKLOADS / "vllm-batch/prompts.jsonl")
        self.assertEqual(len(prompts), 4)
        with tempfile.TemporaryDirectory() as output:
            parts = generate.open_parts(prompts, 3, output)
            self.assertEqual([len(each) for _, each in parts], [3, 1])
            generate.write_part(parts[0][0], [{"id": "gpu-1", "answer": "ü"}])
            self.assertEqual(generate.open_parts(prompts, 3, output), parts[1:])
            written = pathlib.Path(output, "part-00000.jsonl").read_text("utf-8")
            self.assertEqual(json.loads(written), {"id": "gpu-1", "answer": "ü"})
            self.assertEqual(len(list(pathlib.Path(output).iterdir())), 1)

    def test_engines_stay_within_pods(self):
        self.assertEqual(generate.engines_for(16, 1, 8), 16)
        self.assertEqual(generate.engines_for(16, 4, 8), 4)
        self.assertEqual(generate.engines_for(16, 3, 8), 4)
        for each in (0, 9):
            with self.assertRaises(SystemExit):
                generate.engines_for(16, each, 8)

    def test_bad_prompts_name_their_line(self):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            file.write('{"id": 1, "prompt": "a"}\n{"id": 2}\n')
            file.flush()
            with self.assertRaisesRegex(SystemExit, ":2: "):
                generate.read_prompts(file.name)


class Online(unittest.TestCase):
    pods = {"NUM_REPLICAS": "2", "NUM_GPUS_PER_REPLICA": "8"}

    def test_replicas_fill_the_pods(self):
        chosen = app.settings({"model": "m"}, self.pods)
        self.assertEqual((chosen["replicas"], chosen["gpus_per_replica"]), (2, 8))
        self.assertEqual(chosen["served_model_name"], "m")
        chosen = app.settings({"model": "m", "gpus_per_replica": 2}, self.pods)
        self.assertEqual((chosen["replicas"], chosen["gpus_per_replica"]), (8, 2))

    def test_mistakes_in_serveconfig_are_named(self):
        for args, name in [
            ({}, "model"),
            ({"model": "m", "modle": "x"}, "modle"),
            ({"model": "m", "gpus_per_replica": 16}, "a pod has 8"),
        ]:
            with self.assertRaisesRegex(ValueError, name):
                app.settings(args, self.pods)

    def test_requests_become_sampling(self):
        from app import protocol

        hello = [{"role": "user", "content": "hello"}]
        self.assertEqual(protocol.sampling({"messages": hello}), {"max_tokens": 1024})
        self.assertEqual(
            protocol.sampling({"messages": hello, "max_tokens": 5, "temperature": 0, "user": "u"}),
            {"max_tokens": 5, "temperature": 0},
        )
        for bad in [{}, {"messages": []}, {"messages": "hi"}, {"messages": hello, "n": 2}]:
            with self.assertRaises(protocol.BadRequest):
                protocol.sampling(bad)

    def test_events_are_those_of_the_protocol(self):
        from app import protocol

        event = protocol.event("id", 1, "m", {"content": "a\nb"}, "stop")
        self.assertTrue(event.startswith("data: {") and event.endswith("}\n\n"))
        self.assertEqual(event.count("\n"), 2)
        choice = json.loads(event.removeprefix("data: "))["choices"][0]
        self.assertEqual(choice, {"index": 0, "delta": {"content": "a\nb"}, "finish_reason": "stop"})


class Embed(unittest.TestCase):
    def test_only_new_and_changed_files_are_embedded(self):
        with tempfile.TemporaryDirectory() as directory:
            documents, embeddings = (pathlib.Path(directory, name) for name in ("in", "out"))
            documents.mkdir()
            embeddings.mkdir()
            one, two = documents / "one.jsonl", documents / "two.jsonl"
            for path in (one, two):
                path.write_text(json.dumps({"id": path.stem, "text": "t"}) + "\n")
            pending = embed.to_do(documents, embeddings)
            self.assertEqual([source for source, _ in pending], [one, two])
            for source, target in pending:
                ids, texts = embed.read_documents(source)
                self.assertEqual((ids, texts), ([source.stem], ["t"]))
                embed.store(target, ids, lambda file: file.write(b"rows"))
            self.assertEqual(embed.to_do(documents, embeddings), [])

            one.write_text(json.dumps({"id": "new", "text": "t"}) + "\n")
            ((source, target),) = embed.to_do(documents, embeddings)
            self.assertEqual(source, one)
            embed.store(target, ["new"], lambda file: file.write(b"rows"))
            embed.remove_outdated(source, target)
            names = sorted(path.name.split(".")[0] for path in embeddings.iterdir())
            self.assertEqual(names, ["one", "one", "two", "two"])
            self.assertEqual(embed.to_do(documents, embeddings), [])


if __name__ == "__main__":
    unittest.main()
