"""Writes tests/golden/search.json: points of Sobol's sequence by SciPy, and promotions of successive halving by numpy.

    python tests/peers/search/reference.py > tests/golden/search.json
"""

import json

import numpy as np
import scipy
from scipy.stats import qmc

TABLES = 1000
rng = np.random.default_rng(36)


def promoted(scores, eta, sign):
    """Returns for each rung the trials that reach it, the best first.

    scores: rungs x trials, with NaN for a score that is not finite. Trials are sorted by (is NaN, score, number).
    """
    trials = np.arange(scores.shape[1])
    reached = []
    for rung, row in enumerate(scores):
        values = sign * row[trials]
        order = np.lexsort((trials, np.where(np.isnan(values), 0, values), np.isnan(values)))
        trials = trials[order]
        reached.append(trials.tolist())
        if rung + 1 < len(scores):
            trials = trials[: len(trials) // eta]
    return reached


tables = []
for _ in range(TABLES):
    eta = int(rng.integers(2, 5))
    rungs = int(rng.integers(1, 4))
    count = int(rng.integers(eta ** (rungs - 1), 30))
    # Few values, so that ties are common.
    scores = rng.integers(0, 8, size=(rungs, count)).astype(float)
    scores[rng.random(scores.shape) < 0.05] = np.nan
    goal = "highest" if rng.random() < 0.5 else "lowest"
    text = ["".join("N" if np.isnan(one) else str(int(one)) for one in row) for row in scores]
    tables.append([eta, goal, text, promoted(scores, eta, 1 if goal == "lowest" else -1)])

with np.errstate(all="ignore"):
    points = qmc.Sobol(d=10, scramble=False).random(32).tolist()
print(json.dumps({"numpy": np.__version__, "scipy": scipy.__version__, "points": points, "tables": tables}))
