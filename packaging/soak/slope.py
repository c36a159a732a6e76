"""Does memory grow? The slope of resident bytes over requests, with its confidence interval.

Ordinary least squares on the samples after the warm-up. Memory moves in steps and stays there, so neighbouring samples tell
nearly the same: the standard error is that of Newey and West (Econometrica 55, 1987; Bartlett weights) with a bandwidth of a
quarter of the samples, and the critical value the one that such a wide window needs (Kiefer and Vogelsang, Econometric Theory 21,
2005, table 1: 95 % at b = 0.25), about a third wider than 1.96.
"""

import math
from dataclasses import dataclass

from samples import Sample, thin

BANDWIDTH = 0.25
CRITICAL = 1.9600 + 2.9694 * BANDWIDTH + 0.4160 * BANDWIDTH**2 - 0.5324 * BANDWIDTH**3

MOST_SLOPE = 1.0  # bytes a request
MOST_GROWTH = 0.005  # of the resident memory after the warm-up
LEAST_SAMPLES = 40
MOST_SAMPLES = 4000  # the work goes with their square; of more, so many, evenly


def warm(samples: list[Sample]) -> list[Sample]:
    """Those after the warm-up: the first twentieth of the requests, in which every kind of traffic came many times."""
    edge = samples[-1].requests / 20
    return [sample for sample in samples if sample.requests >= edge]


@dataclass
class Verdict:
    samples: int
    requests: int
    slope: float  # bytes a request
    low: float
    high: float
    growth: float  # bytes, from the first tenth of the warm samples to the last tenth, of medians
    resident: float  # bytes, median of the first tenth

    @property
    def problems(self) -> list[str]:
        found = []
        if self.samples < LEAST_SAMPLES:
            found.append(f"{self.samples} samples after the warm-up are too few, {LEAST_SAMPLES} are needed")
        if not self.high <= MOST_SLOPE:
            found.append(f"the slope may be {self.high:.3f} bytes a request, more than {MOST_SLOPE:g}")
        if not self.growth <= MOST_GROWTH * self.resident:
            found.append(f"memory grew by {100 * self.growth / self.resident:.2f} %, more than {100 * MOST_GROWTH:g} %")
        return found

    def __str__(self) -> str:
        return (
            f"{self.slope:+.3f} bytes a request (95 %: {self.low:+.3f} to {self.high:+.3f}), "
            f"growth {100 * self.growth / self.resident:+.3f} % of {self.resident / 1e6:.1f} MB over {self.requests:,} requests"
        )


def median(values: list[float]) -> float:
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def judge(samples: list[Sample]) -> Verdict:
    samples = thin(warm(samples), MOST_SAMPLES)
    x, y = [float(sample.requests) for sample in samples], [float(sample.rss) for sample in samples]
    slope, error = fit(x, y)
    tenth = max(1, len(samples) // 10)
    first, last = median(y[:tenth]), median(y[-tenth:])
    return Verdict(
        len(samples), samples[-1].requests - samples[0].requests,
        slope, slope - CRITICAL * error, slope + CRITICAL * error, last - first, first,
    )


def fit(x: list[float], y: list[float]) -> tuple[float, float]:
    """Slope and its standard error; infinite where there is too little to tell."""
    n = len(x)
    mean_x, mean_y = sum(x) / n, sum(y) / n
    dx = [value - mean_x for value in x]
    spread = sum(d * d for d in dx)
    if n < 3 or spread == 0:
        return 0.0, math.inf
    slope = sum(d * (value - mean_y) for d, value in zip(dx, y)) / spread
    scores = [d * (value - mean_y - slope * d) for d, value in zip(dx, y)]
    lags = max(1, int(BANDWIDTH * n))
    variance = sum(score * score for score in scores)
    for lag in range(1, lags):
        weight = 1 - lag / lags
        variance += 2 * weight * sum(a * b for a, b in zip(scores, scores[lag:]))
    return slope, math.sqrt(max(0.0, variance)) / spread
