"""Compare features of a `features` stage over an exported Inception graph with pytorch-fid's own network.

    python tools/fid/export_inception.py --random /tmp/inception-random.onnx
    deno task run tools/fid/check.yaml --set features.path=/tmp/inception-random.onnx
    python tools/fid/check_extractor.py outputs/fid-check

Both get the same images: 16 emoji, resized to 299x299 by each side itself.
"""

import pathlib
import sys

import numpy as np
import torch
from export_inception import Features
from safetensors.numpy import load_file


def main(folder: pathlib.Path) -> None:
    images = load_file(folder / "images/test/images.safetensors")["images"][:16]
    ours = np.load(folder / "features/features.npy")
    logits = np.load(folder / "features/logits.npy")
    batch = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    batch = torch.nn.functional.interpolate(batch, size=(299, 299), mode="bilinear", align_corners=False)
    with torch.no_grad():
        pool3, wanted = Features(None).eval()(2 * batch - 1)
    for name, got, want in (("pool3", ours, pool3.numpy()), ("logits", logits, wanted.numpy())):
        error = np.abs(got - want).max() / np.abs(want).max()
        print(f"{name} {want.shape}: off by at most {error:.2e} of the largest")
        if not error < 1e-4:
            sys.exit("not the same network")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
