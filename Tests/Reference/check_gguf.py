#!/usr/bin/env python3
"""Checks a GGUF file that `convert` wrote against its Hugging Face folder, with none of this project's code.

PyPI packages: numpy, gguf, safetensors, torch; with --logits also transformers and accelerate.

Every tensor must be, byte for byte, what gguf.quants makes of the folder's weights; names, shapes, metadata and tokens
must be what llama.cpp's loader looks for. --logits: transformers loads both and must agree on the next-token logits.

    check_gguf.py HF_DIR FILE.gguf [--logits]
"""
import argparse
import json
import pathlib
import sys

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from safetensors import safe_open

ARCHITECTURES = {"qwen2": gguf.MODEL_ARCH.QWEN2, "qwen3": gguf.MODEL_ARCH.QWEN3}
FILE_TYPES = {0: Type.F32, 1: Type.F16, 2: Type.Q4_0, 7: Type.Q8_0, 32: Type.BF16}


def folder_tensors(folder: pathlib.Path) -> dict[str, np.ndarray]:
    """All weights as float32, by Hugging Face name."""
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as shard:
            for name in shard.keys():
                tensors[name] = shard.get_tensor(name).to(torch.float32).numpy()
    return tensors


def check_tensors(reader: gguf.GGUFReader, source: dict[str, np.ndarray], config: dict, matrix: Type) -> None:
    names = gguf.get_tensor_name_map(ARCHITECTURES[config["model_type"]], config["num_hidden_layers"])
    if config.get("tie_word_embeddings"):
        source.pop("lm_head.weight", None)
    expected = {names.get_name(name, try_suffixes=(".weight", ".bias")): name for name in source}
    found = {tensor.name: tensor for tensor in reader.tensors}
    assert expected.keys() == found.keys(), f"names differ: {sorted(expected.keys() ^ found.keys(), key=str)}"
    for name, tensor in found.items():
        values = source[expected[name]]
        kind = Type.F32 if values.ndim == 1 else matrix
        assert tensor.tensor_type == kind, f"{name} is {tensor.tensor_type.name}, not {kind.name}"
        assert list(reversed(tensor.shape.tolist())) == list(values.shape), f"{name}: shape {tensor.shape}"
        assert tensor.data_offset % reader.alignment == 0, f"{name} is not aligned"
        wanted = gguf.quants.quantize(values, kind)
        same = np.array_equal(np.ascontiguousarray(tensor.data).view(np.uint8).ravel(), wanted.view(np.uint8).ravel())
        assert same, f"{name}: the bytes differ from gguf.quants.quantize"


def check_metadata(reader: gguf.GGUFReader, folder: pathlib.Path, config: dict) -> None:
    def value(key: str):
        field = reader.get_field(key)
        assert field is not None, f"{key} is missing"
        return field.contents()

    family = config["model_type"]
    theta = (config.get("rope_parameters") or {}).get("rope_theta") or config.get("rope_theta", 10000.0)
    wanted = {
        "general.architecture": family,
        "general.quantization_version": 2,
        f"{family}.block_count": config["num_hidden_layers"],
        f"{family}.context_length": config["max_position_embeddings"],
        f"{family}.embedding_length": config["hidden_size"],
        f"{family}.feed_forward_length": config["intermediate_size"],
        f"{family}.attention.head_count": config["num_attention_heads"],
        f"{family}.attention.head_count_kv": config["num_key_value_heads"],
        f"{family}.rope.freq_base": float(np.float32(theta)),
        f"{family}.attention.layer_norm_rms_epsilon": float(np.float32(config["rms_norm_eps"])),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
    }
    if family == "qwen3":
        wanted |= {f"qwen3.attention.{part}_length": config["head_dim"] for part in ("key", "value")}
    for key, want in wanted.items():
        assert value(key) == want, f"{key} is {value(key)!r}, not {want!r}"
    assert value("general.name")
    roles = folder / "roles.json"
    if roles.exists():
        assert value("qwen_all_in_one.roles") == json.loads(roles.read_text()), "the roles differ"
    check_tokens(value, folder, config)


def check_tokens(value, folder: pathlib.Path, config: dict) -> None:
    tokens, types = value("tokenizer.ggml.tokens"), value("tokenizer.ggml.token_type")
    assert len(tokens) == len(types) == config["vocab_size"], f"{len(tokens)} tokens for {config['vocab_size']} rows"
    assert len(set(tokens)) == len(tokens), "a token stands twice"
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    wanted = {id: token for token, id in tokenizer["model"]["vocab"].items()}
    added = {entry["id"]: entry["content"] for entry in tokenizer["added_tokens"] if entry["special"]}
    wanted |= added
    for id, token in wanted.items():
        assert tokens[id] == token, f"token {id} is {tokens[id]!r}, not {token!r}"
    for id, kind in enumerate(types):
        want = 3 if id in added else 1 if id in wanted else 5
        assert kind == want, f"token {id} has type {kind}, not {want}"
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    assert value("tokenizer.ggml.merges") == merges, "the merges differ"


def check_logits(folder: pathlib.Path, path: pathlib.Path) -> None:
    from transformers import AutoModelForCausalLM

    source = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    loaded = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    ids = torch.tensor([[1, 5, 3, 8, 2, 7]])
    with torch.no_grad():
        want, got = source(ids).logits, loaded(ids).logits
    worst = (want - got).abs().max().item() / want.abs().max().item()
    print(f"logits: largest difference {worst:.2e} of the largest logit")
    assert worst < 0.15, "the logits differ"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--logits", action="store_true")
    arguments = parser.parse_args()
    config = json.loads((arguments.folder / "config.json").read_text())
    reader = gguf.GGUFReader(arguments.file)
    matrix = FILE_TYPES[reader.get_field("general.file_type").contents()]
    check_metadata(reader, arguments.folder, config)
    check_tensors(reader, folder_tensors(arguments.folder), config, matrix)
    if arguments.logits:
        check_logits(arguments.folder, arguments.file)
    print(f"{arguments.file}: {len(reader.tensors)} tensors and {len(reader.fields)} fields agree, {matrix.name}")


if __name__ == "__main__":
    try:
        main()
    except AssertionError as problem:
        sys.exit(f"check failed: {problem}")
