"""Batches of token ids: ChatML examples sorted into rows of like length, and blocks of running text."""
import random

import torch
from tokenizers import Tokenizer

from corpus import LABELS, SYSTEM


class Codec:
    """Text → ids. Text never yields a control id; control ids are put between the encoded parts."""

    def __init__(self, path):
        self.tokenizer = Tokenizer.from_file(path)
        self.tokenizer.encode_special_tokens = True
        self.end_of_text, self.start, self.end = (self.tokenizer.token_to_id(t) for t in
                                                  ("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
        self.newline = self.text("\n")
        self.labels = [self.text(label) for label in LABELS]

    def text(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def many(self, texts):
        return [e.ids for e in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def prefix(self, role):
        """The role's system block and the `<|im_start|>` of the first user turn: the same in all its examples."""
        return [self.start, *self.text("system\n" + SYSTEM[role]), self.end, *self.newline, self.start]

    def prompt(self, messages):
        """Ids after the prefix, up to where the answer begins; `messages` alternate user and assistant."""
        ids = []
        for i, message in enumerate(messages):
            ids += self.text(("user\n", "assistant\n")[i % 2] + message) + [self.end, *self.newline, self.start]
        return ids + self.text("assistant\n")

    def examples(self, dialogues):
        """Message lists, each ending with an answer, → (ids, how many leading ids are not supervised)."""
        flat = [("user\n", "assistant\n")[i % 2] + m for d in dialogues for i, m in enumerate(d)]
        encoded, lead, out = iter(self.many(flat)), len(self.text("assistant\n")), []
        for dialogue in dialogues:
            ids = []
            for i in range(len(dialogue)):
                ids += ([self.end, *self.newline, self.start] if i else []) + (part := next(encoded))
            out.append((ids + [self.end], len(ids) - len(part) + lead))
        return out


def rows(examples, pad):
    """Pads examples to ids (rows, length) and the flat indices and targets of the supervised positions."""
    length = max(len(ids) for ids, _ in examples)
    table = torch.full((len(examples), length), pad)
    positions, targets = [], []
    for i, (ids, lead) in enumerate(examples):
        table[i, :len(ids)] = torch.tensor(ids)
        positions += range(i * length + lead - 1, i * length + len(ids) - 1)
        targets += ids[lead:]
    return table, torch.tensor(positions), torch.tensor(targets)


def role_batches(examples, tokens, pad, seed, skip=0):
    """Yields `rows` of about `tokens` ids for ever; a new order each epoch. `skip` batches are passed over."""
    epoch = 0
    while True:
        rng = random.Random(f"{seed}-{epoch}")
        order = list(range(len(examples)))
        rng.shuffle(order)
        cut, pool = [], 4000  # rows are sorted by length within a pool of the shuffled order
        for start in range(0, len(order), pool):
            part = sorted(order[start:start + pool], key=lambda i: len(examples[i][0]))
            batch = []
            for i in part:
                if batch and (len(batch) + 1) * len(examples[i][0]) > tokens:
                    cut.append(batch)
                    batch = []
                batch.append(i)
            cut.append(batch)
        rng.shuffle(cut)
        for batch in cut[skip:]:
            yield rows([examples[i] for i in batch], pad)
        skip, epoch = max(0, skip - len(cut)), epoch + 1


def text_batches(stream, tokens, context, skip=0):
    """Yields blocks of the stream (1-D tensor): rows of 256, `tokens` ids in all; each eighth, one row of `context`."""
    n = skip
    while True:
        length, count = (context, 1) if n % 8 == 7 else (256, tokens // 256)
        start = n * tokens % (len(stream) - length * count - 1)
        block = stream[start:start + length * count + 1].long()
        yield block[:-1].view(count, length), torch.arange(length * count), block[1:]
        n += 1
