"""What weight types cost: the starter model's perplexity, measured as packaging/bench/perplexity.sh does for everyone."""

import os
import re
import subprocess

import pytest

from harness import BINARY, MODEL, ROOT

CORPUS = ROOT.parent / "shared/data/lm/corpus.jsonl.xz"


def run(*arguments: str, input: str = "", status: int = 0) -> str:
    done = subprocess.run([BINARY, *arguments], cwd=ROOT, input=input.encode(), capture_output=True)
    assert done.returncode == status, done.stderr.decode()
    return (done.stderr if status else done.stdout).decode()


def test_a_likely_text_is_less_of_a_surprise():
    def perplexity(text: str) -> float:
        return float(run("perplexity", "--model", MODEL, input=text).split()[-1])

    assert 1 < perplexity("你好，今天过得怎么样？") < perplexity("么，今？天好怎过样得你")
    # Texts stand alone: the order and the number of threads make no difference.
    both = run("perplexity", "--model", MODEL, input="今天真开心\n\n谢谢你\n")
    assert both.startswith("texts 3, ")
    assert run("perplexity", "--model", MODEL, "--threads", "1", input="今天真开心\n\n谢谢你\n") == both
    assert run("perplexity", "--model", MODEL, "--jsonl", input='"今天真开心"\n""\n"谢谢你"\n') == both


def test_says_what_is_missing():
    assert "no text of two tokens" in run("perplexity", "--model", MODEL, input="\n", status=1)
    assert "line 2" in run("perplexity", "--model", MODEL, "--jsonl", input='"a"\n{}\n', status=1)


@pytest.mark.skipif(not CORPUS.is_file(), reason="needs ../shared/data/lm/corpus.jsonl.xz")
def test_q8_0_is_within_half_a_percent_of_f32():
    output = subprocess.run(
        ["packaging/bench/perplexity.sh"],
        cwd=ROOT,
        env={**os.environ, "BINARY": str(BINARY), "MODEL": MODEL, "TYPES": "f32 q8_0 q4_0"},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout
    print(output)  # q4_0 is reported
    ratios = {name: float(ratio) for name, ratio in re.findall(r"^(\S+)\t.*x f32: (\S+)$", output, re.MULTILINE)}
    assert ratios["f32"] == 1 and set(ratios) == {"f32", "q8_0", "q4_0"}
    assert abs(ratios["q8_0"] - 1) < 0.005
