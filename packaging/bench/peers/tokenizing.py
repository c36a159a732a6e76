"""The tokenizer beside Hugging Face `tokenizers` and `tiktoken`: the same vocabulary and texts, one thread, processor time."""

import json
import statistics
import subprocess
import time
from pathlib import Path

import texts
from common import BINARY, Line, interleave, print_line

PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
AIMS = {"tokenizers": [3, 6], "tiktoken": [1, 2]}


def byte_alphabet() -> dict[str, int]:
    """GPT-2's character of each byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + n): byte for n, byte in enumerate(others)}


def peers(folder: Path) -> dict[str, callable]:
    """How each peer turns a list of texts into the number of their tokens, as fast as it can on one thread."""
    import tiktoken
    import tokenizers

    reference = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    reference.encode_special_tokens = True
    alphabet = byte_alphabet()
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    ranks = {bytes(alphabet[character] for character in token): rank for token, rank in vocabulary.items()}
    encoding = tiktoken.Encoding("qwen", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
    return {
        "tokenizers": lambda part: sum(len(one.ids) for one in reference.encode_batch_fast(part)),
        "tiktoken": lambda part: sum(len(encoding.encode_ordinary(text)) for text in part),
    }


def ours(folder: Path, part: list[str]) -> tuple[float, int]:
    """Seconds and tokens."""
    lines = "".join(json.dumps(text) + "\n" for text in part)
    command = [BINARY, "tokenize", "--model", folder, "--jsonl", "--measure", "3"]
    output = subprocess.run(command, input=lines, check=True, capture_output=True, text=True).stdout
    rounds = [json.loads(line) for line in output.splitlines()]
    return statistics.median(one["seconds"] for one in rounds), rounds[0]["tokens"]


def measure(folder: Path, rounds: int) -> list[Line]:
    if not (folder / "tokenizer.json").is_file():
        print(f"Left out: tokenizer (no tokenizer.json in {folder}; BENCH_TOKENIZER names a Hugging Face folder)")
        return []
    encoders = peers(folder)
    lines = []
    for name, part in (("Chinese chat", texts.chat_texts()), ("mixed text", texts.mixed_texts())):
        characters = sum(map(len, part))
        counts = {}

        def rate(peer):
            if peer == "ours":
                seconds, counts[peer] = ours(folder, part)
            else:
                start = time.process_time()
                counts[peer] = encoders[peer](part)
                seconds = time.process_time() - start
            return characters / seconds / 1e6

        samples = interleave({peer: (lambda peer=peer: rate(peer)) for peer in ["ours", *encoders]}, rounds, pause=0)
        line = Line(
            name=f"tokenizer, {name}",
            unit="million characters/s",
            higher_is_better=True,
            ours=samples.pop("ours"),
            peers=samples,
            aims=AIMS,
            notes=f"{characters} characters; tokens: {', '.join(f'{k} {v}' for k, v in counts.items())}",
        )
        print_line(line)
        lines.append(line)
    return lines
