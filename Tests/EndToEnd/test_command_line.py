"""The commands beside `serve`: what they read and write, and what they say when they cannot."""

import array
import json
import re
import subprocess

import pytest

from harness import BINARY, MODEL, ROOT

TEXTS = ["今天真开心", "e\u0301 👨‍👩‍👧\r\n  x<|im_end|>", "", "\"\\\u2028\t"]


def run(*arguments: str, input: str = "", status: int = 0) -> str:
    """Standard output of the program; its standard error where it must fail."""
    done = subprocess.run([BINARY, *arguments], cwd=ROOT, input=input.encode(), capture_output=True)
    assert done.returncode == status, done.stderr.decode()
    return (done.stderr if status else done.stdout).decode()


@pytest.mark.parametrize(
    "command", ["serve", "classify", "chat", "evaluate", "convert", "synthesize", "inspect", "tokenize", "logits", "perplexity", "keys",
                "calibrate", "summarize", "check", "download"]
)
def test_help_has_an_example(command):
    [example] = re.findall("^Example: (.*)$", run(command, "--help"), re.MULTILINE)
    assert f"qwen-all-in-one {command} " in f"{example} "


def test_tokenize_and_back():
    for text in TEXTS:
        ids = run("tokenize", "--model", MODEL, input=text)
        assert all(word.isdigit() for word in ids.split())
        assert run("tokenize", "--model", MODEL, "--decode", input=ids) == text.replace("e\u0301", "é")


def test_tokenize_json_lines():
    lines = "".join(json.dumps(text) + "\n" for text in TEXTS)
    ids = run("tokenize", "--model", MODEL, "--jsonl", input=lines)
    assert [" ".join(map(str, json.loads(line))) for line in ids.splitlines()] == [
        run("tokenize", "--model", MODEL, input=text).strip() for text in TEXTS
    ]
    back = run("tokenize", "--model", MODEL, "--jsonl", "--decode", input=ids)
    assert [json.loads(line) for line in back.split("\n")[:-1]] == [text.replace("e\u0301", "é") for text in TEXTS]


def test_tokenize_measures():
    lines = "".join(json.dumps(text) + "\n" for text in TEXTS)
    rounds = [json.loads(line) for line in run("tokenize", "--model", MODEL, "--jsonl", "--measure", "2", input=lines).splitlines()]
    ids = [json.loads(line) for line in run("tokenize", "--model", MODEL, "--jsonl", input=lines).splitlines()]
    assert [one["tokens"] for one in rounds] == [sum(map(len, ids))] * 2
    assert all(one["characters"] == sum(map(len, TEXTS)) and one["seconds"] > 0 for one in rounds)


@pytest.mark.parametrize("line", ["[1,2", "1,2", "[1,-2]", "[1,99999999]", '["1"]', ""])
def test_tokenize_refuses_other_lines(line):
    assert run("tokenize", "--model", MODEL, "--decode", "--jsonl", input=line + "\n", status=1).startswith("Error: ")


def test_logits_do_not_depend_on_chunks(tmp_path):
    ids = run("tokenize", "--model", MODEL, input="今天的天气真好，我们去公园吧。" * 4).split()
    files = {}
    for name, options in {"64": [], "1": ["--prefill-chunk", "1"], "7": ["--prefill-chunk", "7", "--threads", "1"]}.items():
        files[name] = tmp_path / name
        run("logits", "--model", MODEL, "--ids", ",".join(ids), "--all", "--out", str(files[name]), *options)
    every = files["64"].read_bytes()
    assert files["1"].read_bytes() == every and files["7"].read_bytes() == every
    last = tmp_path / "last"
    run("logits", "--model", MODEL, "--ids", ",".join(ids), "--out", str(last))
    assert len(every) == len(ids) * last.stat().st_size and every.endswith(last.read_bytes())
    assert max(array.array("f", last.read_bytes())) < 1e4


def test_classify_arguments_and_lines():
    rows = [json.loads(line) for line in run("classify", "--model", MODEL, "--json", *TEXTS[:2]).splitlines()]
    assert [row["text"] for row in rows] == TEXTS[:2]
    assert all(row["labels"] == ["正面", "负面"] and sum(row["probs"]) == pytest.approx(1) for row in rows)
    by_line = run("classify", "--model", MODEL, input="今天真开心\n\n太差了\n").splitlines()
    assert [line.split("\t")[2] for line in by_line] == ["今天真开心", "太差了"]
    assert by_line[0].split("\t")[0] == rows[0]["label"]
    for count in (0, 16, 32):  # nothing, and whole batches
        assert run("classify", "--model", MODEL, input="今天真开心\n" * count).splitlines() == by_line[:1] * count


def test_chat_replies_to_each_line():
    replies = run("chat", "--model", MODEL, input="你好\n再见\n").splitlines()
    assert replies and run("chat", "--model", MODEL, "你好").rstrip("\n") in "\n".join(replies)
    answer = json.loads(run("chat", "--model", MODEL, "--json", "你好"))
    assert 0 < len(answer["reply"]) <= 60


@pytest.mark.parametrize("header", ["", "label\ttext_a\n"])
def test_evaluate(tmp_path, header):
    examples = tmp_path / "examples.tsv"
    examples.write_text(header + "1\t今天真开心\n负面\t太失望了\n0\t质量很差\n")
    result = json.loads(run("evaluate", "--model", MODEL, "--role", "sentiment", "--json", str(examples)))
    assert result["count"] == 3 and sum(map(sum, result["confusion"])) == 3
    assert 0 < result["latency_milliseconds"]["p50"] <= result["latency_milliseconds"]["max"]
    assert run("evaluate", "--model", MODEL, str(examples)).startswith("accuracy ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["classify", "--model", "nowhere.gguf", "好"],
        ["inspect", "nowhere.gguf"],
        ["tokenize", "--model", "nowhere.gguf"],
        ["logits", "--model", MODEL, "--ids", "1,x", "--out", "/dev/null"],
        ["logits", "--model", MODEL, "--ids", "1", "--out", "/nowhere/x"],
        ["evaluate", "--model", MODEL, "nowhere.tsv"],
        ["convert", "nowhere", "/nowhere/x.gguf"],
    ],
)
def test_failures_are_one_clear_line(arguments):
    done = subprocess.run([BINARY, *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode != 0 and done.stdout == b""
    assert done.stderr.decode().startswith("Error: ") and done.stderr.decode().count("\n") == 1
