"""As docs/other-languages.md had it before the module read images: it needs no packages."""
import argparse
import json
import random
import struct

import noiseline

parser = argparse.ArgumentParser()
parser.add_argument("--noise", type=float)
noise = parser.parse_args().noise


def read_images(folder):
    """Returns the record and the bytes [N, H, W, C] of an artifact of type images."""
    raw = (folder / "images.safetensors").read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    first, end = json.loads(raw[8:start])["images"]["data_offsets"]
    return json.loads((folder / "images.json").read_text()), raw[start + first : start + end]


def write_images(folder, pixels, shape):
    entry = {"dtype": "U8", "shape": shape, "data_offsets": [0, len(pixels)]}
    header = json.dumps({"images": entry}).encode()
    (folder / "images.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + pixels)
    count, height, width, channels = shape
    size = {"count": count, "height": height, "width": width, "channels": channels}
    (folder / "images.json").write_text(json.dumps({**size, "classes": None, "source": {"by": "mean.py"}}))


info, pixels = read_images(noiseline.inputs["images"])
height, width, channels = info["height"], info["width"], info["channels"]
size = height * width * channels
steps, count = noiseline.params["steps"], noiseline.params["count"]

state = noiseline.progress.load()
begun = state.step if state else 0
mean = json.loads((state.folder / "mean.json").read_text()) if state else [0.0] * size
for step in range(begun + 1, steps + 1):
    at = step % info["count"] * size
    mean = [old + (new - old) / step for old, new in zip(mean, pixels[at : at + size])]
    if step == steps or noiseline.progress.due(seconds=60):
        noiseline.progress.save(step, {"mean.json": json.dumps(mean).encode()})
    noiseline.log(step, steps, brightness=sum(mean) / size)

draw = random.Random(noiseline.seed)
drawn = [min(255, max(0, round(value + draw.gauss(0, noise)))) for _ in range(count) for value in mean]
write_images(noiseline.outputs["samples"], bytes(drawn), [count, height, width, channels])
