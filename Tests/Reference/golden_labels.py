#!/usr/bin/env python3
"""Labels' probabilities by brute force in transformers: every label's full token sequence is run by itself.

A label's probability is the product over its tokens, and over its end where another label goes on there, of the softmax
over what the labels with the same beginning have next.

    golden_labels.py                      writes Tests/Reference/golden/labels.json for the golden models
    golden_labels.py compare MODEL PROGRAM ROLE FILE
        compares `PROGRAM classify --json` with MODEL in F32 by the role file ROLE, over FILE's texts, one a line

MODEL is a GGUF file or a Hugging Face folder with the ChatML tokens. Needs the PyPI packages torch, transformers, accelerate,
gguf and PyYAML.
"""

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path

import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2ForCausalLM

HERE = Path(__file__).parent
MODELS = HERE.parent / "InferenceTests/Golden"
END = 319  # stands for <|im_end|> in the golden models, which have no tokenizer


def probabilities(model, prompt, labels, end):
    result = []
    for label in labels:
        # Row i of these logits says what follows prompt + label[:i].
        logits = model(torch.tensor([prompt + label])).logits[0, len(prompt) - 1:].double()
        probability = 1.0
        for depth in range(len(label) + 1):
            alike = [other for other in labels if other[:depth] == label[:depth]]
            follow = sorted({other[depth] if len(other) > depth else end for other in alike})
            own = label[depth] if depth < len(label) else end
            probability *= torch.softmax(logits[depth, follow], 0)[follow.index(own)].item()
        result.append(probability)
    assert abs(sum(result) - 1) < 1e-5  # F32 rounds a row differently among other rows
    return result


def random_labels(source, count, longest, alphabet):
    """Different sequences; the fewer the tokens to choose from, the more of them begin alike."""
    labels = []
    while len(labels) < count:
        label = [source.randrange(alphabet) for _ in range(source.randint(1, longest))]
        if label not in labels:
            labels.append(label)
    return labels


def write():
    golden = {}
    for name in ("mha-tied", "gqa-untied"):
        source = random.Random(name)
        model = Qwen2ForCausalLM.from_pretrained(MODELS / name, dtype=torch.float32, attn_implementation="eager").eval()
        prompts = json.loads((MODELS / name / "prompts.json").read_text())["prompts"]
        sets = [
            [[7], [8]],
            [[7], [7, 8], [7, 8, 9], [7, 8, 9, 10, 11]],
            [[3, 4, 5, 6], [3, 4, 5, 7, 8], [3, 4, 5]],
            random_labels(source, 5, 3, END),
            random_labels(source, 20, 5, 3),
            random_labels(source, 64, 6, 4),
            random_labels(source, 64, 12, END),
        ]
        cases = []
        for number, labels in enumerate(sets):
            prompt = number % 8  # lengths 1 to 100
            cases.append(dict(prompt=prompt, labels=labels, probabilities=probabilities(model, prompts[prompt], labels, END)))
        golden[name] = cases
    (HERE / "golden/labels.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


def load(path):
    if path.is_dir():
        return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(path)
    options = dict(gguf_file=path.name)
    return (
        AutoModelForCausalLM.from_pretrained(path.parent, dtype=torch.float32, **options).eval(),
        AutoTokenizer.from_pretrained(path.parent, **options),
    )


def role_of(path):
    """System prompt, labels and length of a role file."""
    role = yaml.safe_load(path.read_text(encoding="utf-8"))
    return role["system"].rstrip("\n"), role["output"]["labels"], role["input"]["max_characters"]


def compare(model_path, program, role_path, texts_path):
    model, tokenizer = load(model_path)
    system, labels, longest = role_of(role_path)
    texts = [line for line in texts_path.read_text(encoding="utf-8").split("\n") if line.strip() and len(line) <= longest]
    start, end = (tokenizer.convert_tokens_to_ids(token) for token in ("<|im_start|>", "<|im_end|>"))

    def encode(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    def block(author, content):
        return [start, *encode(f"{author}\n{content}"), end, *encode("\n")]

    command = [program, "classify", "--json", "--model", model_path, "--roles", role_path.parent, "--role", role_path.stem]
    given = subprocess.run(command, input="\n".join(texts).encode(), capture_output=True, check=True).stdout
    rows = [json.loads(line) for line in given.decode().split("\n") if line]
    assert [row["text"] for row in rows] == texts
    worst, agree = 0.0, 0
    for text, row in zip(texts, rows):
        prompt = block("system", system) + block("user", text) + [start, *encode("assistant\n")]
        assert row["tokens"] == len(prompt), text
        expected = probabilities(model, prompt, [encode(label) for label in labels], end)
        worst = max(worst, max(abs(a - b) for a, b in zip(row["probs"], expected)))
        agree += labels[expected.index(max(expected))] == row["label"]
    print(f"{len(texts)} texts: same label {agree}, probabilities differ by at most {worst:.2e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command")
    comparison = commands.add_parser("compare")
    for name in ("model", "program", "role", "file"):
        comparison.add_argument(name, type=Path)
    options = parser.parse_args()
    with torch.no_grad():
        if options.command == "compare":
            compare(options.model, options.program, options.role, options.file)
        else:
            write()


if __name__ == "__main__":
    sys.exit(main())
