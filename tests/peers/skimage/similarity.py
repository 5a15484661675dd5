"""Compares images with scikit-image, for the default tests.

    python tests/peers/skimage/similarity.py tests/golden/metrics/similarity.json

Needs scikit-image. The images are linear congruential numbers; tests/unit/science/metrics/lcg.ts makes the same.
"""

import json
import sys

import numpy as np
import skimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


def lcg(seed, count):
    state, values = seed, []
    for _ in range(count):
        state = (1664525 * state + 1013904223) % 2**32
        values.append(state / 2**32 - 0.5)
    return np.array(values)


def images(shape, data_range):
    """Returns images, and others near them."""
    count = int(np.prod(shape))
    scale = lambda values: np.round((values + 0.5) * data_range)
    a = scale(lcg(1, count))
    b = np.clip(np.round(a + 0.2 * data_range * lcg(2, count)), 0, data_range)
    return a.reshape(shape), b.reshape(shape)


cases = []
for shape, data_range in [((2, 16, 16, 1), 255), ((2, 12, 20, 3), 255), ((1, 11, 11, 1), 65535)]:
    a, b = images(shape, data_range)
    wang = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=data_range, channel_axis=-1)
    cases.append(
        {
            "shape": shape,
            "range": data_range,
            "psnr": [peak_signal_noise_ratio(x, y, data_range=data_range) for x, y in zip(a, b)],
            "ssim": [structural_similarity(x, y, **wang) for x, y in zip(a, b)],
        }
    )
with open(sys.argv[1], "w") as file:
    json.dump({"scikit-image": skimage.__version__, "cases": cases}, file, indent=2)
    file.write("\n")
