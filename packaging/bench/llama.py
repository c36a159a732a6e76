"""One measurement a line: reads {"case": "prefill", "tokens": 64} or {"case": "decode", "context": 512} from standard
input and answers {"seconds": …, "tokens": …}. Run by peers.py, one process a model and setting.

    python llama.py MODEL.gguf --threads 2 --flash-attention 0
"""
import argparse
import json
import sys
import time

from llama_cpp import Llama

STEPS = 8  # decoded tokens of one measurement, as in `qwen-all-in-one bench`


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("model")
    p.add_argument("--threads", type=int, required=True)
    p.add_argument("--flash-attention", type=int, required=True)
    args = p.parse_args()
    llm = Llama(args.model, n_ctx=1024, n_batch=512, n_ubatch=512, n_threads=args.threads, n_threads_batch=args.threads,
                flash_attn=bool(args.flash_attention), verbose=False)
    tokens = [(7919 * i + 13) % llm.n_vocab() for i in range(1024)]
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        case = json.loads(line)
        llm.reset()
        if case["case"] == "prefill":
            start, count = time.perf_counter(), case["tokens"]
            llm.eval(tokens[:count])
        else:
            # A fresh context has no token to follow: the first one is taken in before the clock starts.
            done, count = max(1, case["context"]), STEPS
            llm.eval(tokens[:done])
            start = time.perf_counter()
            for step in range(STEPS):
                llm.eval([tokens[done + step]])
        print(json.dumps({"seconds": time.perf_counter() - start, "tokens": count}), flush=True)


if __name__ == "__main__":
    main()
