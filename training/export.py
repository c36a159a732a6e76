"""Hugging Face folders: writing one that transformers loads as Qwen2ForCausalLM, and reading it back."""
import json
import os
import shutil
from dataclasses import fields

from safetensors.torch import load_file, save_file

from batches import Codec
from model import Qwen2, Shape

TOKENIZER_FILES = ["tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"]


def export(model, tokenizer_folder, out):
    """Writes config, F32 weights, tokenizer and roles.json beside `out`, then puts the new folder in its place."""
    fresh, old = out.rstrip("/") + ".new", out.rstrip("/") + ".old"
    shutil.rmtree(fresh, ignore_errors=True)
    os.makedirs(fresh)
    for name in TOKENIZER_FILES:
        shutil.copyfile(os.path.join(tokenizer_folder, name), os.path.join(fresh, name))
    codec = Codec(os.path.join(fresh, "tokenizer.json"))
    with open(os.path.join(fresh, "config.json"), "w") as f:
        json.dump(model.shape.config(codec.end, codec.end_of_text), f, indent=2)
    with open(os.path.join(fresh, "roles.json"), "w") as f:
        json.dump(["sentiment", "chat"], f)
    tensors = {"model." + name: p.detach().float().contiguous() for name, p in model.named_parameters()}
    save_file(tensors, os.path.join(fresh, "model.safetensors"), metadata={"format": "pt"})
    os.chmod(os.path.join(fresh, "model.safetensors"), 0o644)
    shutil.rmtree(old, ignore_errors=True)
    if os.path.exists(out):
        os.rename(out, old)
    os.rename(fresh, out)
    shutil.rmtree(old, ignore_errors=True)


def load(folder):
    """Returns (model in evaluation mode, codec) of an exported folder."""
    with open(os.path.join(folder, "config.json")) as f:
        config = json.load(f)
    model = Qwen2(Shape(**{field.name: config[field.name] for field in fields(Shape)}))
    tensors = load_file(os.path.join(folder, "model.safetensors"))
    model.load_state_dict({name.removeprefix("model."): t for name, t in tensors.items()})
    return model.eval(), Codec(os.path.join(folder, "tokenizer.json"))
