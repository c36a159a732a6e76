"""The training texts: reading the data folder, cleaning it, holding texts out, and role examples as the service reads them."""
import csv
import itertools
import json
import lzma
import os
import random
import re

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
HELD_OUT = {"htl_all": "hotel", "shopping": "shopping", "waimai": "takeaway"}
HELD_OUT_SIZE = 500
ROLES = ["sentiment", "chat", "triage", "offensive"]  # what the model is trained for
FAR_SOURCES = {"laws", "fewclue-iflytek", "fewclue-csldcp", "fewclue-csl", "fewclue-bustm", "crosswoz", "kdconv"}
MAX_ELSEWHERE, ELSEWHERE_SIZE = 300, 500  # characters of a review in a chat; texts of each kind and label


def role(name):
    """The role file `name` of the service: its system prompt, label list and limits."""
    with open(os.path.join(HERE, "..", "roles", name + ".yaml"), encoding="utf-8") as f:
        return yaml.safe_load(f)


def read_lines(data, name):
    """Yields the rows of a .jsonl or .jsonl.xz file below the folder `data`."""
    path = os.path.join(data, name)
    opener = lzma.open if path.endswith(".xz") else open
    with opener(path, "rt", encoding="utf-8") as f:
        for line in f:
            yield json.loads(line)


def read_tsv(path):
    """The rows of a file under a header line: a list of (first column, second column)."""
    with open(path, encoding="utf-8", newline="") as f:
        rows = list(csv.reader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [(row[0], row[1]) for row in rows[1:]]


def handwritten(name):
    """The path of a file of texts written for this project."""
    return os.path.join(HERE, "handwritten", name)


# ---- holding out

def shingles(text, n=6):
    """The set of runs of `n` letters, digits and ideographs of a text."""
    text = re.sub(r"\W", "", text)
    return {text[i:i + n] for i in range(max(1, len(text) - n + 1))}


class Near:
    """Says whether a text has at least `limit` of its shingles in common with one of `texts`: of those of the one
    with fewer (`of` is min: one may be a part of the other), or of the one with more (max: they are nearly the same)."""

    def __init__(self, texts, limit, n=6, of=min):
        self.sets, self.index, self.limit, self.n, self.of = [shingles(t, n) for t in texts], {}, limit, n, of
        for i, found in enumerate(self.sets):
            for s in found:
                self.index.setdefault(s, []).append(i)

    def __call__(self, text):
        mine, hits = shingles(text, self.n), {}
        for s in mine:
            for i in self.index.get(s, ()):
                hits[i] = hits.get(i, 0) + 1
        return any(count >= self.limit * self.of(len(mine), len(self.sets[i])) for i, count in hits.items())


def split_reviews(data, seed=1):
    """(training rows, held out): held out are 250 of each label of hotel, shopping and takeaway: name → (label, text).

    Training rows that nearly copy a held-out text are dropped: half of the six-character runs in common.
    """
    rows = list(read_lines(data, "sentiment/train.jsonl.xz"))
    rng, held = random.Random(seed), {}
    order = rng.sample(range(len(rows)), len(rows))
    for source, name in HELD_OUT.items():
        held[name] = []
        for label in (0, 1):
            picked = [i for i in order if rows[i]["src"] == source and rows[i]["label"] == label][:HELD_OUT_SIZE // 2]
            held[name] += picked
    out = {i for picked in held.values() for i in picked}
    near = Near([rows[i]["text"] for i in out], 0.5)
    train = [row for i, row in enumerate(rows) if i not in out and not near(row["text"])]
    return train, {name: [(rows[i]["label"], rows[i]["text"]) for i in picked] for name, picked in held.items()}


def prompts():
    """The chat prompts that no training dialogue may open with: a list of (topic, prompt)."""
    return read_tsv(handwritten("heldout-chat.tsv"))


def opener(text):
    """What groups prompts: a text without punctuation, particles and greetings' decoration."""
    return re.sub(r"[\W啊呀呢吧了哦嘛哈唉哎嗯呃诶的]", "", text)


class HeldOutPrompt:
    """True for a text that is a held-out prompt in its words, or has six tenths of its pairs of characters."""

    def __init__(self, texts):
        self.same, self.near = {opener(t) for t in texts}, Near(texts, 0.6, n=2, of=max)

    def __call__(self, text):
        return opener(text) in self.same or self.near(text)


# ---- documents

def documents(data, share, seed=1, reviews=1):
    """Texts for language modelling, shuffled: the training reviews, `reviews` times, and a share of each source of the corpus.

    Of dialogues and everyday text the share is `share`; of statutes, abstracts and records, far from the roles, a
    tenth of it.
    """
    rng = random.Random(seed)
    docs = reviews * [row["text"] for row in split_reviews(data)[0]]
    held = HeldOutPrompt([prompt for _, prompt in prompts()])
    for row in read_lines(data, "lm/corpus.jsonl.xz"):
        if rng.random() < share * (0.1 if row["src"] in FAR_SOURCES else 1):
            if not held(row["text"].split("\n", 1)[0]):
                docs.append(row["text"])
    rng.shuffle(docs)
    return docs


# ---- the roles' examples: lists of messages, user first, in turn; every answer is supervised

def everyday():
    """Short everyday sentences: those written for it, four times, and the labelled messages of the dialogues."""
    written = {text: label for label, text in read_tsv(handwritten("everyday.tsv"))}
    out = dict(written)
    for row in read_lines(HERE, "handwritten/dialogues.jsonl"):
        for text, label, _ in row["turns"]:
            if label:
                out.setdefault(text, label)
    held = {opener(text) for name in ("heldout-everyday.tsv", "heldout-chat.tsv")
            for _, text in read_tsv(handwritten(name))}
    kept = [[text, label] for text, label in out.items() if opener(text) not in held]
    return kept + 3 * [row for row in kept if row[0] in written]


def balanced(rows, seed=1):
    """Rows of (text, label), with some of the rarer label repeated, until both labels are as frequent."""
    groups = {}
    for row in rows:
        groups.setdefault(row[1], []).append(row)
    most = max(len(group) for group in groups.values())
    return [row for group in groups.values() for row in group + random.Random(seed).sample(group, min(len(group), most - len(group)))]


def triage():
    """Messages to a service desk, as [text, label]."""
    held = {opener(text) for _, text in read_tsv(handwritten("heldout-triage.tsv"))}
    return [[text, label] for label, text in read_tsv(handwritten("triage.tsv")) if opener(text) not in held]


def offensive(data, split):
    """Posts, as [text, label]: COLDataset's train or dev rows."""
    labels, limit = role("offensive")["output"]["labels"], role("offensive")["input"]["max_characters"]
    rows = read_lines(data, "offensive.jsonl.xz")
    return [[row["text"][:limit], labels[1 - row["label"]]] for row in rows if row["split"] == split and row["text"]]


def written_dialogues():
    """The handwritten dialogues, each up to its first message without a reply; none that opens like a held-out prompt."""
    held = HeldOutPrompt([prompt for _, prompt in prompts()])
    out = []
    for row in read_lines(HERE, "handwritten/dialogues.jsonl"):
        answered = list(itertools.takewhile(lambda turn: turn[2], row["turns"]))
        if answered and not any(held(user) for user, _, _ in answered):
            out.append([part for user, _, reply in answered for part in (user, reply)])
    return out


def elsewhere(data, seed=1):
    """What another role is for, said in a chat: letters to a service desk, reviews and posts, each as [text, reply].

    A reply goes by the text's kind and label: `chat` must answer such texts too, and with no label.
    """
    rng = random.Random(seed)
    with open(handwritten("triage.tsv"), encoding="utf-8") as f:
        letters = [line.rstrip("\n").split("\t") for line in f][1:]
    held = {opener(text) for _, text in read_tsv(handwritten("heldout-triage.tsv"))}
    out = 2 * [[text, reply] for _, text, reply in letters if opener(text) not in held]
    with open(handwritten("chat-elsewhere.tsv"), encoding="utf-8") as f:
        replies = {(source, label): reply for source, label, reply in (line.rstrip("\n").split("\t") for line in f)}
    names, groups = role("sentiment")["output"]["labels"], {}
    for row in split_reviews(data)[0]:
        source = row["src"] if (row["src"], names[0]) in replies else "other"
        groups.setdefault((source, names[1 - row["label"]]), []).append(row["text"][:MAX_ELSEWHERE])
    for text, label in offensive(data, "train"):
        groups.setdefault(("post", label), []).append(text)
    for kind in sorted(groups):
        out += [[text, replies[kind]] for text in rng.sample(groups[kind], min(ELSEWHERE_SIZE, len(groups[kind])))]
    return out
