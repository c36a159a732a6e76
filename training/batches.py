"""Text → ids → stage files → batches. ChatML examples are sorted into rows of like length; running text comes in blocks."""
import json
import random

import numpy
import torch
from tokenizers import Tokenizer


class Codec:
    """Text → ids. Text never yields a control id; control ids are put between the encoded parts."""

    def __init__(self, path):
        self.tokenizer = Tokenizer.from_file(path)
        self.tokenizer.encode_special_tokens = True
        self.end_of_text, self.start, self.end = (self.tokenizer.token_to_id(t) for t in
                                                  ("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
        self.newline = self.text("\n")

    def text(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def many(self, texts):
        return [e.ids for e in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def stream(self, docs):
        """Running text: each document with its end, all of it supervised."""
        return [(ids + [self.end_of_text], [True] * (len(ids) + 1)) for ids in self.many(docs)]

    def prefix(self, system):
        """A role's system block and the `<|im_start|>` of the first user turn: the same in all its examples."""
        return [self.start, *self.text("system\n" + system.strip("\n")), self.end, *self.newline, self.start]

    def prompt(self, messages):
        """Ids after the prefix, up to where the answer begins; `messages` alternate user and assistant."""
        ids = []
        for i, message in enumerate(messages):
            ids += self.text(("user\n", "assistant\n")[i % 2] + message) + [self.end, *self.newline, self.start]
        return ids + self.text("assistant\n")

    def examples(self, dialogues):
        """Message lists, user first → [(ids, which ids are answers and their ends: bools)]."""
        flat = [("user\n", "assistant\n")[i % 2] + m for d in dialogues for i, m in enumerate(d)]
        encoded, lead, out = iter(self.many(flat)), len(self.text("assistant\n")), []
        for dialogue in dialogues:
            ids, answers = [], []
            for i in range(len(dialogue)):
                joint = [self.end, *self.newline, self.start] if i else []
                part = next(encoded)
                # The joint's first id ends the message before it, and is supervised where that was an answer.
                answers += [i > 0 and i % 2 == 0] * bool(joint) + [False] * (len(joint) - 1)
                answers += [i % 2 == 1 and j >= lead for j in range(len(part))]
                ids += joint + part
            out.append((ids + [self.end], answers + [True]))
        return out


def save_stage(path, kinds):
    """Writes a stage's data file: name → (prefix ids, [(ids, answers)][, [(share, other)]]); ids are below 65,536.

    The third part makes labels soft: an example's first answer is right with probability `share`, else it is `other`.
    """
    arrays = {}
    for name, (prefix, examples, *soft) in kinds.items():
        arrays[name + ".prefix"] = numpy.array(prefix, numpy.uint16)
        arrays[name + ".lengths"] = numpy.array([len(ids) for ids, _ in examples], numpy.int32)
        arrays[name + ".ids"] = numpy.array([i for ids, _ in examples for i in ids], numpy.uint16)
        arrays[name + ".answers"] = numpy.packbits(numpy.array([a for _, answers in examples for a in answers], bool))
        for pairs in soft:
            arrays[name + ".shares"] = numpy.array([share for share, _ in pairs], numpy.float16)
            arrays[name + ".others"] = numpy.array([other for _, other in pairs], numpy.uint16)
    arrays["kinds"] = numpy.array(json.dumps(list(kinds)))
    numpy.savez_compressed(path, **arrays)


class Kind:
    """One kind of example of a stage's data file: arrays, not lists, so that processes share them."""

    def __init__(self, arrays, name):
        self.prefix = torch.tensor(arrays[name + ".prefix"].astype(numpy.int64))
        self.ids, self.lengths = arrays[name + ".ids"], arrays[name + ".lengths"]
        self.answers = numpy.unpackbits(arrays[name + ".answers"], count=len(self.ids)).astype(bool)
        self.starts = numpy.concatenate(([0], numpy.cumsum(self.lengths, dtype=numpy.int64)))
        self.soft = (arrays[name + ".shares"], arrays[name + ".others"]) if name + ".shares" in arrays else None

    def __getitem__(self, i):
        span = slice(self.starts[i], self.starts[i + 1])
        soft = (float(self.soft[0][i]), int(self.soft[1][i])) if self.soft else ()
        return self.ids[span], self.answers[span], *soft


def load_stage(path):
    """name → Kind, of a file that `save_stage` wrote."""
    with numpy.load(path) as arrays:
        return {name: Kind(arrays, name) for name in json.loads(str(arrays["kinds"]))}


def rows(examples, pad):
    """Pads examples to ids (rows, length); and, of the supervised positions, the flat indices, the targets, the ids
    that may stand in a target's place, and the probability that the target is right."""
    length = max(len(ids) for ids, *_ in examples)
    table = torch.full((len(examples), length), pad)
    positions, targets, others, shares = [], [], [], []
    for i, (ids, answers, *soft) in enumerate(examples):
        ids = torch.as_tensor(numpy.asarray(ids, dtype=numpy.int64))
        table[i, :len(ids)] = ids
        at = torch.as_tensor(numpy.flatnonzero(answers))
        positions.append(at - 1 + i * length)
        targets.append(ids[at])
        others.append(ids[at])
        shares.append(torch.ones(len(at)))
        if soft:
            shares[-1][0], others[-1][0] = soft
    return table, torch.cat(positions), torch.cat(targets), torch.cat(others), torch.cat(shares)


def role_batches(kind, tokens, pad, seed, skip=0):
    """Yields `rows` of about `tokens` ids for ever; a new order each epoch. `skip` batches are passed over."""
    epoch = 0
    while True:
        rng = random.Random(f"{seed}-{epoch}")
        order = list(range(len(kind.lengths)))
        rng.shuffle(order)
        cut, pool = [], 4000  # rows are sorted by length within a pool of the shuffled order
        for start in range(0, len(order), pool):
            part = sorted(order[start:start + pool], key=lambda i: kind.lengths[i])
            batch = []
            for i in part:
                if batch and (len(batch) + 1) * kind.lengths[i] > tokens:
                    cut.append(batch)
                    batch = []
                batch.append(i)
            cut.append(batch)
        rng.shuffle(cut)
        for batch in cut[skip:]:
            yield rows([kind[i] for i in batch], pad)
        skip, epoch = max(0, skip - len(cut)), epoch + 1


def text_batches(kind, tokens, context, skip=0):
    """Yields blocks of the running text: rows of 256, `tokens` ids in all; each sixteenth, rows of `context`."""
    n = skip
    while True:
        length = context if n % 16 == 15 else min(256, context)
        count = max(1, tokens // length)
        start = n * tokens % (len(kind.ids) - length * count - 1)
        block = torch.tensor(kind.ids[start:start + length * count + 1].astype(numpy.int64))
        yield block[:-1].view(count, length), torch.arange(length * count), block[1:], block[1:], torch.ones(1)
        n += 1
