"""Texts of the comparison, made of the project's own: its hand-written dialogues, its sources, and emoji."""

import json
import random

from common import ROOT

EMOJI = ["😀", "😂", "🥲", "👍🏽", "❤️", "👨‍👩‍👧‍👦", "🇨🇳", "🎉", "😭", "🙏"]
SLANG = ["yyds", "绝绝子", "emo了", "破防了", "lol", "666", "u1s1", "栓Q", "无语子", "awsl"]


def chat_texts() -> list[str]:
    """What users and replies say in the dialogues, each once, shuffled the same way every time."""
    texts = {}
    with (ROOT / "training/handwritten/dialogues.jsonl").open() as file:
        for line in file:
            for user, _, reply in json.loads(line)["turns"]:
                texts[user] = texts[reply] = None
    texts = list(texts)
    random.Random(1).shuffle(texts)
    return texts


def mixed_texts() -> list[str]:
    """Pieces of Swift and English, and chat with emoji, numbers and slang among it."""
    source = random.Random(2)
    files = sorted(ROOT.glob("Sources/*/*.swift")) + sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("training/*.py"))
    pieces = []
    for file in files:
        if file.name != "UnicodeTables.swift":
            text = file.read_text()
            pieces += [text[start : start + 400] for start in range(0, len(text), 400)]
    chat = chat_texts()
    for n in range(len(pieces)):
        words = source.sample(chat, 8) + source.sample(EMOJI, 2) + source.sample(SLANG, 2) + [str(source.randint(0, 99999))]
        source.shuffle(words)
        pieces.append(" ".join(words))
    source.shuffle(pieces)
    return pieces


def texts_of(length: int, count: int, *, lively: bool = False) -> list[str]:
    """Texts of exactly `length` characters, all different; lively ones have emoji and slang among them."""
    source = random.Random(length)
    chat = chat_texts()
    texts = []
    for _ in range(count):
        words = []
        while sum(map(len, words)) < length:
            words.append(source.choice(chat))
            if lively:
                words.append(source.choice(EMOJI) + source.choice(SLANG))
        texts.append("".join(words)[:length])
    return texts
