"""Writes paired_statistics.json: what SciPy and statsmodels say of small random columns; read by src/report/statistics/tests.rs."""

import itertools
import json
import pathlib

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

random = np.random.default_rng(20263)


def paired(count):
    values = np.round(random.normal(0.4, 1.0, count), 3)
    test = stats.ttest_1samp(values, 0.0)
    interval = test.confidence_interval(0.95)
    case = {
        "differences": values.tolist(),
        "mean": values.mean(),
        "interval": [interval.low, interval.high],
        "p": test.pvalue,
    }
    if count <= 7:
        means = np.array(list(itertools.product(values, repeat=count))).mean(axis=1)
        case["bootstrap"] = np.quantile(means, [0.025, 0.975], method="inverted_cdf").tolist()
    return case


def kendall(count, values):
    """Columns of `count` rows; of `values` different ones each, or all different."""
    if values:
        x, y = random.integers(values, size=(2, count))
    else:
        x, y = random.permutation(count), random.permutation(count)
        y = np.where(random.random(count) < 0.5, x, y + count)
    result = stats.kendalltau(x, y)
    return {"x": x.tolist(), "y": y.tolist(), "tau": result.statistic, "p": result.pvalue}


def holm(count):
    p = np.round(random.random(count) ** 3, 4)
    return {"p": p.tolist(), "adjusted": multipletests(p, method="holm")[1].tolist()}


sizes = [3, 4, 5, 7, 9, 12, 33]
cases = {
    "paired": [paired(count) for count in [*range(2, 13), 3, 3, 5, 6]],
    "kendall": [kendall(count, 0) for count in [*sizes, 40]] + [kendall(count, 4) for count in sizes],
    "holm": [holm(count) for count in [1, 2, 4, 4, 8, 20]],
}
path = pathlib.Path(__file__).with_name("paired_statistics.json")
path.write_text(json.dumps(cases, indent=1) + "\n")
