"""Computes distances of points with numpy, scipy and POT, on data that any language can make, for the default tests.

    python dev/metrics/make_point_fixtures.py tests/golden/metrics/points.json

Needs numpy, scipy and POT. The data are linear congruential numbers; tests/unit/science/metrics/lcg.ts makes the same.
"""

import json
import sys

import numpy as np
import ot
import scipy
from scipy.spatial.distance import cdist, pdist
from scipy.stats import energy_distance

CASES = {"numbers": (40, 25, 1), "points": (60, 60, 2), "unequal": (50, 35, 3), "signals": (30, 44, 64)}


def lcg(seed, count):
    state, values = seed, np.empty(count)
    for i in range(count):
        state = (1664525 * state + 1013904223) % 2**32
        values[i] = state / 2**32 - 0.5
    return values


def distances(n1, n2, dimension):
    x = lcg(1, n1 * dimension).reshape(n1, dimension)
    y = 1.2 * lcg(2, n2 * dimension).reshape(n2, dimension) + 0.1
    energy = 2 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean()
    if dimension == 1:
        assert np.isclose(energy, energy_distance(x[:, 0], y[:, 0]) ** 2, rtol=1e-12)
    directions = lcg(3, 20 * dimension).reshape(20, dimension)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    bandwidth = np.median(pdist(x))
    kernels = [np.exp(-cdist(a, b, "sqeuclidean") / (2 * bandwidth**2)) for a, b in ((x, x), (y, y), (x, y))]
    within = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in kernels[:2]]
    return {
        "real": n1,
        "fake": n2,
        "dimension": dimension,
        "energy": float(energy),
        "sliced": float(ot.sliced_wasserstein_distance(x, y, projections=directions.T, p=2)),
        "bandwidth": float(bandwidth),
        "discrepancy": float(sum(within) - 2 * kernels[2].mean()),
    }


def main(path):
    libraries = dict(numpy=np.__version__, scipy=scipy.__version__, POT=ot.__version__)
    result = {"libraries": libraries, "distances": {name: distances(*case) for name, case in CASES.items()}}
    with open(path, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
