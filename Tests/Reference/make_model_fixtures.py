#!/usr/bin/env python3
"""Writes Tests/Reference/model-files: small files that ModelFilesTests compare against, made by others' code.

PyPI packages: numpy, gguf, safetensors, torch, transformers. Run once; the files are committed. Deterministic.

formats.gguf    random blocks of every format that is only read, and what gguf.quants makes of them
quants.gguf     metadata of every type; rows of floats, and the same as gguf.quants quantises and dequantises them
tiny-qwen2/     a Qwen2 model as transformers saves it (bfloat16, tied embeddings), with roles.json
"""
import json
import pathlib
import shutil

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from gguf import GGUFValueType as Value
from transformers import Qwen2Config, Qwen2ForCausalLM

HERE = pathlib.Path(__file__).resolve().parent / "model-files"


def rows() -> np.ndarray:
    """(6, 64) floats: normal, tiny, ties of rounding, zeros, extremes of magnitude, one outlier a block."""
    rng = np.random.default_rng(7)
    normal = rng.normal(0, 0.02, 64)
    tiny = rng.normal(0, 1e-7, 64)
    ties = np.concatenate([np.arange(-16, 16) * 0.5, np.arange(32) - 15.5])
    ties[0] = ties[32] = 127.0  # the scale is 1, so that halves stay halves
    zeros = np.zeros(64)
    extremes = rng.normal(0, 1e4, 64)
    outlier = rng.normal(0, 0.01, 64)
    outlier[5], outlier[40] = -3.0, 3.0
    return np.stack([normal, tiny, ties, zeros, extremes, outlier]).astype(np.float32)


def write_quants(path: pathlib.Path) -> None:
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_uint8("test.uint8", 200)
    writer.add_int8("test.int8", -100)
    writer.add_uint16("test.uint16", 60000)
    writer.add_int16("test.int16", -30000)
    writer.add_uint32("test.uint32", 4000000000)
    writer.add_int32("test.int32", -2000000000)
    writer.add_float32("test.float32", 0.1)
    writer.add_bool("test.bool", True)
    writer.add_string("test.string", "正面 🙂")
    writer.add_uint64("test.uint64", 2**64 - 1)
    writer.add_int64("test.int64", -(2**62))
    writer.add_float64("test.float64", 0.1)
    writer.add_array("test.strings", ["", "a", "负面"])
    writer.add_array("test.ints", [1, -2, 3])
    writer.add_array("test.floats", [0.5, -0.25])
    writer.add_key_value("test.bools", [True, False, True], Value.ARRAY, Value.BOOL)
    floats = rows()
    writer.add_tensor("source", floats)
    for kind in (Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0):
        encoded = gguf.quants.quantize(floats, kind)
        name = kind.name.lower()
        # F16 goes as float16 with its shape; the others as bytes with their type.
        writer.add_tensor(name, encoded, raw_dtype=None if kind is Type.F16 else kind)
        writer.add_tensor(f"{name}.values", gguf.quants.dequantize(encoded, kind).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# Where each format has its halves: scale and minimum.
FORMATS = {
    Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q2_K: [80, 82], Type.Q3_K: [108], Type.Q4_K: [0, 2],
    Type.Q5_K: [0, 2], Type.Q6_K: [208], Type.IQ4_NL: [0], Type.IQ4_XS: [0],
}


def write_formats(path: pathlib.Path) -> None:
    rng = np.random.default_rng(7)
    writer = gguf.GGUFWriter(path, "qwen2")
    for kind, halves in FORMATS.items():
        values, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = rng.integers(0, 256, (512 // values, size), dtype=np.uint8)
        for at in halves:
            blocks[:, at : at + 2] = rng.normal(0, 0.02, len(blocks)).astype("<f2").view(np.uint8).reshape(-1, 2)
        name = kind.name.lower()
        writer.add_tensor(name, blocks.reshape(1, -1), raw_dtype=kind)
        writer.add_tensor(f"{name}.values", gguf.quants.dequantize(blocks.reshape(1, -1), kind).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_folder(path: pathlib.Path) -> None:
    torch.manual_seed(7)
    config = Qwen2Config(
        vocab_size=12,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        rope_theta=1e6,
        tie_word_embeddings=True,
        dtype="bfloat16",
    )
    model = Qwen2ForCausalLM(config).to(torch.bfloat16)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.02)
    shutil.rmtree(path, ignore_errors=True)
    model.save_pretrained(path)
    (path / "generation_config.json").unlink(missing_ok=True)
    (path / "roles.json").write_text(json.dumps(["sentiment", "chat"]) + "\n")


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    write_formats(HERE / "formats.gguf")
    write_quants(HERE / "quants.gguf")
    write_folder(HERE / "tiny-qwen2")
