"""The mean of folders of weights:  python average.py FOLDER FOLDER... --out FOLDER

Of runs that differ by their seed it keeps what they agree on.
"""
import argparse
import os

import torch

from weights import load_weights, save_weights


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("folders", nargs="+")
    p.add_argument("--out", required=True)
    args = p.parse_args()
    models = [load_weights(folder) for folder in args.folders]
    first = models[0]
    with torch.no_grad():
        for mine, *others in zip(*(model.parameters() for model in models)):
            mine.add_(sum(others)).div_(len(models))
    os.makedirs(args.out, exist_ok=True)
    save_weights(first, args.out)


if __name__ == "__main__":
    main()
