"""Qwen2's architecture, small and fast to train: RMSNorm, RoPE (NeoX halves), q/k/v bias, SwiGLU, tied embedding.

A batch has one shared prefix (the role's system prompt) and rows of text that all attend to it: the prefix passes the
network once a batch, and the result is exactly that of whole sequences. Parameter names are those of
transformers' Qwen2ForCausalLM.
"""
from dataclasses import asdict, dataclass

import torch
from torch import nn
from torch.nn import functional as F


@dataclass
class Shape:
    """The model's shape; the names are those of config.json."""
    vocab_size: int
    hidden_size: int = 192
    intermediate_size: int = 384
    num_hidden_layers: int = 4
    num_attention_heads: int = 3
    num_key_value_heads: int = 1
    max_position_embeddings: int = 2048
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-6

    @property
    def head_dim(self):
        return self.hidden_size // self.num_attention_heads

    def config(self, eos, pad):
        """config.json as transformers reads it."""
        return {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", **asdict(self), "hidden_act": "silu",
                "attention_dropout": 0.0, "initializer_range": 0.02, "tie_word_embeddings": True, "use_cache": True,
                "use_sliding_window": False, "bos_token_id": pad, "eos_token_id": eos, "torch_dtype": "float32"}


class RMSNorm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


def rope(x, cos, sin):
    """Rotates x (rows, heads, positions, head_dim) by cos and sin (positions, head_dim / 2)."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Attention(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = s.num_attention_heads, s.num_key_value_heads, s.head_dim
        self.q_proj = nn.Linear(s.hidden_size, s.hidden_size)
        self.k_proj = nn.Linear(s.hidden_size, self.kv_heads * self.head_dim)
        self.v_proj = nn.Linear(s.hidden_size, self.kv_heads * self.head_dim)
        self.o_proj = nn.Linear(s.hidden_size, s.hidden_size, bias=False)

    def forward(self, x, batch, keep=None):
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        p, t = batch.prefix, batch.length
        q0, k0, v0 = (self._heads(y[:p], 1, p) for y in (q, k, v))
        q1, k1, v1 = (self._heads(y[p:], batch.rows, t) for y in (q, k, v))
        q1, k1 = rope(q1, *batch.angles(p, t)), rope(k1, *batch.angles(p, t))
        if p == 0:
            out = self._flat(self._attend(q1, k1, v1, causal=True))
            return self.o_proj(out if keep is None else out[keep])
        q0, k0 = rope(q0, *batch.angles(0, p)), rope(k0, *batch.angles(0, p))
        head = self._attend(q0, k0, v0, causal=True)
        k1 = torch.cat((k0.expand(batch.rows, -1, -1, -1), k1), dim=2)
        v1 = torch.cat((v0.expand(batch.rows, -1, -1, -1), v1), dim=2)
        tail = self._attend(q1, k1, v1, mask=batch.mask)
        out = torch.cat((self._flat(head), self._flat(tail)))
        return self.o_proj(out if keep is None else out[keep])

    def _heads(self, y, rows, length):
        return y.view(rows, length, y.shape[-1] // self.head_dim, self.head_dim).transpose(1, 2)

    def _flat(self, y):
        return y.transpose(1, 2).reshape(-1, self.heads * self.head_dim)

    def _attend(self, q, k, v, mask=None, causal=False):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal,
                                              enable_gqa=self.heads != self.kv_heads)


class MLP(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.gate_proj = nn.Linear(s.hidden_size, s.intermediate_size, bias=False)
        self.up_proj = nn.Linear(s.hidden_size, s.intermediate_size, bias=False)
        self.down_proj = nn.Linear(s.intermediate_size, s.hidden_size, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.input_layernorm = RMSNorm(s.hidden_size, s.rms_norm_eps)
        self.self_attn = Attention(s)
        self.post_attention_layernorm = RMSNorm(s.hidden_size, s.rms_norm_eps)
        self.mlp = MLP(s)

    def forward(self, x, batch, dropout, keep=None):
        attended = self.self_attn(self.input_layernorm(x), batch, keep)
        x = (x if keep is None else x[keep]) + F.dropout(attended, dropout, self.training)
        return x + F.dropout(self.mlp(self.post_attention_layernorm(x)), dropout, self.training)


class Batch:
    """Token ids with their geometry: a prefix (prefix,) shared by rows (rows, length)."""

    def __init__(self, prefix, ids, rotary):
        self.prefix, (self.rows, self.length) = len(prefix), ids.shape
        self.flat = torch.cat((prefix, ids.reshape(-1)))
        self.cos, self.sin = rotary
        columns, lines = (torch.arange(n, device=ids.device) for n in (self.prefix + self.length, self.length))
        self.mask = (columns <= lines[:, None] + self.prefix) if self.prefix else None

    def angles(self, start, length):
        return self.cos[start:start + length], self.sin[start:start + length]


class Qwen2(nn.Module):
    """forward(prefix (P,), ids (B, T), keep) → hidden states after the last norm, (P + B·T, hidden).

    With `keep`, the indices of the rows that are wanted, the last layer computes no others: (len(keep), hidden).
    """

    def __init__(self, shape, dropout=0.0):
        super().__init__()
        self.shape, self.dropout = shape, dropout
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.num_hidden_layers))
        self.norm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)
        half = torch.arange(0, shape.head_dim, 2).double() / shape.head_dim
        angles = torch.outer(torch.arange(shape.max_position_embeddings).double(), shape.rope_theta ** -half)
        self.register_buffer("cos", angles.cos().float(), persistent=False)
        self.register_buffer("sin", angles.sin().float(), persistent=False)
        self.apply(self._init)

    def _init(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02 if isinstance(module, nn.Embedding)
                            else 0.5 * module.in_features ** -0.5)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, (Attention, MLP)):
            nn.init.zeros_((module.o_proj if isinstance(module, Attention) else module.down_proj).weight)

    def forward(self, prefix, ids, keep=None):
        batch = Batch(prefix, ids, (self.cos, self.sin))
        x = self.embed_tokens(batch.flat)
        for i, layer in enumerate(self.layers):
            x = layer(x, batch, self.dropout, keep if i + 1 == len(self.layers) else None)
        return self.norm(x)

    def logits(self, hidden):
        return hidden @ self.embed_tokens.weight.T
