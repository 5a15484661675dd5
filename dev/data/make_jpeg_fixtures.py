"""Writes tests/golden/jpeg_pillow.json: small JPEGs by Pillow, with the SHA-256 of the RGB that Pillow reads from them;
and jpeg_damaged.json: edits of these files, each with the start of that SHA-256, or null where Pillow refuses the file.

Damage can give coefficients that no image has, for which libjpeg-turbo's SIMD code has other pixels than its C code: the
latter is used for all.

Made with Pillow 13.0.0, which has libjpeg-turbo 3.2.0, and NumPy. Needs no other package.
"""
import base64
import hashlib
import io
import json
import os
import random
from pathlib import Path

os.environ["JSIMD_FORCENONE"] = "1"

import numpy as np
from PIL import Image

made = []
for width, height in [(16, 16), (17, 23)]:
    y, x = np.mgrid[0:height, 0:width]
    across, down = 255 * x // (width - 1), 255 * y // (height - 1)
    rgb = np.stack([across, down, 255 - across // 2 - down // 2], -1).astype(np.uint8)
    colour, inks = Image.fromarray(rgb), np.concatenate([rgb, rgb[..., :1] // 2], -1)
    for name, image, options in [
        ("4:4:4", colour, {"subsampling": 0}),
        ("4:2:2", colour, {"subsampling": 1}),
        ("4:2:0", colour, {"subsampling": 2}),
        ("4:2:0 progressive", colour, {"subsampling": 2, "progressive": True}),
        ("grey", colour.convert("L"), {}),
        ("CMYK", Image.fromarray(inks, "CMYK"), {}),
    ]:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=90, optimize=True, **options)
        shown = np.asarray(Image.open(file).convert("RGB"))
        made.append({
            "name": f"{width}x{height} {name}",
            "width": width,
            "height": height,
            "jpeg": base64.b64encode(file.getvalue()).decode(),
            "sha256": hashlib.sha256(shown.tobytes()).hexdigest(),
        })
place = Path(__file__).parents[2] / "tests/golden/jpeg_pillow.json"
place.write_text(json.dumps(made, indent=2) + "\n")

def read(jpeg):
    try:
        image = Image.open(io.BytesIO(jpeg), formats=["JPEG"])
        return hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()[:16]
    except Exception:
        return None


def edit(number, jpeg):
    at = random.randrange(2, len(jpeg))
    remove, insert = random.choice([
        (1, bytes([jpeg[at] ^ 1 << random.randrange(8)])),
        (1, random.randbytes(1)),
        (random.randint(1, 8), b""),
        (0, random.randbytes(random.randint(1, 8))),
        (0, jpeg[at:at + random.randint(1, 64)]),
        (0, bytes([0xFF, random.randrange(0xC0, 0x100)])),
        (4, bytes(4)),
        (len(jpeg), b"\xff\xd9"),
    ])
    return number, at, remove, insert


random.seed(1)
files = [base64.b64decode(one["jpeg"]) for one in made]
edits = [edit(number, jpeg) for number, jpeg in enumerate(files) for _ in range(100)]
# A progressive file that ends after each of its scans.
for number, jpeg in enumerate(files):
    scans = [at for at in range(len(jpeg)) if jpeg[at:at + 2] in (b"\xff\xda", b"\xff\xc4")][1:]
    edits += [(number, at, len(jpeg), b"\xff\xd9") for at in scans]
damaged = [
    [number, at, remove, insert.hex(), read(files[number][:at] + insert + files[number][at + remove:])]
    for number, at, remove, insert in edits
]
place.with_name("jpeg_damaged.json").write_text("[\n" + ",\n".join(map(json.dumps, damaged)) + "\n]\n")
