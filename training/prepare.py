"""Makes the data file of each stage:  python prepare.py --data DATA --out OUT [--vocab 6000] [--share 1]

OUT gets tokenizer/ (kept if it is there), pretrain.npz, roles.npz (for refine too) and heldout/, the reviews held out from training.
"""
import argparse
import os
import subprocess
import sys

import corpus
import teacher
from batches import Codec, save_stage


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--data", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--vocab", type=int, default=6000)
    p.add_argument("--share", type=float, default=1.0, help="share of the corpus that pretraining draws on")
    p.add_argument("--only", choices=["pretrain", "roles"], help="make this file alone")
    args = p.parse_args()
    tokenizer = os.path.join(args.out, "tokenizer")
    if not os.path.exists(tokenizer):
        subprocess.run([sys.executable, os.path.join(corpus.HERE, "tokenizer.py"), "--data", args.data, "--out", tokenizer,
                        "--vocab", str(args.vocab)], check=True)
    os.makedirs(os.path.join(args.out, "heldout"), exist_ok=True)
    for name, rows in corpus.split_reviews(args.data)[1].items():
        with open(os.path.join(args.out, "heldout", name + ".tsv"), "w", encoding="utf-8") as f:
            f.write("label\ttext_a\n")
            f.writelines(f"{label}\t{' '.join(text.split())}\n" for label, text in rows)
    codec = Codec(os.path.join(tokenizer, "tokenizer.json"))
    if args.only in (None, "pretrain"):
        write(os.path.join(args.out, "pretrain.npz"), {"text": ([], codec.stream(corpus.documents(args.data, args.share)))})
    prefix = {name: codec.prefix(corpus.role(name)["system"]) for name in corpus.ROLES}
    if args.only in (None, "roles"):
        labels, soft = corpus.role("sentiment")["output"]["labels"], teacher.soft_reviews(args.data)
        yes, no = (codec.text(label)[0] for label in labels)
        write(os.path.join(args.out, "roles.npz"), {
            "text": ([], codec.stream(corpus.documents(args.data, 0.4 * args.share, seed=2, reviews=2))),
            "sentiment": (prefix["sentiment"], codec.examples([[text, labels[p < 0.5]] for text, p in soft]),
                          [(max(p, 1 - p), yes if p < 0.5 else no) for _, p in soft]),
            "everyday": (prefix["sentiment"], codec.examples(corpus.balanced(corpus.everyday()))),
            "chat": (prefix["chat"], codec.examples(corpus.written_dialogues())),
            "elsewhere": (prefix["chat"], codec.examples(corpus.elsewhere(args.data))),
            "triage": (prefix["triage"], codec.examples(corpus.triage())),
            "offensive": (prefix["offensive"], codec.examples(corpus.offensive(args.data, "train")))})


def write(path, kinds):
    # Whole or not at all: what is there is taken as done by the next start.
    save_stage(path + ".new.npz", kinds)
    os.replace(path + ".new.npz", path)
    print(f"{path}: {os.path.getsize(path) / 1e6:.1f} MB")
    for name, (_, examples, *_) in kinds.items():
        print(f"  {name}: {len(examples):,} examples, {sum(len(ids) for ids, _ in examples):,} tokens")


if __name__ == "__main__":
    main()
