"""Computes figures with the real libraries on data that any language can make, for the default tests.

    python dev/metrics/make_fixtures.py tests/golden/metrics/libraries.json

Needs numpy, scipy, torch, pytorch-fid, torch-fidelity and Pillow. The data are linear congruential numbers, rounded to
float32 as features are; tests/unit/science/metrics/lcg.ts makes the same.
"""

import json
import sys

import numpy as np
import scipy
import torch
import torch_fidelity
from PIL import Image
from pytorch_fid.fid_score import calculate_frechet_distance
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kernel_poly, mmd2
from torch_fidelity.metric_prc import calculate_precision_recall_full


def lcg(seed, count):
    state, values = seed, np.empty(count)
    for i in range(count):
        state = (1664525 * state + 1013904223) % 2**32
        values[i] = state / 2**32 - 0.5
    return values


def features(seed, count, dimension, scale=1.0, shift=0.0):
    """Returns rows whose odd columns are correlated with the column before."""
    rows = (scale * lcg(seed, count * dimension) + shift).reshape(count, dimension)
    rows[:, 1::2] += 0.5 * rows[:, 0 : dimension - dimension % 2 : 2]
    return rows.astype(np.float32)


CASES = {
    "full rank": (400, 300, 16),
    "many dimensions": (500, 500, 128),
    "fewer images than dimensions": (20, 30, 48),
}


def distances(n1, n2, dimension):
    x, y = features(1, n1, dimension), features(2, n2, dimension, 1.2, 0.1)
    stats = [fid_features_to_statistics(torch.from_numpy(each)) for each in (x, y)]
    moments = [(np.mean(each, axis=0), np.cov(each.astype(np.float64), rowvar=False)) for each in (x, y)]
    size = min(n1, n2)
    a, b = x[:size].astype(np.float64), y[:size].astype(np.float64)
    poly = dict(kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1)
    kernels = [kernel_poly(p, q, **poly) for p, q in ((a, a), (a, b), (b, b))]
    precision, recall = calculate_precision_recall_full(torch.from_numpy(y), torch.from_numpy(x), 3)
    return {
        "real": n1,
        "fake": n2,
        "dimension": dimension,
        "pytorch-fid": float(calculate_frechet_distance(*moments[0], *moments[1])),
        "torch-fidelity": float(fid_statistics_to_metric(*stats, False)["frechet_inception_distance"]),
        "kid of the first": size,
        "kid": float(mmd2(*kernels)),
        "precision": precision,
        "recall": recall,
    }


def resized():
    grey = np.round((lcg(5, 7 * 9) + 0.5) * 255).astype(np.uint8).reshape(7, 9)
    tensor = torch.from_numpy(grey.astype(np.float64))[None, None]
    pillow = Image.fromarray(grey.astype(np.float32), mode="F")
    out = {}
    for size in (4, 16):
        for kernel in ("bilinear", "bicubic"):
            plain = torch.nn.functional.interpolate(tensor, (size, size), mode=kernel, align_corners=False)
            out[f"{kernel} {size}"] = plain[0, 0].flatten().tolist()
            how = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}[kernel]
            out[f"{kernel} {size} antialias"] = np.asarray(pillow.resize((size, size), how)).flatten().tolist()
    return {"pixels": grey.flatten().tolist(), "height": 7, "width": 9, "resized": out}


def main(path):
    logits = torch.from_numpy(8 * features(3, 100, 10).astype(np.float64))
    score = isc_features_to_metric(logits, splits=10, shuffle=False)
    libraries = dict(numpy=np.__version__, scipy=scipy.__version__, torch=torch.__version__)
    libraries["torch-fidelity"] = torch_fidelity.__version__
    result = {
        "libraries": libraries,
        "distances": {name: distances(*case) for name, case in CASES.items()},
        "inception score": {
            "mean": float(score["inception_score_mean"]),
            "deviation": float(score["inception_score_std"]),
        },
        "resize": resized(),
    }
    with open(path, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
