"""The ids of 100,000 random texts, the edge cases and every assigned character, against Hugging Face `tokenizers`."""

import subprocess
import sys

import pytest

from harness import BINARY, ROOT

QWEN = ROOT.parent / "shared/tokenizer"


@pytest.mark.skipif(not QWEN.is_dir(), reason="needs the Qwen vocabulary in ../shared/tokenizer")
def test_same_ids_as_hugging_face():
    script = ROOT / "Tests/Reference/compare_tokenizer.py"
    done = subprocess.run([sys.executable, script, BINARY, QWEN], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
