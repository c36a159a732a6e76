"""Makes a stage's weights of a converted model, to go on from it:  python from_gguf.py MODEL.gguf --out OUT

Writes OUT/final and checks that OUT/tokenizer, which `prepare.py` made, is the model's. Q8_0 weights come back as the
F32 numbers that they stand for.
"""
import argparse
import json
import os

import numpy
import torch
from gguf import GGUFReader
from gguf.quants import dequantize

from model import Qwen2, Shape
from weights import save_weights

OUTSIDE = {"token_embd": "embed_tokens", "output_norm": "norm"}
INSIDE = {"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
          "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm",
          "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}


def parameter(name):
    """GGUF's name of a tensor → this module's: blk.0.attn_q.weight → layers.0.self_attn.q_proj.weight."""
    if not name.startswith("blk."):
        module, kind = name.split(".")
        return f"{OUTSIDE[module]}.{kind}"
    _, layer, module, kind = name.split(".")
    return f"layers.{layer}.{INSIDE[module]}.{kind}"


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("model")
    p.add_argument("--out", required=True)
    args = p.parse_args()
    reader = GGUFReader(args.model)
    tensors = {parameter(t.name): torch.tensor(dequantize(t.data, t.tensor_type).astype(numpy.float32))
               for t in reader.tensors}

    def value(key):
        return reader.fields["qwen2." + key].contents()

    shape = Shape(tensors["embed_tokens.weight"].shape[0], value("embedding_length"), value("feed_forward_length"),
                  value("block_count"), value("attention.head_count"), value("attention.head_count_kv"),
                  value("context_length"), value("rope.freq_base"))
    model = Qwen2(shape)
    model.load_state_dict(tensors)
    with open(os.path.join(args.out, "tokenizer", "vocab.json"), encoding="utf-8") as f:
        vocabulary = json.load(f)
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    if any(tokens[i] != token for token, i in vocabulary.items()):
        raise SystemExit(f"{args.model} has another vocabulary than {args.out}/tokenizer")
    os.makedirs(os.path.join(args.out, "final"), exist_ok=True)
    save_weights(model, os.path.join(args.out, "final"))


if __name__ == "__main__":
    main()
