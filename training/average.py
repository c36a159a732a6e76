"""The mean of two folders of weights:  python average.py FOLDER FOLDER --out FOLDER

Of the weights before and after a stage it keeps what the stage gains, and more of what they could do before.
"""
import argparse
import os

import torch

from weights import load_weights, save_weights


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("folders", nargs=2)
    p.add_argument("--out", required=True)
    args = p.parse_args()
    first, second = (load_weights(folder) for folder in args.folders)
    with torch.no_grad():
        for mine, other in zip(first.parameters(), second.parameters()):
            mine.add_(other).mul_(0.5)
    os.makedirs(args.out, exist_ok=True)
    save_weights(first, args.out)


if __name__ == "__main__":
    main()
