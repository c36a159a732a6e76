"""The engine beside llama.cpp, same files, same threads: in each round every program runs every case once, in turn, so that
what else the machine does falls on all of them.

    python peers.py --program qwen-all-in-one --model random-q8_0.gguf [--rounds 5] [--threads 2]

Prints a line a case: median and range of tokens a second of both, and of their ratio round by round. llama.cpp counts
with the better of its settings (flash attention off or on) for each case.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = [{"case": "prefill", "tokens": 64}, {"case": "prefill", "tokens": 512},
         {"case": "decode", "context": 0}, {"case": "decode", "context": 512}]


def name(case):
    return f"prefill {case['tokens']}" if case["case"] == "prefill" else f"decode at {case['context']}, batch 1"


class Llama:
    """A process of llama.py."""

    def __init__(self, model, threads, flash):
        command = [sys.executable, os.path.join(HERE, "llama.py"), model, "--threads", str(threads),
                   "--flash-attention", str(flash)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit("peers.py: llama.cpp ended early; its message is above")
        return json.loads(line)

    def rate(self, case):
        print(json.dumps(case), file=self.process.stdin, flush=True)
        answer = self.read()
        return answer["tokens"] / answer["seconds"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def ours(program, model, threads):
    """Case name → tokens a second, of one round."""
    prompts = [str(c["tokens"]) for c in CASES if c["case"] == "prefill"]
    contexts = [str(c["context"]) for c in CASES if c["case"] == "decode"]
    run = subprocess.run([program, "bench", "--model", model, "--prompt", *prompts, "--context", *contexts, "--batch", "1",
                          "--threads", str(threads), "--rounds", "1", "--json"], check=True, text=True, stdout=subprocess.PIPE)
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    return {line["case"]: line["tokens_per_second"] for line in lines}, lines[0]["format"]


def spread(values):
    return f"{statistics.median(values):.1f} ({min(values):.1f}–{max(values):.1f})"


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--program", required=True)
    p.add_argument("--model", action="append", required=True)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--json", help="a file for the measurements")
    args = p.parse_args()
    print("| format | case | here, tokens/s | llama.cpp, tokens/s | ratio |\n|---|---|---|---|---|")
    measured = []
    for model in args.model:
        peers = [Llama(model, args.threads, flash) for flash in (0, 1)]
        rates = {name(case): ([], []) for case in CASES}
        for round_ in range(args.rounds + 1):  # the first one warms up
            mine, kind = ours(args.program, model, args.threads)
            for case in CASES:
                theirs = max(peer.rate(case) for peer in peers)
                if round_:
                    rates[name(case)][0].append(mine[name(case)])
                    rates[name(case)][1].append(theirs)
        for peer in peers:
            peer.close()
        for case, (mine, theirs) in rates.items():
            ratios = [a / b for a, b in zip(mine, theirs)]
            print(f"| {kind} | {case} | {spread(mine)} | {spread(theirs)} | "
                  f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f}–{max(ratios):.2f}) |", flush=True)
            measured.append({"format": kind, "case": case, "ours": mine, "llama.cpp": theirs})
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump(measured, f, indent=1)


if __name__ == "__main__":
    main()
