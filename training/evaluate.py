"""Scores weights on the way: accuracy on sentiment/dev.tsv and the handwritten sets, and greedy chat replies.

    python evaluate.py --data DATA --out OUT [--stage shipped]
"""
import argparse
import os

import torch

import corpus
from batches import Codec, rows
from weights import load_weights

PROMPTS = [["你好"], ["你是谁？"], ["你能做什么？"], ["谢谢你"], ["今天工作好累啊"], ["我和朋友吵架了，心里很难受"], ["我今天升职了！"],
           ["最近总是失眠，怎么办？"], ["周末去哪里玩好呢？"], ["我觉得自己什么都做不好"], ["今天天气真好"], ["再见"],
           ["最近总是失眠", "失眠真的很难受。是有什么心事吗？", "工作压力太大了"], ["我养了一只猫", "养猫真好！它叫什么名字？", "叫小花"]]


@torch.no_grad()
def classify(model, codec, role, texts, batch=64):
    """The label of each text: the first label token with the largest logit (labels differ in their first token)."""
    labels, limit = corpus.role(role)["output"]["labels"], corpus.role(role)["input"]["max_characters"]
    first = torch.tensor([codec.text(label)[0] for label in labels])
    prefix = torch.tensor(codec.prefix(corpus.role(role)["system"]))
    prompts = [codec.prompt([text[:limit]]) for text in texts]
    order, out = sorted(range(len(texts)), key=lambda i: len(prompts[i])), [""] * len(texts)
    for start in range(0, len(order), batch):
        part = order[start:start + batch]
        ids, positions, *_ = rows([(p, [i == len(p) - 1 for i in range(len(p))]) for p in (prompts[i] for i in part)],
                                 codec.end_of_text)
        last = model(prefix, ids, positions + 1 + len(prefix))  # `rows` gives the position before the marked id
        for i, best in zip(part, (last @ model.embed_tokens.weight[first].T).argmax(dim=1).tolist()):
            out[i] = labels[best]
    return out


@torch.no_grad()
def reply(model, codec, messages, max_tokens=60):
    """The greedy chat reply; ends at <|im_end|> or at `max_tokens`."""
    prefix = torch.tensor(codec.prefix(corpus.role("chat")["system"]))
    ids, answer = codec.prompt(messages), []
    while len(answer) < max_tokens:
        logits = model.logits(model(prefix, torch.tensor([ids + answer]))[-1])
        token = int(logits[:codec.tokenizer.get_vocab_size()].argmax())
        if token in (codec.end, codec.end_of_text):
            break
        answer.append(token)
    return codec.tokenizer.decode(answer)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--data", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--stage", default="shipped")
    p.add_argument("--prompts", type=int, default=0, help="held-out chat prompts to answer too")
    args = p.parse_args()
    model = load_weights(os.path.join(args.out, args.stage)).eval()
    codec = Codec(os.path.join(args.out, "tokenizer", "tokenizer.json"))
    labels = corpus.role("sentiment")["output"]["labels"]
    dev = [(labels[1 - int(label)], text) for label, text in
           corpus.read_tsv(os.path.join(args.data, "sentiment/dev.tsv"))]
    for role, name, pairs in (("sentiment", "dev", dev),
                              ("sentiment", "everyday", corpus.read_tsv(corpus.handwritten("heldout-everyday.tsv"))),
                              ("triage", "triage", corpus.read_tsv(corpus.handwritten("heldout-triage.tsv")))):
        given = classify(model, codec, role, [text for _, text in pairs])
        print(f"{name}: accuracy {sum(a == b for a, (b, _) in zip(given, pairs)) / len(pairs):.4f}")
    for messages in PROMPTS + [[prompt] for _, prompt in corpus.prompts()[::max(1, len(corpus.prompts()) // max(1, args.prompts))]
                               if args.prompts]:
        print(f"{' / '.join(messages)} → {reply(model, codec, messages)}")


if __name__ == "__main__":
    main()
