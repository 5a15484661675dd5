"""Distances by the libraries that people use: the peer of bench/metrics.ts.

Needs: numpy, scipy, pytorch-fid, torch-fidelity. One JSON object per line on stdin, one answer per line on stdout:
  {"measure": "fd" | "kid", "dimension": d, "a": file, "b": file, "subsets": n} -> {"seconds": s, "value": v}
Usage: metrics.py FOLDER, where the files are: float32, row-major.
"""

import json
import os
import sys
import time

import numpy as np
import torch
from pytorch_fid.fid_score import calculate_frechet_distance
from torch_fidelity.metric_kid import kid_features_to_metric

moments = {}


def load(folder, name, dimension):
    return np.fromfile(os.path.join(folder, name), dtype=np.float32).reshape(-1, dimension)


def frechet(a, b):
    stats = [(np.mean(each, axis=0, dtype=np.float64), np.cov(each.astype(np.float64), rowvar=False)) for each in (a, b)]
    begin = time.perf_counter()
    value = calculate_frechet_distance(*stats[0], *stats[1])
    return time.perf_counter() - begin, float(value)


def kernel(a, b, subsets):
    begin = time.perf_counter()
    # In float64, as ours are: their kernels are float32 for float32 features.
    result = kid_features_to_metric(
        torch.from_numpy(a.astype(np.float64)),
        torch.from_numpy(b.astype(np.float64)),
        kid_subsets=subsets,
        kid_subset_size=1000,
        verbose=False,
    )
    return time.perf_counter() - begin, float(result["kernel_inception_distance_mean"])


print("ready", flush=True)
for line in sys.stdin:
    request = json.loads(line)
    a, b = [load(sys.argv[1], request[name], request["dimension"]) for name in "ab"]
    seconds, value = frechet(a, b) if request["measure"] == "fd" else kernel(a, b, request["subsets"])
    print(json.dumps(dict(seconds=seconds, value=value)), flush=True)
