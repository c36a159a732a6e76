"""How the tests run `download`, against which hubs, and what it says."""

import os
import subprocess

import pytest

from harness import BINARY, ROOT
from hub import Hub

FIXTURE = ROOT / "Tests/Reference/model-files/tiny-qwen2"
STARTER = (ROOT / "models/starter.gguf").read_bytes()
TOKEN = "hf_SecretOfTheTests"
FOLDER = {
    "README.md": b"# a model\n",
    ".gitattributes": b"*.safetensors filter=lfs\n",
    "config.json": (FIXTURE / "config.json").read_bytes(),
    "generation_config.json": b"{}",
    "model.safetensors": (FIXTURE / "model.safetensors").read_bytes(),
    "pytorch_model.bin": b"pickle",
    "tokenizer.json": b"{}" + b" " * 20_000,
    "tokenizer_config.json": b"{}",
    "vocab.json": b"{}",
    "merges.txt": b"",
}
NEEDED = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
GGUF = {"README.md": b"", "starter-q8_0.gguf": STARTER, "starter-q4_0.gguf": b"GGUF"}


@pytest.fixture()
def hub():
    with Hub(dict(FOLDER)) as running:
        yield running


@pytest.fixture()
def gguf_hub():
    with Hub(dict(GGUF)) as running:
        yield running


def environment(**more: str) -> dict[str, str]:
    """Without proxies and tokens of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith(("_proxy", "_token"))}
    return {name: value for name, value in kept.items() if name != "HF_ENDPOINT"} | more


def command(hub: Hub, target, *options: str, model: str = "test/model") -> list:
    return [BINARY, "download", model, "--mirror", hub.url, "--output", target, *options]


def download(hub: Hub, target, *options: str, status: int = 0, model: str = "test/model", **variables: str) -> tuple[str, str]:
    """Standard output and standard error."""
    done = subprocess.run(
        command(hub, target, *options, model=model), cwd=ROOT, env=environment(**variables), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


def refusal(*arguments, **named) -> str:
    """The one line that says what is wrong."""
    out, err = download(*arguments, status=1, **named)
    assert out == ""
    errors = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1 and err.endswith(errors[0] + "\n")
    return errors[0]


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []
