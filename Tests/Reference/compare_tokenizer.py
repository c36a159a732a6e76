#!/usr/bin/env python3
"""Compares the ids of `qwen-all-in-one tokenize` with those of Hugging Face `tokenizers`, text by text.

Needs the PyPI package tokenizers (0.23 was used). Its NFC knows Unicode 9.0, its pattern 16.0; the project knows 16.0 in both.
Marks and composites that only one side knows are found by probing and left out.

usage: compare_tokenizer.py BINARY TOKENIZER_FOLDER [--count 100000] [--seed 1]
"""

import argparse
import json
import subprocess
import sys
import time
import unicodedata

import tokenizers
from tokenizer_cases import assigned_scalars, edge_cases, random_strings


def is_known(normalizer, character):
    """Whether the reference's NFC moves this mark and makes this composite as Unicode has it."""
    kind = unicodedata.combining(character)
    probes = [f"q{character}\u0334"] if kind > 1 else [f"q\u0345{character}"] if kind == 1 else []
    if not unicodedata.decomposition(character).startswith("<"):
        probes.append(unicodedata.normalize("NFD", character))
    return all(normalizer.normalize_str(probe) == unicodedata.normalize("NFC", probe) for probe in probes)


def every_character(scalars):
    """Each code point alone, before and after a letter, and doubled after a space."""
    for c in scalars:
        yield c
        yield f"a{c}a"
        yield f" {c}{c}\u0301"


def ours(binary, folder, texts):
    """Ids by the binary, in one process."""
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    start = time.monotonic()
    result = subprocess.run(
        [binary, "tokenize", "--model", folder, "--jsonl"], input=lines, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        sys.exit(result.stderr)
    print(f"  {time.monotonic() - start:.1f} s in {binary}")
    return [json.loads(line) for line in result.stdout.split("\n")[:-1]]


def decoded_by_us(binary, folder, ids):
    """Texts of the lists of ids, in one process."""
    lines = "".join(json.dumps(part) + "\n" for part in ids)
    command = [binary, "tokenize", "--model", folder, "--decode", "--jsonl"]
    result = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in result.stdout.split("\n")[:-1]]


def compare(name, reference, options, texts):
    start = time.monotonic()
    expected = [encoding.ids for encoding in reference.encode_batch(texts)]
    print(f"{name}: {len(texts)} texts, {time.monotonic() - start:.1f} s in tokenizers {tokenizers.__version__}")
    actual = ours(options.binary, options.folder, texts)
    if len(actual) != len(expected):
        sys.exit(f"{name}: {len(actual)} answers to {len(expected)} texts")
    wrong = [i for i in range(len(texts)) if actual[i] != expected[i]]
    for i in wrong[:10]:
        print(f"  {texts[i]!a}: expected {expected[i]}, got {actual[i]}")
    print(f"  {len(wrong)} differ")
    return len(wrong)


def compare_decoding(reference, options, ids):
    wrong = 0
    for part, actual in zip(ids, decoded_by_us(options.binary, options.folder, ids), strict=True):
        expected = reference.decode(part, skip_special_tokens=True)
        if actual != expected:
            print(f"  decode {part}: expected {expected!a}")
            wrong += 1
    print(f"decoding: {len(ids)} id sequences, {wrong} differ")
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("folder")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    reference = tokenizers.Tokenizer.from_file(f"{options.folder}/tokenizer.json")
    reference.encode_special_tokens = True  # text is not control
    scalars = assigned_scalars(lambda character: is_known(reference.normalizer, character))
    unknown = len(assigned_scalars()) - len(scalars)
    print(f"characters: {len(scalars)} assigned in Unicode {unicodedata.unidata_version}; {unknown} left out")
    random_texts = list(random_strings(options.count, options.seed, scalars))
    wrong = compare("edge cases", reference, options, list(edge_cases()))
    wrong += compare("random strings", reference, options, random_texts)
    wrong += compare("every character", reference, options, list(every_character(scalars)))
    size = reference.get_vocab_size()
    ids = [[(i * 7919 + j * 104729) % size for j in range(1 + i % 40)] for i in range(60)]
    wrong += compare_decoding(reference, options, ids)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
