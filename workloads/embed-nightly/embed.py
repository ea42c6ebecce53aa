"""Embeds the documents that are new or have changed since the previous night.

A file of documents is JSONL with id and text. Its embeddings are a .npy file
with one row per line, next to a .json file with the ids. Both are named after the
file and a digest of its content, which shows what has been embedded.
"""

import argparse
import hashlib
import json
import os
import pathlib


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=pathlib.Path, required=True, help="directory of JSONL")
    parser.add_argument("--embeddings", type=pathlib.Path, required=True, help="directory to fill")
    parser.add_argument("--model", default="BAAI/bge-base-en-v1.5")
    parser.add_argument("--batch-size", type=int, default=256)
    return parser.parse_args(argv)


def target_of(source, embeddings):
    """Returns the .npy path for the current content of a file."""
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    return embeddings / f"{source.stem}.{digest}.npy"


def to_do(documents, embeddings):
    """Returns the files without embeddings, with the paths for these."""
    pairs = ((source, target_of(source, embeddings)) for source in sorted(documents.glob("*.jsonl")))
    return [(source, target) for source, target in pairs if not target.exists()]


def read_documents(path):
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    return [record["id"] for record in records], [record["text"] for record in records]


def store(target, ids, save):
    """Writes ids and embeddings. The .npy file marks completion: it is last and atomic."""
    target.with_suffix(".json").write_text(json.dumps(ids))
    unfinished = target.with_suffix(".tmp")
    with open(unfinished, "wb") as file:
        save(file)
    os.replace(unfinished, target)


def remove_outdated(source, target):
    """Removes the embeddings of earlier content of the file."""
    for path in target.parent.iterdir():
        stem, _, digest = path.stem.rpartition(".")
        if stem == source.stem and path.stem != target.stem and len(digest) == 16:
            path.unlink()


def main():
    arguments = parse_arguments()
    arguments.embeddings.mkdir(parents=True, exist_ok=True)
    pending = to_do(arguments.documents, arguments.embeddings)
    print(f"{len(pending)} files to embed", flush=True)
    if not pending:
        return

    import numpy
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(arguments.model)
    for source, target in pending:
        ids, texts = read_documents(source)
        rows = model.encode(
            texts,
            batch_size=arguments.batch_size,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        store(target, ids, lambda file, rows=rows: numpy.save(file, rows))
        remove_outdated(source, target)
        print(f"{source.name}: {len(ids)} documents -> {target.name}", flush=True)


if __name__ == "__main__":
    main()
