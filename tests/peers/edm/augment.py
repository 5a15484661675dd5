"""Augments images in float64 with the code of NVlabs/edm and with PyTorch, for the default tests.

    python tests/peers/edm/augment.py PATH_OF_EDM tests/golden/edm/augment.json

Needs torch, and a clone of NVlabs/edm. Images and random numbers are linear congruential numbers, which
tests/unit/science/metrics/lcg.ts makes too; a "normal" number is a uniform one with variance 1.
"""

import json
import math
import sys

import torch

sys.path.insert(0, sys.argv[1])
torch.set_default_dtype(torch.float64)

from training.augment import AugmentPipe  # noqa: E402


def lcg(seed):
    state = seed
    while True:
        state = (1664525 * state + 1013904223) % 2**32
        yield state / 2**32 - 0.5


def take(numbers, count):
    return torch.tensor([next(numbers) for _ in range(count)])


def draw_from(numbers):
    """Replaces PyTorch's random numbers."""
    torch.rand = lambda shape, device=None: (take(numbers, math.prod(shape)) + 0.5).reshape(shape)
    torch.randn = lambda shape, device=None: (take(numbers, math.prod(shape)) * math.sqrt(12)).reshape(shape)
    torch.randint = lambda n, shape, device=None: ((take(numbers, math.prod(shape)) + 0.5) * n).floor().long().reshape(
        shape
    )


def crop(images, smallest, probability):
    """The crop is noiseline's own; its resize is PyTorch's."""
    _, _, height, width = images.shape
    side = smallest + (1 - smallest) * torch.rand([1]).item()
    h, w = (max(1, math.floor(whole * side + 0.5)) for whole in (height, width))
    left, top = (torch.randint(whole - part + 1, [1]).item() for whole, part in ((width, w), (height, h)))
    if torch.rand([1]).item() >= probability:
        return images, torch.zeros(1, 3)
    part = images[:, :, top : top + h, left : left + w]
    label = [side - 1, (2 * left + w) / width - 1, (2 * top + h) / height - 1]
    return torch.nn.functional.interpolate(part, size=(height, width), mode="bilinear"), torch.tensor([label])


def edm(p):
    return AugmentPipe(p=p, xflip=1e8, yflip=1, scale=1, rotate_frac=1, aniso=1, translate_frac=1)


CASES = [
    *[({"name": "edm", "probability": p}, edm(p), (8, 8, 3)) for p in (0.12, 0.5, 1, 1, 1, 1)],
    *[({"name": "edm", "probability": 1}, edm(1), size) for size in ((6, 11, 1), (16, 16, 1), (5, 4, 2))],
    *[
        (
            {"name": "colour", "probability": p, "hue": hue},
            AugmentPipe(p=p, brightness=1, contrast=1, hue=1, saturation=1, hue_max=hue),
            size,
        )
        for p, hue, size in ((1, 1, (3, 3, 3)), (1, 0.2, (3, 3, 3)), (0.5, 1, (3, 3, 3)), (1, 1, (3, 3, 1)))
    ],
    *[
        ({"name": "shift", "probability": p, "most": most}, AugmentPipe(p=p, translate_int=1, translate_int_max=most), size)
        for p, most, size in ((1, 0.125, (16, 16, 1)), (1, 0.9, (5, 7, 2)), (0.1, 0.5, (4, 4, 1)), (1, 1, (4, 2, 3)))
    ],
    *[
        ({"name": "crop", "probability": p, "smallest": s}, lambda images, s=s, p=p: crop(images, s, p), size)
        for p, s, size in ((1, 0.8, (10, 10, 1)), (1, 0.3, (7, 9, 2)), (0.1, 0.5, (4, 4, 1)), (1, 0.01, (4, 4, 3)))
    ],
]

results = []
for number, (params, augment, (height, width, channels)) in enumerate(CASES):
    image = 2 * take(lcg(number), height * width * channels).reshape(1, height, width, channels)
    draw_from(lcg(1000 + number))
    images, labels = augment(image.permute(0, 3, 1, 2))
    results.append(
        {
            "params": params,
            "size": [height, width, channels],
            "image": [round(x, 10) for x in images.permute(0, 2, 3, 1).flatten().tolist()],
            "condition": [round(x, 10) for x in labels.flatten().tolist()],
        }
    )

with open(sys.argv[2], "w") as file:
    json.dump({"torch": torch.__version__, "edm": "008a4e5316c8e3bfe61a62f874bddba254295afb", "cases": results}, file)
    file.write("\n")
