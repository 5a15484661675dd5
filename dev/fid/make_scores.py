"""Writes what pytorch-fid, torch-fidelity and clean-fid print for two folders of images, for the test of `score`.

    python dev/fid/make_scores.py tests/golden/inception/narrow.pth tests/golden/inception/scores.json

Needs the same packages as check_extractor.py. The network of each program gets the weights of narrow.pth, and reads,
resizes and scores the folders itself. The images can be computed in any language: see `images`.
"""

import json
import pathlib
import sys
import tempfile

import cleanfid.fid
import numpy as np
import torch
from check_extractor import fid, fid_network
from cleanfid.inception_torchscript import InceptionV3W
from make_fixture import narrow, numbers
from PIL import Image
from pytorch_fid.fid_score import calculate_frechet_distance, compute_statistics_of_path
from torch import nn
from torch_fidelity import calculate_metrics, register_feature_extractor
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

COUNT, HEIGHT, WIDTH, COLOURS = 100, 24, 16, 3
FEATURES = 64
SEEDS = {"real": 2, "fake": 3}
CPU = torch.device("cpu")


def images(seed):
    """Returns smooth images: noise would hide the effect of resizing. Those of odd seeds have less contrast."""
    noise = np.floor((numbers(seed, COUNT * HEIGHT * WIDTH * COLOURS) + 0.5) * 256).astype(np.int64)
    noise = noise.reshape(COUNT, HEIGHT, WIDTH, COLOURS)
    smooth = (noise + np.roll(noise, 1, 1) + np.roll(noise, 1, 2)) // 3
    return (smooth if seed % 2 == 0 else smooth * 3 // 4 + 20).astype(np.uint8)


def write(folder, seed):
    folder.mkdir()
    for i, pixels in enumerate(images(seed)):
        Image.fromarray(pixels).save(folder / f"{i:03}.png")
    return str(folder)


def narrow_network(state):
    network = narrow(fid_network(None)).eval()
    network(torch.zeros(1, 3, 299, 299))
    network.load_state_dict(state, strict=False)
    return network


def by_pytorch_fid(real, fake, state):
    network = narrow_network(state)
    fid.fid_inception_v3 = lambda: network
    model = fid.InceptionV3().eval()
    statistics = [compute_statistics_of_path(path, model, 50, FEATURES, CPU, 0) for path in (real, fake)]
    return {"fid": calculate_frechet_distance(*statistics[0], *statistics[1])}


def by_torch_fidelity(real, fake, state):
    class Narrow(FeatureExtractorInceptionV3):
        def __init__(self, name, features_list, **kwargs):
            loads = nn.Module.load_state_dict
            nn.Module.load_state_dict = lambda *_, **__: None
            try:
                super().__init__(name, features_list, **kwargs)
            finally:
                nn.Module.load_state_dict = loads
            narrow(self)
            self.fc = nn.Identity()
            super().forward(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
            self.load_state_dict({key: value for key, value in state.items() if not key.startswith("fc.")}, strict=False)
            self.eval().requires_grad_(False)

    register_feature_extractor("narrow", Narrow)
    layers = {f"feature_layer_{metric}": "2048" for metric in ("fid", "kid", "prc")}
    with tempfile.NamedTemporaryFile() as file:
        torch.save({}, file.name)
        found = calculate_metrics(
            input1=fake, input2=real, cuda=False, fid=True, kid=True, prc=True, kid_subsets=1, kid_subset_size=COUNT,
            feature_extractor="narrow", feature_extractor_weights_path=file.name, cache=False, verbose=False, **layers,
        )
    names = {"fid": "frechet_inception_distance", "kid": "kernel_inception_distance_mean", "precision": "precision", "recall": "recall"}
    return {name: found[key] for name, key in names.items()}


class Padded(nn.Module):
    """The network as clean-fid's file has it, with as many features, of which all but the first are zero."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        for name in ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "maxpool2",
                     "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e",
                     "Mixed_7a", "Mixed_7b", "Mixed_7c"):  # fmt: skip
            x = getattr(self.network, name)(x)
        return nn.functional.pad(x.mean(dim=(2, 3)), (0, 2048 - FEATURES))


class Base(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, x):
        return self.layers(x)


def by_clean_fid(real, fake, state):
    with tempfile.TemporaryDirectory() as folder:
        base = Base(Padded(narrow_network(state))).eval()
        traced = torch.jit.trace(base, torch.rand(2, 3, 299, 299), check_trace=False)
        traced.save(str(pathlib.Path(folder) / "inception-2015-12-05.pt"))
        model = InceptionV3W(folder, download=False)
    options = {"num_workers": 0, "device": CPU, "mode": "clean", "verbose": False}
    features = [cleanfid.fid.get_folder_features(path, model, **options)[:, :FEATURES] for path in (real, fake)]
    kid = cleanfid.fid.kernel_distance(*(each.astype(np.float64) for each in features), num_subsets=1)
    return {"fid": cleanfid.fid.fid_from_feats(*features), "kid": kid}


def main(weights, output):
    state = torch.load(weights)
    # pytorch-fid comes last: its function that builds the network is replaced for good.
    programs = {"torch-fidelity": by_torch_fidelity, "clean-fid": by_clean_fid, "pytorch-fid": by_pytorch_fid}
    with tempfile.TemporaryDirectory() as folder:
        real, fake = [write(pathlib.Path(folder) / name, seed) for name, seed in SEEDS.items()]
        found = {name: program(real, fake, state) for name, program in programs.items()}
    found = {name: {key: float(value) for key, value in scores.items()} for name, scores in found.items()}
    pathlib.Path(output).write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
