"""The mean of two stages' weights:  python average.py --out OUT      (OUT/roles, OUT/polish) → OUT/final

It keeps what the polish gains on reviews, and more of what the stage before it could do.
"""
import argparse
import os

import torch

from weights import load_weights, save_weights


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--out", required=True)
    args = p.parse_args()
    roles, polish = (load_weights(os.path.join(args.out, stage)) for stage in ("roles", "polish"))
    with torch.no_grad():
        for mine, other in zip(polish.parameters(), roles.parameters()):
            mine.add_(other).mul_(0.5)
    os.makedirs(os.path.join(args.out, "final"), exist_ok=True)
    save_weights(polish, os.path.join(args.out, "final"))


if __name__ == "__main__":
    main()
