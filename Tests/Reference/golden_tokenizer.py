#!/usr/bin/env python3
"""Writes golden cases of Hugging Face `tokenizers` as JSON lines: ["text", [ids]].

Needs the PyPI package tokenizers (0.23 was used). Characters on whose normalisation it and the project differ by Unicode
version are left out, as in compare_tokenizer.py.

usage: golden_tokenizer.py TOKENIZER_FOLDER OUTPUT [--count 3000] [--max-characters 40]
"""

import argparse
import json
import random

import tokenizers
from compare_tokenizer import is_known
from tokenizer_cases import CONTROLS, HANGUL, MARKS, SPACES, SYMBOLS, TEXTS, assigned_scalars, edge_cases, random_strings


def texts(scalars, count, longest):
    """The fixed texts, a sample of the pattern's pairs and triples, then random strings, without repeats."""
    source = random.Random(7)
    edges = [text for text in edge_cases() if text not in TEXTS]
    chosen = ["", *TEXTS, *CONTROLS, *(SPACES + MARKS + HANGUL + SYMBOLS)]
    chosen += source.sample(edges, min(len(edges), count // 3))
    chosen += (text for text in random_strings(20 * count, 7, scalars) if 1 < len(text) <= longest)
    return list(dict.fromkeys(chosen))[:count]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("output")
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--max-characters", type=int, default=40)
    options = parser.parse_args()
    reference = tokenizers.Tokenizer.from_file(f"{options.folder}/tokenizer.json")
    reference.encode_special_tokens = True  # text is not control
    scalars = assigned_scalars(lambda character: is_known(reference.normalizer, character))
    with open(options.output, "w", encoding="ascii") as output:
        for text in texts(scalars, options.count, options.max_characters):
            output.write(json.dumps([text, reference.encode(text).ids], separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
