"""Prefill and decode: `qwen-all-in-one bench` beside `llama-bench`, each in a process of its own, taking turns."""

import json
import statistics
import subprocess
from pathlib import Path

from common import BINARY, LLAMA, Line, print_line

# Least and wanted ratio to llama.cpp.
AIMS = {
    ("prefill 64", "q8_0"): [1.8, 2.4],
    ("prefill 512", "q8_0"): [2.2, 2.8],
    ("prefill 64", "q4_0"): [2.2, 2.8],
    ("prefill 512", "q4_0"): [2.6, 3.3],
    ("prefill 512", "bf16"): [1.5, 1.9],
    ("prefill 512", "f16"): [1.2, 1.4],
    ("decode at 0", "q8_0"): [1.5, 1.65],
    ("decode at 0", "q4_0"): [1.9, 2.2],
    ("decode at 512", "q8_0"): [1.65, 1.85],
    ("decode at 512", "q4_0"): [2.0, 2.4],
}


def ours(model: Path, threads: int) -> dict[str, dict]:
    """Results by case."""
    command = [BINARY, "bench", "--model", model, "--threads", str(threads), "--rounds", "1", "--json"]
    command += ["--prompt", "64", "512", "--context", "0", "512", "--batch", "1"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    results = [json.loads(line) for line in output.splitlines()]
    return {result["case"].removesuffix(", batch 1"): result for result in results}


def llama_bench(model: Path, threads: int, flash_attention: int) -> dict[str, float]:
    """Tokens a second by case."""
    common = [LLAMA / "llama-bench", "-m", model, "-t", str(threads), "-fa", str(flash_attention), "-o", "json"]
    rates = {}
    for arguments in (["-p", "64,512", "-n", "0", "-r", "1"], ["-p", "0", "-n", "16", "-d", "0,512", "-r", "1"]):
        output = subprocess.run([*common, *arguments], check=True, capture_output=True, text=True).stdout
        for result in json.loads(output):
            prompt, depth = result["n_prompt"], result.get("n_depth", 0)
            rates[f"prefill {prompt}" if prompt else f"decode at {depth}"] = result["avg_ts"]
    return rates


def measure(models: dict[str, Path], threads: int, rounds: int) -> list[Line]:
    lines = []
    for kind, model in models.items():
        samples = {"ours": [], "llama.cpp, -fa 0": [], "llama.cpp, -fa 1": []}
        for _ in range(rounds):
            samples["ours"].append(ours(model, threads))
            samples["llama.cpp, -fa 0"].append(llama_bench(model, threads, 0))
            samples["llama.cpp, -fa 1"].append(llama_bench(model, threads, 1))
        for case in ("prefill 64", "prefill 512", "decode at 0", "decode at 512"):
            mine = [sample[case] for sample in samples["ours"]]
            limit = statistics.median(100 * one["tokens_per_second"] / one["limit"] for one in mine if one["limit"] > 0)
            line = Line(
                name=f"{case}, {kind.upper()}",
                unit="tokens/s",
                higher_is_better=True,
                ours=[one["tokens_per_second"] for one in mine],
                peers={k: [sample[case] for sample in v] for k, v in samples.items() if k != "ours"},
                aims={"llama.cpp": AIMS[case, kind]} if (case, kind) in AIMS else {},
                notes=f"{limit:.0f} % of what the machine allows",
            )
            print_line(line)
            lines.append(line)
    return lines
