"""Writes tests/golden/resized_pillow.json: images of small patterns, resized channel by channel by Pillow, and cropped by
the code of openai/guided-diffusion (image_datasets.py, `center_crop_arr`).

Made with Pillow 13.0.0 and NumPy. Needs no other package.
"""
import base64
import json
from pathlib import Path

import numpy as np
from PIL import Image

FILTERS = {name: getattr(Image.Resampling, name.upper()) for name in ("bilinear", "bicubic", "lanczos", "box")}


def pattern(height, width, channels, depth):
    """The same in the test: level ((37 x + 11 y + 53 c) ** 2) mod 2 ** depth at column x, row y, channel c."""
    y, x, c = np.mgrid[0:height, 0:width, 0:channels].astype(np.int64)
    return ((37 * x + 11 * y + 53 * c) ** 2 % 2**depth).astype(np.uint8 if depth == 8 else np.uint16)


def channelwise(change, image):
    return np.stack([np.asarray(change(Image.fromarray(image[..., c]))) for c in range(image.shape[-1])], -1)


def center_crop_arr(pil_image, image_size):
    while min(*pil_image.size) >= 2 * image_size:
        pil_image = pil_image.resize(tuple(x // 2 for x in pil_image.size), resample=Image.BOX)
    scale = image_size / min(*pil_image.size)
    pil_image = pil_image.resize(tuple(round(x * scale) for x in pil_image.size), resample=Image.BICUBIC)
    arr = np.array(pil_image)
    crop_y = (arr.shape[0] - image_size) // 2
    crop_x = (arr.shape[1] - image_size) // 2
    return Image.fromarray(arr[crop_y : crop_y + image_size, crop_x : crop_x + image_size])


made = []


def keep(name, image, height, width, result):
    depth = 8 * image.dtype.itemsize
    made.append({
        "name": name, "from": list(image.shape), "depth": depth, "size": [height, width],
        "levels": base64.b64encode(result.astype(f"<u{depth // 8}").tobytes()).decode(),
    })


for shape, (height, width) in [
    ((23, 31, 4), (8, 12)), ((24, 36, 3), (8, 12)), ((9, 7, 2), (20, 15)), ((17, 17, 1), (16, 5)), ((40, 30, 3), (13, 30)),
    # Pillow resizes the columns first: it has more than twice as many rows to lose as columns.
    ((30, 10, 2), (12, 14)), ((48, 20, 1), (9, 14)), ((51, 18, 1), (27, 9)), ((5, 20, 1), (4, 40)),
    # Exactly twice, and rows to gain: the rows first.
    ((28, 60, 1), (16, 54)), ((9, 30, 1), (12, 60)),
]:
    for depth in (8, 16):
        image = pattern(*shape, depth)
        for name, kernel in FILTERS.items():
            keep(name, image, height, width, channelwise(lambda each: each.resize((width, height), kernel), image))
# Where sides divide, the average of an area is Pillow's box filter.
for depth in (8, 16):
    image = pattern(24, 36, 3, depth)
    keep("area", image, 8, 12, channelwise(lambda each: each.resize((12, 8), Image.Resampling.BOX), image))
for shape, side in [((61, 45, 3), 8), ((16, 40, 1), 16), ((33, 32, 4), 9), ((10, 12, 3), 16), ((65, 130, 3), 16), ((90, 33, 3), 24)]:
    image = pattern(*shape, 8)
    keep("adm", image, side, side, channelwise(lambda each: center_crop_arr(each, side), image))
out = Path(__file__).parents[2] / "tests/golden/resized_pillow.json"
out.write_text(json.dumps(made, indent=1) + "\n")
