"""Model files as other programs write them: mixed block formats, any order and alignment, keys that nobody here knows."""

import os
import subprocess

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type

from harness import BINARY, ROOT

IDS = "5,3,8,13,21,2,34,1"
VOCABULARY, HIDDEN, MLP, HEADS, KV_HEADS, LAYERS = 96, 256, 512, 4, 2, 2

# What keeps a format's values exactly: the type that its matrices are packed in.
EXACT = {Type.Q5_0: Type.Q8_0, Type.IQ4_NL: Type.Q8_0}
# Where a block has its halves, scale and minimum.
HALVES = {
    Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q2_K: [80, 82], Type.Q3_K: [108], Type.Q4_K: [0, 2],
    Type.Q5_K: [0, 2], Type.Q6_K: [208], Type.IQ4_NL: [0], Type.IQ4_XS: [0], Type.Q8_0: [0], Type.Q4_0: [0],
}


def logits(path, status: int = 0):
    """Of the last token, as bytes; the one line of standard error where it must fail."""
    out = f"{path}.f32"
    done = subprocess.run([BINARY, "logits", "--model", path, "--ids", IDS, "--out", out], cwd=ROOT, capture_output=True)
    assert done.returncode == status, done.stderr.decode()
    if status:
        [line] = done.stderr.decode().splitlines()
        return line
    with open(out, "rb") as file:
        return file.read()


def blocks(random: np.random.Generator, kind: Type, rows: int, columns: int) -> np.ndarray:
    """Rows of random blocks with values of the size that weights have."""
    values, size = gguf.GGML_QUANT_SIZES[kind]
    data = random.integers(0, 256, (rows * columns // values, size), dtype=np.uint8)
    spread = np.abs(gguf.quants.dequantize(with_halves(data, kind, 1.0), kind)).mean()
    scales = random.uniform(0.02, 0.06, len(data)) / spread * np.where(random.random(len(data)) < 0.5, -1, 1)
    return with_halves(data, kind, scales).reshape(rows, -1)


def with_halves(data: np.ndarray, kind: Type, scales) -> np.ndarray:
    data = data.copy()
    for at in HALVES[kind]:
        data[:, at : at + 2] = np.broadcast_to(scales, len(data)).astype("<f2").view(np.uint8).reshape(-1, 2)
    return data


def shapes(architecture: str, head: int = 64) -> dict[str, tuple[int, ...]]:
    query, kv = HEADS * head, KV_HEADS * head
    result = {"token_embd.weight": (VOCABULARY, HIDDEN), "output_norm.weight": (HIDDEN,)}
    for layer in range(LAYERS):
        part = {
            "attn_norm.weight": (HIDDEN,), "attn_q.weight": (query, HIDDEN), "attn_k.weight": (kv, HIDDEN),
            "attn_v.weight": (kv, HIDDEN), "attn_output.weight": (HIDDEN, query), "ffn_norm.weight": (HIDDEN,),
            "ffn_gate.weight": (MLP, HIDDEN), "ffn_up.weight": (MLP, HIDDEN), "ffn_down.weight": (HIDDEN, MLP),
        }
        if architecture == "qwen2":
            part |= {"attn_q.bias": (query,), "attn_k.bias": (kv,), "attn_v.bias": (kv,)}
        else:
            part |= {"attn_q_norm.weight": (head,), "attn_k_norm.weight": (head,)}
        result |= {f"blk.{layer}.{name}": shape for name, shape in part.items()}
    return result


class Model:
    """Tensors as (rows of the type's bytes, type), and the file that they make."""

    def __init__(self, architecture: str, kinds: list[Type], seed: int = 1, output: Type | None = None):
        random = np.random.default_rng(seed)
        self.architecture, self.tensors = architecture, {}
        wanted = shapes(architecture)
        if output is not None:
            wanted["output.weight"] = wanted["token_embd.weight"]
        number = 0
        for name, shape in wanted.items():
            if len(shape) == 1:
                values = random.normal(1 if "norm" in name else 0, 0.1, shape).astype(np.float32)
                self.tensors[name] = (values, Type.F32)
                continue
            kind = output if name == "output.weight" else kinds[number % len(kinds)]
            self.tensors[name] = (blocks(random, kind, *shape), kind)
            number += 1

    def plain(self) -> "Model":
        """The same in types that are packed as they are: what loading must make of the other ones."""
        other = object.__new__(Model)
        other.architecture, other.tensors = self.architecture, {}
        for name, (data, kind) in self.tensors.items():
            if kind in EXACT:
                ones = gguf.quants.dequantize(with_halves(data.reshape(-1, gguf.GGML_QUANT_SIZES[kind][1]), kind, 1.0), kind)
                scales = data.reshape(-1, gguf.GGML_QUANT_SIZES[kind][1])[:, :2]
                data = np.concatenate([scales, ones.reshape(-1, 32).astype(np.int8).view(np.uint8)], 1).reshape(len(data), -1)
                kind = Type.Q8_0
            elif kind not in (Type.F32, Type.Q8_0, Type.Q4_0):
                data, kind = gguf.quants.dequantize(data, kind).astype(np.float16), Type.F16
            other.tensors[name] = (data, kind)
        return other

    def write(self, path, names=None, alignment: int = 32, extra: bool = False) -> str:
        writer = gguf.GGUFWriter(path, self.architecture)
        if alignment != 32:
            writer.add_custom_alignment(alignment)
        writer.add_block_count(LAYERS)
        writer.add_context_length(128)
        writer.add_embedding_length(HIDDEN)
        writer.add_feed_forward_length(MLP)
        writer.add_head_count(HEADS)
        writer.add_head_count_kv(KV_HEADS)
        writer.add_rope_freq_base(1e6)
        writer.add_layer_norm_rms_eps(1e-6)
        if self.architecture == "qwen3":
            writer.add_key_length(64)
            writer.add_value_length(64)
        if extra:
            writer.add_string("general.quantized_by", "somebody")
            writer.add_file_type(15)
            writer.add_string("quantize.imatrix.file", "imatrix.dat")
            writer.add_array("general.tags", ["chat", "text-generation"])
            writer.add_float32("some.vendor.key", 0.5)
        for name in names or self.tensors:
            data, kind = self.tensors[name]
            writer.add_tensor(name, data, raw_dtype=None if kind in (Type.F32, Type.F16) else kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return str(path)


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3"])
@pytest.mark.parametrize("kind", list(HALVES))
def test_every_format_is_what_the_gguf_package_makes_of_it(tmp_path, architecture, kind):
    model = Model(architecture, [kind])
    mine = logits(model.write(tmp_path / "blocks.gguf"))
    assert mine == logits(model.plain().write(tmp_path / "plain.gguf"))
    assert np.isfinite(np.frombuffer(mine, "<f4")).all() and len(mine) == 4 * VOCABULARY


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3"])
def test_mixed_files(tmp_path, architecture):
    """As llama-quantize mixes them: embedding and output matrix of other types than the layers, which differ among themselves."""
    kinds = [Type.Q8_0, Type.Q4_K, Type.Q5_0, Type.Q6_K, Type.Q5_K, Type.Q4_0]
    model = Model(architecture, kinds, output=Type.Q6_K)
    wanted = logits(model.plain().write(tmp_path / "plain.gguf"))
    assert logits(model.write(tmp_path / "mixed.gguf")) == wanted
    assert logits(model.write(tmp_path / "aligned.gguf", alignment=256, extra=True)) == wanted
    names = list(model.tensors)
    np.random.default_rng(2).shuffle(names)
    assert logits(model.write(tmp_path / "shuffled.gguf", names=names)) == wanted
    shown = subprocess.run([BINARY, "inspect", tmp_path / "mixed.gguf"], capture_output=True, text=True, check=True).stdout
    assert "q4_k: " in shown and "q6_k: " in shown


def test_an_output_matrix_beside_the_embedding_counts(tmp_path):
    """A file may hold the embedding again as output.weight, or another matrix."""
    model = Model("qwen2", [Type.Q8_0])
    tied = logits(model.write(tmp_path / "tied.gguf"))
    model.tensors["output.weight"] = model.tensors["token_embd.weight"]
    assert logits(model.write(tmp_path / "twice.gguf")) == tied
    model.tensors["output.weight"] = Model("qwen2", [Type.Q8_0], seed=2).tensors["token_embd.weight"]
    assert logits(model.write(tmp_path / "untied.gguf")) != tied


def test_values_are_near_those_of_full_precision(tmp_path):
    """Rounding Q4_K's values to F16 changes logits by far less than its own quantisation."""
    model = Model("qwen3", [Type.Q4_K])
    exact = object.__new__(Model)
    exact.architecture = "qwen3"
    exact.tensors = {
        name: (gguf.quants.dequantize(data, kind).astype(np.float32) if kind != Type.F32 else data, Type.F32)
        for name, (data, kind) in model.tensors.items()
    }
    mine, wanted = (
        np.frombuffer(logits(each.write(tmp_path / f"{i}.gguf")), "<f4") for i, each in enumerate([model, exact])
    )
    assert 0 < np.linalg.norm(mine - wanted) / np.linalg.norm(wanted) < 5e-3


def test_convert_does_not_write_formats_that_it_only_reads(tmp_path):
    done = subprocess.run(
        [BINARY, "convert", ROOT / "models/starter.gguf", tmp_path / "x.gguf", "--type", "q4_k"], capture_output=True, text=True
    )
    assert done.returncode != 0 and "q4_k" in done.stderr and not (tmp_path / "x.gguf").exists()


def test_unknown_types_and_tensors_are_one_clear_line(tmp_path):
    model = Model("qwen2", [Type.Q8_0])
    _, size = gguf.GGML_QUANT_SIZES[Type.IQ2_XXS]
    model.tensors["blk.0.ffn_up.weight"] = (np.zeros((MLP, HIDDEN // 256 * size), np.uint8), Type.IQ2_XXS)
    line = logits(model.write(tmp_path / "iq2.gguf"), status=1)
    assert "tensor 'blk.0.ffn_up.weight': has ggml type 16 (iq2_xxs), which is not supported" in line
    assert "such as Q8_0 or Q4_K_M" in line
    model = Model("qwen3", [Type.Q8_0])
    model.tensors["blk.1.attn_q.bias"] = (np.zeros(HEADS * 64, np.float32), Type.F32)
    assert "tensor 'blk.1.attn_q.bias': is not part of a qwen3 model" in logits(model.write(tmp_path / "bias.gguf"), status=1)
    model = Model("qwen2", [Type.Q8_0])
    model.tensors["blk.1.ffn_down.weight"] = (with_halves(np.full((HIDDEN * 2, 144), 255, np.uint8), Type.Q4_K, 65504.0).reshape(HIDDEN, -1), Type.Q4_K)
    assert "tensor 'blk.1.ffn_down.weight': has type q4_k and a value beyond" in logits(model.write(tmp_path / "inf.gguf"), status=1)


def test_instruction_sets_agree(tmp_path):
    """The portable kernels differ from the others by rounding alone, also for types that are packed as another one."""
    path = Model("qwen3", [Type.Q4_K, Type.Q6_K, Type.Q5_0]).write(tmp_path / "m.gguf")
    best = np.frombuffer(logits(path), "<f4")
    out = tmp_path / "generic.f32"
    subprocess.run([BINARY, "logits", "--model", path, "--ids", IDS, "--out", out, "--isa", "generic"], check=True)
    generic = np.fromfile(out, "<f4")
    assert np.linalg.norm(best - generic) / np.linalg.norm(best) < 2e-2
    assert os.path.getsize(out) == 4 * VOCABULARY
