#!/usr/bin/env python3
"""Compares the program's logits with transformers' on small random models of each family, as a folder and converted.

The shapes keep what is particular to each: Qwen1.5 as many KV heads as heads, Qwen2.5 seven heads to a KV head, tied and
not, Qwen3 heads that are larger than hidden size / heads. Weights are bfloat16, as published ones. For each model: logits
of the folder as it is, and of the GGUF file in f32 that `convert` makes of it, which check_gguf.py looks over as well.

Needs the PyPI packages torch, transformers, safetensors, accelerate, gguf and numpy. Ends with 1 when anything is off.
Usage: compare_families.py PROGRAM TOKENIZER_FOLDER
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import torch
from transformers import AutoModelForCausalLM, Qwen2Config, Qwen3Config

# Of weights that are not f32, keys and values are kept as F16.
LIMITS = {"folder": 1e-2, "gguf": 1e-4}
IDS = [151644, 872, 198, 108386, 3837, 14990, 151645, 198, 42, 7, 99, 100644] * 12
FAMILIES = {
    "qwen1.5": Qwen2Config(hidden_size=128, num_attention_heads=4, num_key_value_heads=4, tie_word_embeddings=True),
    "qwen2.5-tied": Qwen2Config(hidden_size=224, num_attention_heads=14, num_key_value_heads=2, tie_word_embeddings=True),
    "qwen2.5-untied": Qwen2Config(hidden_size=224, num_attention_heads=14, num_key_value_heads=2, tie_word_embeddings=False),
    "qwen3": Qwen3Config(
        hidden_size=128, num_attention_heads=4, num_key_value_heads=2, head_dim=64, tie_word_embeddings=True
    ),
}


def make(config, folder: pathlib.Path, tokenizer: pathlib.Path) -> None:
    config.vocab_size, config.intermediate_size, config.num_hidden_layers = 151_936, 320, 3
    config.layer_types = ["full_attention"] * 3
    config.max_position_embeddings, config.rope_parameters = 4096, {"rope_type": "default", "rope_theta": 1e6}
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config).to(torch.bfloat16)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            parameter.normal_(1 if "norm" in name else 0, 0.1)
        else:
            parameter.normal_(0, 0.05)
    model.save_pretrained(folder)
    for path in tokenizer.glob("*.json"):
        shutil.copy(path, folder)


def logits(program: str, model: pathlib.Path) -> np.ndarray:
    out = model.parent / "logits.f32"
    ids = ",".join(map(str, IDS))
    subprocess.run([program, "logits", "--model", model, "--ids", ids, "--all", "--out", out], check=True)
    return np.fromfile(out, "<f4").reshape(len(IDS), -1)


def main() -> int:
    program, tokenizer = sys.argv[1], pathlib.Path(sys.argv[2])
    is_off = False
    for name, config in FAMILIES.items():
        with tempfile.TemporaryDirectory() as work, torch.no_grad():
            folder, file = pathlib.Path(work, name), pathlib.Path(work, f"{name}.gguf")
            make(config, folder, tokenizer)
            reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
            wanted = reference(torch.tensor([IDS])).logits[0].numpy()
            subprocess.run([program, "convert", folder, file, "--type", "f32"], check=True, stdout=subprocess.DEVNULL)
            check = [sys.executable, pathlib.Path(__file__).with_name("check_gguf.py"), folder, file]
            subprocess.run(check, check=True, stdout=subprocess.DEVNULL)
            for kind, path in [("folder", folder), ("gguf", file)]:
                mine = logits(program, path)
                error = float(np.linalg.norm(mine - wanted, axis=1).max() / np.linalg.norm(wanted, axis=1).min())
                same = int((mine.argmax(1) == wanted.argmax(1)).sum())
                print(f"{name} {kind}: largest relative error {error:.1e}, {same} of {len(IDS)} greedy tokens the same")
                is_off = is_off or not error < LIMITS[kind]
    return int(is_off)


if __name__ == "__main__":
    sys.exit(main())
