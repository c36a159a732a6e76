"""Scores an exported folder: accuracy and confusion on sentiment/dev.tsv, and greedy chat replies.

    python evaluate.py --data DIR --model FOLDER
"""
import argparse

import torch

from batches import rows
from corpus import LABELS, MAX_REVIEW, read_dev
from export import load

PROMPTS = ["你好", "你是谁？", "你能做什么？", "谢谢你", "今天工作好累啊", "我和朋友吵架了，心里很难受", "我今天升职了！",
           "最近总是失眠，怎么办？", "周末去哪里玩好呢？", "我觉得自己什么都做不好", "今天天气真好", "再见"]


@torch.no_grad()
def classify(model, codec, texts, batch=64):
    """P(正面) of each text, by the label tokens alone."""
    negative, positive = (label[0] for label in codec.labels)
    prefix, weight = torch.tensor(codec.prefix("sentiment")), model.embed_tokens.weight
    prompts = [codec.prompt([text[:MAX_REVIEW]]) for text in texts]
    order, out = sorted(range(len(texts)), key=lambda i: len(prompts[i])), [0.0] * len(texts)
    for start in range(0, len(order), batch):
        part = order[start:start + batch]
        ids, _, _ = rows([(prompts[i], len(prompts[i])) for i in part], codec.end_of_text)
        hidden = model(prefix, ids)[len(prefix):].view(len(part), -1, weight.shape[1])
        last = torch.stack([hidden[j, len(prompts[i]) - 1] for j, i in enumerate(part)])
        for i, margin in zip(part, (last @ (weight[positive] - weight[negative])).tolist()):
            out[i] = torch.sigmoid(torch.tensor(margin)).item()
    return out


@torch.no_grad()
def reply(model, codec, messages, max_tokens=60):
    """The greedy chat reply; ends at <|im_end|> or at `max_tokens`."""
    prefix, ids, answer = torch.tensor(codec.prefix("chat")), codec.prompt(messages), []
    while len(answer) < max_tokens:
        logits = model.logits(model(prefix, torch.tensor([ids + answer]))[-1])
        token = int(logits[:codec.tokenizer.get_vocab_size()].argmax())
        if token in (codec.end, codec.end_of_text):
            break
        answer.append(token)
    return codec.tokenizer.decode(answer)


def confusion(model, codec, dev):
    """(accuracy, table[label][guess]) over the (label, text) pairs of `dev`."""
    table = [[0, 0], [0, 0]]
    for (label, _), p in zip(dev, classify(model, codec, [text for _, text in dev])):
        table[label][int(p > 0.5)] += 1
    return (table[0][0] + table[1][1]) / len(dev), table


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", required=True)
    args = parser.parse_args()
    model, codec = load(args.model)
    accuracy, table = confusion(model, codec, read_dev(args.data))
    print(f"accuracy {accuracy:.4f}")
    for label, row in zip(LABELS, table):
        print(f"  {label}: answered {LABELS[0]} {row[0]}, {LABELS[1]} {row[1]}")
    for prompt in PROMPTS:
        print(f"{prompt} → {reply(model, codec, [prompt])}")


if __name__ == "__main__":
    main()
