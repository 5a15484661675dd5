"""Writes tests/golden/jpeg_pillow.json: small JPEGs by Pillow, with the SHA-256 of the RGB that Pillow reads from them.

Made with Pillow 13.0.0, which has libjpeg-turbo 3.2.0, and NumPy. Needs no other package.
"""
import base64
import hashlib
import io
import json
from pathlib import Path

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
