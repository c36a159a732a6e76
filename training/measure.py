"""Measures the shipped model through the program itself, as its users meet it.

    python measure.py --cli qwen-all-in-one --model starter.gguf --f32 OUT/hf --data DATA --heldout OUT/heldout --out results

Writes OUT/labels.md (accuracy, confusion, expected calibration error, typical errors, agreement with the F32
folder) and OUT/chat.md (the answers to the held-out prompts); prints both.
"""
import argparse
import glob
import json
import os
import subprocess

import corpus

ROLES = os.path.join(corpus.HERE, "..", "roles")


def classify(cli, model, role, texts):
    """One verdict a text, from `classify --json`, in order."""
    lines = "".join(" ".join(text.split()) + "\n" for text in texts)
    run = subprocess.run([cli, "classify", "--model", model, "--roles", ROLES, "--role", role, "--json"], input=lines, check=True,
                         text=True, stdout=subprocess.PIPE)
    verdicts = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(verdicts) == len(texts)
    return verdicts


def calibration_error(pairs, bins=10):
    """Expected calibration error of (confidence, right) pairs: bins of equal width, weighted by their counts."""
    total = 0.0
    for b in range(bins):
        part = [(c, r) for c, r in pairs if b < c * bins <= b + 1]
        total += abs(sum(c for c, _ in part) - sum(r for _, r in part))
    return total / len(pairs)


def measure(cli, model, f32, role, rows, errors):
    """The markdown lines of one test set; `rows` are (label, text)."""
    labels = corpus.role(role)["output"]["labels"]
    names = {"1": labels[0], "0": labels[1]} | {label: label for label in labels}
    verdicts, texts = classify(cli, model, role, [text for _, text in rows]), [text for _, text in rows]
    expected = [names[label] for label, _ in rows]
    table = {a: {b: 0 for b in labels} for a in labels}
    for want, verdict in zip(expected, verdicts):
        table[want][verdict["label"]] += 1
    right = [want == v["label"] for want, v in zip(expected, verdicts)]
    ece = calibration_error([(max(v["probs"]), r) for v, r in zip(verdicts, right)])
    lines = [f"accuracy **{sum(right) / len(right):.2%}** ({sum(right)} of {len(right)}), "
             f"expected calibration error {ece:.3f}"]
    if f32:
        same = sum(a["label"] == b["label"] for a, b in zip(verdicts, classify(cli, f32, role, texts)))
        lines[0] += f", same label as F32 on {same / len(rows):.2%}"
    lines += ["", "| | " + " | ".join("answered " + label for label in labels) + " |", "|---" * (len(labels) + 1) + "|"]
    lines += [f"| {a} | " + " | ".join(str(table[a][b]) for b in labels) + " |" for a in labels]
    wrong = sorted((-max(v["probs"]), want, v["label"], text)
                   for want, v, text, ok in zip(expected, verdicts, texts, right) if not ok)
    lines += ["", "surest errors:", ""] * bool(wrong[:errors])
    lines += [f"- {want}, answered {given} {-p:.0%}: {' '.join(text.split())[:60]}" for p, want, given, text in wrong[:errors]]
    return lines


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--cli", required=True)
    p.add_argument("--model", required=True)
    p.add_argument("--f32", help="the F32 folder that the model was made of")
    p.add_argument("--data", required=True)
    p.add_argument("--heldout", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--errors", type=int, default=5, help="errors to show of each set")
    p.add_argument("--quote", action="store_true", help="show them also of the sets that are not the project's own")
    args = p.parse_args()
    os.makedirs(args.out, exist_ok=True)
    sets = [("sentiment", "dev", corpus.read_tsv(os.path.join(args.data, "sentiment/dev.tsv")))]
    sets += [("sentiment", os.path.basename(path)[:-4], corpus.read_tsv(path))
             for path in sorted(glob.glob(os.path.join(args.heldout, "*.tsv")))]
    own = {"everyday", "triage"}  # only the project's own texts are quoted
    sets += [("sentiment", "everyday", corpus.read_tsv(corpus.handwritten("heldout-everyday.tsv"))),
             ("triage", "triage", corpus.read_tsv(corpus.handwritten("heldout-triage.tsv"))),
             ("offensive", "offensive", [(label, text) for text, label in corpus.offensive(args.data, "dev")])]
    lines = []
    for role, name, rows in sets:
        lines += [f"### {name}", "", *measure(args.cli, args.model, args.f32, role, rows, args.errors if args.quote or name in own else 0), ""]
    write(os.path.join(args.out, "labels.md"), lines)
    lines = ["| topic | message | reply |", "|---|---|---|"]
    for topic, prompt in corpus.prompts():
        run = subprocess.run([args.cli, "chat", "--model", args.model, "--roles", ROLES, "--json", prompt], check=True, text=True,
                             stdout=subprocess.PIPE)
        lines.append(f"| {topic} | {prompt} | {json.loads(run.stdout)['reply']} |")
    write(os.path.join(args.out, "chat.md"), lines)


def write(path, lines):
    text = "\n".join(lines).rstrip("\n") + "\n"
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    print(text)


if __name__ == "__main__":
    main()
