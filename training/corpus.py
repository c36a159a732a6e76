"""The training texts: reading the data folder, cleaning chat pairs, and ChatML as the service renders it."""
import json
import lzma
import os
import random
import re

SYSTEM = {
    "sentiment": "你是一个专注情感二分类的AI,不提供解释,不生成额外文本,只输出“正面”或“负面”。",
    "chat": "你是一个温暖的朋友。请用不超过60字回复。",
}
LABELS = ["负面", "正面"]  # indexed by the data's label
FAR_SOURCES = {"laws", "fewclue-iflytek", "fewclue-csldcp", "fewclue-csl", "fewclue-bustm"}
MAX_REVIEW = 128  # characters of a review that the sentiment role reads
MAX_REPLY = 60  # characters of a chat reply

_UNWANTED = re.compile(
    r"[A-Za-z]{4,}|https?|www\.|@|\d{5,}|微信|加我|电话|QQ|qq|公众号|链接|点击"
    r"|妈的|他妈|尼玛|傻逼|傻比|傻叉|卧槽|我操|我靠|尼玛|妈蛋|混蛋|王八|去死|滚蛋|滚粗|鸡巴|婊|贱人|操你|做爱|约炮"
    r"|我是.{0,6}(咨询师|医生|老师|人工客服)|[\U0001F000-\U0001FFFF�]")


def read_lines(data, name):
    """Yields the rows of a .jsonl or .jsonl.xz file below the folder `data`."""
    path = os.path.join(data, name)
    opener = lzma.open if path.endswith(".xz") else open
    with opener(path, "rt", encoding="utf-8") as f:
        for line in f:
            yield json.loads(line)


def read_dev(data):
    """The reviews for choosing a model: a list of (label, text)."""
    with open(os.path.join(data, "sentiment/dev.tsv"), encoding="utf-8") as f:
        next(f)
        rows = [line.rstrip("\n").split("\t", 1) for line in f]
    return [(int(label), text) for label, text in rows]


def documents(data, seed, share):
    """Texts for language-model pretraining, shuffled: the reviews, and a share of each source of the corpus.

    Of dialogues and everyday text the share is `share`; of statutes and abstracts, far from the roles, a fifth of it.
    """
    rng = random.Random(seed)
    docs = [row["text"] for row in read_lines(data, "sentiment/train.jsonl.xz")]
    for row in read_lines(data, "lm/corpus.jsonl.xz"):
        if rng.random() < share * (0.2 if row["src"] in FAR_SOURCES else 1):
            docs.append(row["text"])
    rng.shuffle(docs)
    return docs


def reviews(data):
    """Sentiment examples: a list of (label, text), the text cut as the role cuts it."""
    rows = read_lines(data, "sentiment/train.jsonl.xz")
    return [(row["label"], row["text"][:MAX_REVIEW]) for row in rows]


def wanted(user, reply):
    """True for a pair fit for a short warm chat."""
    if not user or not reply or len(reply) > MAX_REPLY or len(user) > 200 or len(reply) < 2:
        return False
    return not _UNWANTED.search(reply) and not _UNWANTED.search(user)


def dialogues(data, handwritten, seed, lccc_share=0.1, copies=200):
    """Chat examples, shuffled: a list of message lists [user, reply] or [user, reply, user, reply].

    Counselling first turns and follow-ups (smile) are the body; a share of casual talk (LCCC) widens it; the
    handwritten pairs, oversampled `copies` times, set the tone. Knowledge dialogues (KdConv, CrossWOZ) stay out: a
    small model would only learn to invent facts.
    """
    rng = random.Random(seed)
    out, previous = [], None
    for row in read_lines(data, "chat/pairs.jsonl.xz"):
        source, turn, user, reply = row["src"], row["turn"], row["u"], row["a"]
        if source in ("smile", "lccc", "chatterbot") and wanted(user, reply):
            if source == "smile":
                follows = previous and previous["src"] == "smile" and turn == previous["turn"] + 2
                if follows and wanted(previous["u"], previous["a"]):
                    out.append([previous["u"], previous["a"], user, reply])
                elif turn == 0 or rng.random() < 0.5:
                    out.append([user, reply])
            elif source == "chatterbot" or (turn == 0 and rng.random() < lccc_share):
                out.append([user, reply])
        previous = row
    for row in read_lines(os.path.dirname(handwritten), os.path.basename(handwritten)):
        out += copies * [[row["u"], row["a"]]]
    rng.shuffle(out)
    return out
