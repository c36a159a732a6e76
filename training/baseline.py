"""The model to beat: logistic regression on character n-grams, trained and measured on the same texts.

    python baseline.py --data DATA --heldout OUT/heldout
"""
import argparse
import glob
import os

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

import corpus


def reviews(data, most):
    """Reviews as [text, label]. Within a source, those of the rarer label come up to `most` times, until there are as
    many of both."""
    labels, limit = corpus.role("sentiment")["output"]["labels"], corpus.role("sentiment")["input"]["max_characters"]
    names, groups = (labels[1], labels[0]), {}  # the data says 0 for 负面, 1 for 正面
    for row in corpus.split_reviews(data)[0]:
        groups.setdefault(row["src"], ([], []))[row["label"]].append([row["text"][:limit], names[row["label"]]])
    out = []
    for pair in groups.values():
        wanted = max(len(rows) for rows in pair)
        out += [row for rows in pair for row in (most * rows)[:max(len(rows), min(wanted, most * len(rows)))]]
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--data", required=True)
    p.add_argument("--heldout", required=True)
    args = p.parse_args()
    limit = corpus.role("sentiment")["input"]["max_characters"]
    sets = {"dev": os.path.join(args.data, "sentiment/dev.tsv"), "everyday": corpus.handwritten("heldout-everyday.tsv")}
    sets |= {os.path.basename(path)[:-4]: path for path in sorted(glob.glob(os.path.join(args.heldout, "*.tsv")))}
    positive = {"1", corpus.role("sentiment")["output"]["labels"][0]}
    once, repeated, everyday = reviews(args.data, 1), reviews(args.data, 4), corpus.everyday()
    for name, train in {"reviews": repeated, "reviews and everyday sentences": repeated + everyday,
                        "reviews, none repeated": once, "reviews, none repeated, and everyday sentences": once + everyday}.items():
        vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=3, sublinear_tf=True)
        features = vectorizer.fit_transform([text for text, _ in train])
        model = LogisticRegression(C=8, solver="liblinear").fit(features, [label in positive for _, label in train])
        print(f"trained on {name}: {len(train):,} texts, {features.shape[1]:,} n-grams", flush=True)
        for test, path in sets.items():
            rows = corpus.read_tsv(path)
            guesses = model.predict(vectorizer.transform([text[:limit] for _, text in rows]))
            right = sum(bool(guess) == (label in positive) for guess, (label, _) in zip(guesses, rows))
            print(f"  {test}: {right / len(rows):.4f} of {len(rows)}", flush=True)


if __name__ == "__main__":
    main()
