"""Soft labels of reviews: what the data says, weighed against what the other reviews teach.

Some labels of the data are wrong, and a part of a review need not have the label of the whole. An n-gram regression
that was trained on four fifths of the reviews judges the last fifth, five times; where it is sure of the opposite, a
label counts for less.
"""
import math
import random
import re

import numpy
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

import corpus

FOLDS = 5
READ = 256  # characters of a review that the regression learns from
MIXED = {"chn_train", "epr_train_dev"}  # few rows, of hotels, books and computers: each comes twice
OWN, JUDGED = 3.0, 0.5  # log-odds of a label of the data, less its source's; weight of the regression's log-odds
PART_OWN, PART_JUDGED = 1.5, 0.8  # the same for a part that doesn't begin with the review


def part(text, rng, limit):
    """A review's last sentences from a random place in its first two thirds, at most `limit` characters; a short
    review as a whole: (text, whether it is the whole's beginning)."""
    starts = [m.end() for m in re.finditer(r"[。！？!?；;，,、\s]+", text) if 10 <= m.end() <= len(text) * 2 / 3]
    if len(text) < 40 or not starts:
        return text[:limit], True
    start = rng.choice(starts)
    return text[start:start + limit], False


def regressions(rows):
    """(vectorizer, the fold of each row, the model of each fold, which was trained on the others)."""
    texts, labels = [row["text"][:READ] for row in rows], numpy.array([row["label"] for row in rows])
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), min_df=3, sublinear_tf=True, dtype=numpy.float32)
    features = vectorizer.fit_transform(texts)
    folds = numpy.array(random.Random(7).choices(range(FOLDS), k=len(rows)))
    models = [LogisticRegression(C=6, solver="liblinear", dual=True, max_iter=60, tol=0.01, random_state=fold)
              .fit(features[folds != fold], labels[folds != fold]) for fold in range(FOLDS)]
    return vectorizer, folds, models


def soft_reviews(data, seed=1):
    """Reviews and parts of reviews as [(text, probability of 正面)].

    Each review's beginning, as the role cuts it, and a part of each that is longer than that or of few of its kind. The
    log-odds of 正面 in a source are taken off those of its reviews: where a text comes from shall say nothing about its
    label. (Copies of the rarer label don't do that: they are learned by heart.)
    """
    rows, rng, limit = corpus.split_reviews(data)[0], random.Random(seed), corpus.role("sentiment")["input"]["max_characters"]
    vectorizer, folds, models = regressions(rows)
    counts = {}
    for row in rows:
        counts.setdefault(row["src"], [0, 0])[row["label"]] += 1
    out, owners = [], []
    for i, row in enumerate(rows):
        copies = 2 if row["src"] in MIXED or len(row["text"]) > limit else 1
        out += [part(row["text"], rng, limit) if n else (row["text"][:limit], True) for n in range(copies)]
        owners += [i] * copies
    features, judged = vectorizer.transform([text for text, _ in out]), numpy.zeros(len(out))
    owners = numpy.array(owners)
    for fold, model in enumerate(models):
        chosen = folds[owners] == fold
        judged[chosen] = model.decision_function(features[chosen])
    soft = []
    for (text, whole), owner, odds in zip(out, owners, judged):
        own, weight = (OWN, JUDGED) if whole else (PART_OWN, PART_JUDGED)
        no, yes = counts[rows[owner]["src"]]
        odds = weight * odds + (own if rows[owner]["label"] else -own) - math.log(yes / no)
        soft.append((text, 1 / (1 + math.exp(-max(-4.0, min(4.0, odds))))))
    return soft
