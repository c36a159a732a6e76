"""What weight types cost: the starter model's perplexity, measured as packaging/bench/perplexity.sh does for everyone."""

import os
import re
import shutil
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


def script(root=ROOT, status: int = 0, **variables: str) -> str:
    """What packaging/bench/perplexity.sh prints, or why it does not."""
    done = subprocess.run(
        [root / "packaging/bench/perplexity.sh"],
        cwd=root,
        env={**os.environ, "BINARY": str(BINARY), "MODEL": MODEL, **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


def ratios(output: str, first: str) -> dict[str, float]:
    return {name: float(ratio) for name, ratio in re.findall(rf"^(\S+)\t.*x {first}: (\S+)$", output, re.MULTILINE)}


def test_a_file_of_ones_own_texts(tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("今天真开心\n等了两个小时，太失望了\n")
    output = script(TEXTS=str(texts), TYPES="q8_0 q4_0")
    assert "texts 2, " in output and ratios(output, "q8_0").keys() == {"q8_0", "q4_0"} and ratios(output, "q8_0")["q8_0"] == 1


def test_says_how_to_give_texts(tmp_path):
    assert script(status=1, TEXTS="/nowhere") == (
        "qwen-all-in-one: No texts at /nowhere: give a file with one text a line as TEXTS=<path>.\n"
    )
    shutil.copytree(ROOT / "packaging", tmp_path / "packaging")
    assert re.fullmatch(
        "qwen-all-in-one: .*corpus.jsonl.xz is not here: give another file, .*, as make perplexity TEXTS=<path>.\n",
        script(tmp_path, status=1, TEXTS=""),
    )


@pytest.mark.skipif(not CORPUS.is_file(), reason="needs ../shared/data/lm/corpus.jsonl.xz")
def test_q8_0_is_within_half_a_percent_of_f32():
    output = script(TEXTS="", TYPES="f32 q8_0 q4_0")
    print(output)  # q4_0 is reported
    found = ratios(output, "f32")
    assert found["f32"] == 1 and set(found) == {"f32", "q8_0", "q4_0"}
    assert abs(found["q8_0"] - 1) < 0.005
