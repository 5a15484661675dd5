"""Computes distances with widely used libraries: the peer of dev/bench/metrics.ts.

Needs: numpy, scipy, pytorch-fid, torch-fidelity. One JSON object per line on stdin, one answer per line on
stdout:
  {"measure": "fd" | "kid", "dimension": d, "a": file, "b": file, "subsets": n} -> {"seconds": s, "value": v}
  {"measure": "inception", "images": file, "side": n, "batch": b, "layout": l} -> the same, of the mean feature
  {"measure": "weights"} -> the same, with meaningless values, once weights.pth is written
Usage: metrics.py FOLDER. FOLDER contains the files: float32, row-major.
"""

import json
import os
import sys
import time

# These variables are set for old libraries, and slow a current one down. numpy reads them when it is loaded.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

import numpy as np
import pytorch_fid.inception
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
    # In float64, as on our side: the library's kernels are float32 for float32 features.
    result = kid_features_to_metric(
        torch.from_numpy(a.astype(np.float64)),
        torch.from_numpy(b.astype(np.float64)),
        kid_subsets=subsets,
        kid_subset_size=1000,
        verbose=False,
    )
    return time.perf_counter() - begin, float(result["kernel_inception_distance_mean"])


def write_weights(folder):
    """Writes random weights for pytorch-fid's network, which would download its own. Its builder initialises parameters
    that it does not load."""
    loads, torch.nn.Module.load_state_dict = torch.nn.Module.load_state_dict, lambda *_, **__: None
    pytorch_fid.inception.load_state_dict_from_url = lambda *_, **__: None
    torch.manual_seed(0)
    state = pytorch_fid.inception.fid_inception_v3().state_dict()
    torch.nn.Module.load_state_dict = loads
    torch.save(state, os.path.join(folder, "weights.pth"))
    pytorch_fid.inception.load_state_dict_from_url = lambda *_, **__: state


networks = {}


def inception(folder, images, side, batch, layout):
    pixels = torch.from_numpy(np.fromfile(os.path.join(folder, images), dtype=np.float32).reshape(-1, side, side, 3))
    memory = getattr(torch, layout)
    if layout not in networks:
        networks[layout] = pytorch_fid.inception.InceptionV3().eval().to(memory_format=memory)
    pixels = (pixels.permute(0, 3, 1, 2) / 255).contiguous(memory_format=memory)
    begin = time.perf_counter()
    with torch.inference_mode():
        parts = [networks[layout](part)[0] for part in pixels.split(batch)]
    return time.perf_counter() - begin, float(torch.cat(parts).double().mean())


for line in sys.stdin:
    request = json.loads(line)
    if request["measure"] == "weights":
        write_weights(sys.argv[1])
        print(json.dumps(dict(seconds=0, value=0)), flush=True)
        continue
    if request["measure"] == "inception":
        seconds, value = inception(sys.argv[1], **{key: request[key] for key in ("images", "side", "batch", "layout")})
        print(json.dumps(dict(seconds=seconds, value=value)), flush=True)
        continue
    a, b = [load(sys.argv[1], request[name], request["dimension"]) for name in "ab"]
    seconds, value = frechet(a, b) if request["measure"] == "fd" else kernel(a, b, request["subsets"])
    print(json.dumps(dict(seconds=seconds, value=value)), flush=True)
