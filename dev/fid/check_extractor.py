"""Compares features, FID, KID, Inception Score, precision and recall with pytorch-fid, torch-fidelity and clean-fid.

    python dev/fid/check_extractor.py FOLDER

Needs torch, torchvision, numpy, scipy, pytorch-fid, torch-fidelity, clean-fid, and deno on the path. The network gets random
weights, batch norms included, saved by torch in both of its formats; the images are emoji, 48 real and 48 fake. Each
side resizes them itself, in each way. FOLDER gets the weights (96 MB each), a store and outputs.
"""

import hashlib
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytorch_fid.inception as fid
import torch
from cleanfid.inception_torchscript import InceptionV3W
from cleanfid.resize import build_resizer
from pytorch_fid.fid_score import calculate_frechet_distance
from safetensors.numpy import load_file
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import calculate_precision_recall_full

PIPELINE = pathlib.Path(__file__).with_name("check.yaml")
# Tolerance relative to the largest number: ten times the observed effect of float32 and another order of sums.
FEATURES = 1e-5
# Tolerance of each figure. The covariances of few images are singular, and distances that use them the least exact.
FIGURES = 1e-4


def fid_network(weights):
    """Builds pytorch-fid's network by its own function, which would download weights: here it gets the
    given weights or none."""
    fid.load_state_dict_from_url = lambda *_, **__: weights
    loads = nn.Module.load_state_dict
    if weights is None:
        nn.Module.load_state_dict = lambda *_, **__: None
    try:
        return fid.fid_inception_v3()
    finally:
        nn.Module.load_state_dict = loads


def randomise(network, seed=0):
    """Sets random weights that keep activations in range, with batch norms that have an effect."""
    torch.manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            nn.init.normal_(module.bias)
    return network


def by_pytorch_fid(state, images):
    """Returns features by pytorch-fid's InceptionV3, resizing included. It has no logits."""
    fid.load_state_dict_from_url = lambda *_, **__: state
    network = fid.InceptionV3().eval()
    with torch.no_grad():
        return network(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)[0].flatten(1).numpy()


def by_torch_fidelity(path, images):
    network = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=path)
    with torch.no_grad():
        return [each.numpy() for each in network(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous())]


def by_clean_fid(state, images, folder):
    """Returns features by clean-fid's InceptionV3W, which reads TorchScript, and with clean-fid's resizing."""
    fid.load_state_dict_from_url = lambda *_, **__: state

    class Base(nn.Module):
        def __init__(self):
            super().__init__()
            blocks = fid.InceptionV3(resize_input=False, normalize_input=False).eval().blocks
            self.layers = nn.Sequential(*(layer for block in blocks for layer in block), nn.Flatten())

        def forward(self, x):
            return self.layers(x)

    torch.jit.trace(Base(), torch.rand(2, 3, 299, 299), check_trace=False).save(folder / "inception-2015-12-05.pt")
    network = InceptionV3W(str(folder), download=False)
    resized = np.stack([build_resizer("clean")(each) for each in images]).transpose(0, 3, 1, 2)
    with torch.no_grad():
        return network(torch.from_numpy(resized)).numpy()


def run(folder, weights, resize):
    """Runs the pipeline with a file of weights. @returns the folder of its outputs"""
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    sets = [f"{stage}.{param}" for stage in ("real", "fake") for param in (f"path={weights}", f"sha256={digest}", f"resize={resize}")]
    pipeline = folder / "check.yaml"
    pipeline.write_text(PIPELINE.read_text())
    command = ["deno", "run", "-A", str(PIPELINE.parents[2] / "cli" / "main.ts"), "run", str(pipeline)]
    subprocess.run([*command, "--store", str(folder / "store"), *(part for each in sets for part in ("--set", each))], check=True)
    return folder / "outputs" / "fid-check"


def compare(name, got, wanted, most):
    error = np.abs(np.asarray(got) - np.asarray(wanted)).max() / np.abs(np.asarray(wanted)).max()
    print(f"  {name}: off by {error:.1e}", flush=True)
    if not error < most:
        sys.exit(f"{name}: got {got}, wanted {wanted}")


def check_figures(outputs, sets):
    """Compares the figures of `score` with those of the libraries, on the features that `features` wrote."""
    features, logits = [
        [np.load(outputs / stage / f"{part}.npy") for stage in ("real", "fake")] for part in ("features", "logits")
    ]
    metrics = {each["name"].split("-inception")[0]: each for each in json.loads((outputs / "score/metrics.json").read_text())["metrics"]}
    for (real, fake), source in ((features, "its own features"), (sets[:2], "the library's features")):
        moments = [(np.mean(each, axis=0, dtype=np.float64), np.cov(each.astype(np.float64), rowvar=False)) for each in (real, fake)]
        compare(f"FID of pytorch-fid, {source}", metrics["FD"]["value"], calculate_frechet_distance(*moments[0], *moments[1]), FIGURES)
        a, b = torch.from_numpy(real).double(), torch.from_numpy(fake).double()
        stats = [fid_features_to_statistics(each) for each in (a, b)]
        compare(f"FID of torch-fidelity, {source}", metrics["FD"]["value"], fid_statistics_to_metric(*stats, False)["frechet_inception_distance"], FIGURES)
        precision, recall = calculate_precision_recall_full(torch.from_numpy(fake), torch.from_numpy(real), 3)
        compare(f"precision and recall, {source}", [metrics["precision"]["value"], metrics["recall"]["value"]], [float(precision), float(recall)], FIGURES)
    a, b = [torch.from_numpy(each).double() for each in features]
    wanted = kid_features_to_metric(a, b, kid_subsets=1, kid_subset_size=48, verbose=False)["kernel_inception_distance_mean"]
    compare("KID of torch-fidelity, its own features", metrics["KD"]["value"], float(wanted), FIGURES)
    for own, source in ((logits[1], "its own logits"), (sets[3], "the library's logits")):
        answers = torch.from_numpy(own).double()
        wanted = isc_features_to_metric(answers, splits=4, shuffle=False)["inception_score_mean"]
        compare(f"Inception Score, {source}", metrics["IS"]["value"], wanted, FIGURES)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    state = randomise(fid_network(None)).state_dict()
    torch.save(state, folder / "zip.pth")
    torch.save(state, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    for resize in ("tensorflow", "pytorch-fid", "clean-fid"):
        for kind in ("zip", "legacy"):
            print(f"{resize}, {kind}", flush=True)
            outputs = run(folder, (folder / f"{kind}.pth").resolve(), resize)
            images = [
                load_file(outputs / f"images/{split}/images.safetensors")["images"][:count]
                for split, count in (("test", 48), ("train", 48))
            ]
            if resize == "tensorflow":
                wanted = [by_torch_fidelity(str(folder / "zip.pth"), each) for each in images]
                sets = [*(each[0] for each in wanted), *(each[1] for each in wanted)]
            else:
                extract = by_pytorch_fid if resize == "pytorch-fid" else lambda *given: by_clean_fid(*given, folder)
                features = [extract(state, each) for each in images]
                sets = [*features, *(each @ state["fc.weight"].numpy().T for each in features)]
            for name, got, want in zip(
                ["features of real", "features of fake", "logits of real", "logits of fake"],
                [np.load(outputs / stage / f"{part}.npy") for part in ("features", "logits") for stage in ("real", "fake")],
                sets,
            ):
                compare(name, got, want, FEATURES)
            check_figures(outputs, sets)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]).resolve())
