#!/usr/bin/env python3
"""Writes the golden models and logits of Tests/InferenceTests/Golden.

Tiny random Qwen2 and Qwen3 models in Hugging Face's form, prompts drawn by seed, and per prompt the logits of its last token:
from transformers in F32, and from the reference below, which dequantises Q8_0 or Q4_0 weights, rounds activations to
int8 per token and block of 32, and rounds keys and values to F16, as the engine does. The seeds are such that in
no prompt of the Qwen2 models, and not in most of Qwen3's, an activation lies so near the middle between two quants that
the order of a float sum decides: one such value moves the logits by some 1e-3.

Needs the PyPI packages torch, transformers, safetensors, gguf and numpy.
Usage: generate_golden_models.py [--into FOLDER] [NAME ...]
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

VOCABULARY = 320
PROMPT_LENGTHS = [1, 2, 7, 31, 32, 33, 64, 100, 1100]
GREEDY_PROMPT = 12
GREEDY_TOKENS = 64

MODELS = {
    "mha-tied": dict(num_attention_heads=4, num_key_value_heads=4, intermediate_size=96, tie_word_embeddings=True, seed=1),
    "gqa-untied": dict(num_attention_heads=4, num_key_value_heads=2, intermediate_size=96, tie_word_embeddings=False, seed=5),
    # Heads of 24: not hidden size / heads, and no whole block.
    "qwen3-tied": dict(
        num_attention_heads=4, num_key_value_heads=2, head_dim=24, intermediate_size=96, tie_word_embeddings=True,
        rms_norm_eps=1e-5, seed=4,
    ),
}


def build(options):
    """A model whose weights are large enough for attention and MLP to matter beside the embedding."""
    options = dict(options)
    torch.manual_seed(options.pop("seed"))
    make_config, make_model = (
        (Qwen3Config, Qwen3ForCausalLM) if "head_dim" in options else (Qwen2Config, Qwen2ForCausalLM)
    )
    config = make_config(
        vocab_size=VOCABULARY, hidden_size=64, num_hidden_layers=2, max_position_embeddings=2048,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6}, initializer_range=0.03, **options,
    )
    config._attn_implementation = "eager"
    model = make_model(config).float().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.1)
            elif "norm" in name:
                parameter.normal_(1, 0.1)
    return model


def round_weights(matrix, kind):
    if kind is None:
        return matrix
    kind = {"q8_0": GGMLQuantizationType.Q8_0, "q4_0": GGMLQuantizationType.Q4_0}[kind]
    return torch.from_numpy(dequantize(quantize(matrix.numpy(), kind), kind))


def round_activations(x, kind):
    """int8 per block of 32: scale amax/127, round to nearest even."""
    if kind is None:
        return x
    blocks = x.reshape(*x.shape[:-1], -1, 32)
    amax = blocks.abs().amax(-1, keepdim=True)
    inverse = torch.where(amax > 0, 127 / amax, torch.zeros_like(amax))
    return (torch.round(blocks * inverse) * (amax / 127)).reshape(x.shape)


class Reference:
    """Qwen2 and Qwen3 in plain torch. Float64 between the roundings, so that only they decide."""

    def __init__(self, model, kind):
        self.config, self.kind = model.config, kind
        state = {name: tensor.detach() for name, tensor in model.state_dict().items()}
        if model.config.tie_word_embeddings:
            state["lm_head.weight"] = state["model.embed_tokens.weight"]
        self.weights = {
            name: (round_weights(tensor, kind) if tensor.dim() == 2 else tensor).double() for name, tensor in state.items()
        }

    def linear(self, name, x):
        x = round_activations(x.float(), self.kind).double()
        y = x @ self.weights[name + ".weight"].T
        return y + self.weights[name + ".bias"] if name + ".bias" in self.weights else y

    def norm(self, name, x):
        scale = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.config.rms_norm_eps)
        return self.weights[name + ".weight"] * (x * scale)

    def rotate(self, x, cosines, sines):
        half = x.shape[-1] // 2
        return x * cosines + torch.cat([-x[..., half:], x[..., :half]], -1) * sines

    def attention(self, prefix, x):
        c, n = self.config, x.shape[0]
        size = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
        q, k, v = (self.linear(f"{prefix}.{part}_proj", x).reshape(n, -1, size).transpose(0, 1) for part in "qkv")
        if f"{prefix}.q_norm.weight" in self.weights:
            q, k = self.norm(f"{prefix}.q_norm", q), self.norm(f"{prefix}.k_norm", k)
        theta = c.rope_parameters["rope_theta"]
        frequencies = 1.0 / (theta ** (torch.arange(0, size, 2, dtype=torch.int64).float() / size))
        angles = torch.outer(torch.arange(n).float(), frequencies).double()
        angles = torch.cat([angles, angles], -1)
        q, k = self.rotate(q, angles.cos(), angles.sin()), self.rotate(k, angles.cos(), angles.sin())
        if self.kind is not None:
            k, v = k.float().half().double(), v.float().half().double()
        shared = c.num_attention_heads // c.num_key_value_heads
        k, v = k.repeat_interleave(shared, 0), v.repeat_interleave(shared, 0)
        scores = q @ k.transpose(1, 2) / size**0.5
        scores += torch.full((n, n), float("-inf"), dtype=torch.float64).triu(1)
        out = torch.softmax(scores, -1) @ v
        return self.linear(f"{prefix}.o_proj", out.transpose(0, 1).reshape(n, -1))

    def logits(self, tokens):
        x = self.weights["model.embed_tokens.weight"][torch.tensor(tokens)]
        for index in range(self.config.num_hidden_layers):
            layer = f"model.layers.{index}"
            x = x + self.attention(f"{layer}.self_attn", self.norm(f"{layer}.input_layernorm", x))
            y = self.norm(f"{layer}.post_attention_layernorm", x)
            gate = torch.nn.functional.silu(self.linear(f"{layer}.mlp.gate_proj", y))
            x = x + self.linear(f"{layer}.mlp.down_proj", gate * self.linear(f"{layer}.mlp.up_proj", y))
        return self.linear("lm_head", self.norm("model.norm", x))[-1].numpy()


def relative(a, b):
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def greedy(model, prompt):
    tokens = list(prompt)
    for _ in range(GREEDY_TOKENS):
        tokens.append(int(model(torch.tensor([tokens])).logits[0, -1].argmax()))
    return tokens[len(prompt):]


def write(folder, name, options):
    model = build(options)
    target = folder / name
    model.save_pretrained(target)
    (target / "generation_config.json").unlink(missing_ok=True)
    random = np.random.default_rng(options["seed"])
    prompts = [random.integers(0, VOCABULARY, length).tolist() for length in PROMPT_LENGTHS]
    start = random.integers(0, VOCABULARY, GREEDY_PROMPT).tolist()
    exact, references = Reference(model, None), {kind: Reference(model, kind) for kind in ("q8_0", "q4_0")}
    rows = []   # F32, little-endian: (prompts, [f32, q8_0, q4_0], vocabulary)
    for prompt in prompts:
        f32 = model(torch.tensor([prompt])).logits[0, -1].numpy()
        assert relative(exact.logits(prompt), f32) < 2e-5, "the reference is not transformers'"
        rows += [f32] + [references[kind].logits(prompt) for kind in ("q8_0", "q4_0")]
        print(name, len(prompt), *(f"{relative(row, f32):.1e}" for row in rows[-2:]))
    np.concatenate(rows).astype("<f4").tofile(target / "logits.bin")
    golden = dict(prompts=prompts, greedyPrompt=start, greedy=greedy(model, start))
    (target / "prompts.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="models to write; none: all")
    parser.add_argument("--into", type=Path, default=Path(__file__).parents[1] / "InferenceTests" / "Golden")
    arguments = parser.parse_args()
    with torch.no_grad():
        for model_name in arguments.names or MODELS:
            write(arguments.into, model_name, MODELS[model_name])
