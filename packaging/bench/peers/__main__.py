"""Our program beside llama.cpp, transformers, tokenizers and tiktoken: one run, taking turns, the same GGUF files, the same
number of threads. packaging/bench/peers.sh installs and builds what is needed and calls this; see BENCHMARKS.md."""

import argparse
import json
import os
import subprocess
import time
from pathlib import Path

import answers
import engine
import tokenizing
from common import ROOT, WORK

GROUPS = ("engine", "answers", "load", "tokenizer")


def machine() -> dict:
    information = Path("/proc/cpuinfo").read_text()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in information.splitlines())}
    flags = fields.get("flags", "").split()
    return {
        "processor": fields.get("model name", "unknown"),
        "family": f"family {fields.get('cpu family', '?')}, model {fields.get('model', '?')}",
        "processors": len(os.sched_getaffinity(0)),
        "instructions": [flag for flag in ("avx2", "fma", "f16c", "avx512bw", "avx512_vnni", "avx512_bf16") if flag in flags],
        "memory_bytes": int(Path("/proc/meminfo").read_text().split()[1]) * 1024,
        "kernel": ".".join(Path("/proc/sys/kernel/osrelease").read_text().split(".")[:2]),
    }


def versions() -> dict:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("tokenizers", "tiktoken", "transformers", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    found["llama-cpp-python (vendored llama.cpp)"] = (WORK / "llama.cpp/version").read_text().strip()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    found["qwen-all-in-one"] = commit.stdout.strip()
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-peers", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS, help="groups of lines (default: all)")
    parser.add_argument("--types", nargs="+", default=["q8_0", "q4_0", "bf16", "f16"], help="weights' formats of engine")
    parser.add_argument("--answer-types", nargs="+", default=["q8_0", "q4_0"], help="formats of answers and load")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="of engine and tokenizer; answers have four times, load half as many (and a warm-up)")
    parser.add_argument("--tokenizer", type=Path, required=True, help="a folder with tokenizer.json, or a GGUF file")
    parser.add_argument("--out", type=Path, default=WORK / "peers.json")
    return parser.parse_args()


def main():
    options = arguments()
    models = {kind: WORK / f"random-{kind}.gguf" for kind in {*options.types, *options.answer_types}}
    for kind, path in models.items():
        if not path.is_file():
            raise SystemExit(f"No model at {path}: packaging/bench/peers.sh makes it.")
    lines = []
    start = time.time()
    if "tokenizer" in options.only:
        lines += tokenizing.measure(options.tokenizer, options.rounds)
    if "engine" in options.only:
        lines += engine.measure({kind: models[kind] for kind in options.types}, options.threads, options.rounds)
    if "answers" in options.only or "load" in options.only:
        lines += answers.measure(
            {kind: models[kind] for kind in options.answer_types},
            options.threads,
            4 * options.rounds if "answers" in options.only else 0,
            (options.rounds + 1) // 2 if "load" in options.only else 0,
            with_transformers="answers" in options.only,
        )
    result = {
        "date": time.strftime("%Y-%m-%d", time.gmtime(start)),
        "seconds": round(time.time() - start),
        "threads": options.threads,
        "machine": machine(),
        "versions": versions(),
        "lines": [line.as_json() for line in lines],
    }
    options.out.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n")
    print(f"Written to {options.out}; `make bench-report` makes BENCHMARKS.md's tables and its plot of it.")


if __name__ == "__main__":
    main()
