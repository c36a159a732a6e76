"""A stage's weights: shape.json and safetensors files of at most 15 MB, named as transformers names them."""
import glob
import json
import os
from dataclasses import asdict

from safetensors.torch import load_file, save_file

from model import Qwen2, Shape

LIMIT = 15_000_000


def save_weights(model, folder):
    """Writes F32 tensors; the files are numbered from 1."""
    with open(os.path.join(folder, "shape.json"), "w") as f:
        json.dump(asdict(model.shape), f, indent=2)
    shards, size = [{}], 0
    for name, p in model.named_parameters():
        tensor = p.detach().float().cpu().contiguous()
        size += tensor.nbytes
        if shards[-1] and size > LIMIT:
            shards.append({})
            size = tensor.nbytes
        shards[-1]["model." + name] = tensor
    for old in glob.glob(os.path.join(folder, "weights-*.safetensors")):
        os.remove(old)
    for i, shard in enumerate(shards, 1):
        path = os.path.join(folder, f"weights-{i:05}.safetensors")
        save_file(shard, path, metadata={"format": "pt"})
        os.chmod(path, 0o644)


def load_weights(folder, dropout=0.0):
    """The model of a folder that `save_weights` wrote."""
    with open(os.path.join(folder, "shape.json")) as f:
        model = Qwen2(Shape(**json.load(f)), dropout)
    tensors = {}
    for path in glob.glob(os.path.join(folder, "weights-*.safetensors")):
        tensors |= load_file(path)
    model.load_state_dict({name.removeprefix("model."): t for name, t in tensors.items()})
    return model
