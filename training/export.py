"""Writes the Hugging Face folder that transformers and `qwen-all-in-one convert` load.

    python export.py --out OUT [--stage shipped]      → OUT/hf
"""
import argparse
import json
import os
import shutil

from safetensors.torch import save_file

import corpus
from batches import Codec
from weights import load_weights

TOKENIZER_FILES = ["tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--out", required=True)
    p.add_argument("--stage", default="shipped")
    args = p.parse_args()
    model, hf = load_weights(os.path.join(args.out, args.stage)), os.path.join(args.out, "hf")
    os.makedirs(hf, exist_ok=True)
    for name in TOKENIZER_FILES:
        shutil.copyfile(os.path.join(args.out, "tokenizer", name), os.path.join(hf, name))
    codec = Codec(os.path.join(hf, "tokenizer.json"))
    with open(os.path.join(hf, "config.json"), "w") as f:
        json.dump(model.shape.config(codec.end, codec.end_of_text), f, indent=2)
    with open(os.path.join(hf, "roles.json"), "w") as f:
        json.dump(corpus.ROLES, f)
    tensors = {"model." + name: p.detach().contiguous() for name, p in model.named_parameters()}
    save_file(tensors, os.path.join(hf, "model.safetensors"), metadata={"format": "pt"})
    os.chmod(os.path.join(hf, "model.safetensors"), 0o644)


if __name__ == "__main__":
    main()
