"""Writes features of pytorch-fid, torch-fidelity and clean-fid for the tests, which need no Python.

    python dev/fid/make_fixture.py tests/golden/inception

Needs the same packages as check_extractor.py. `narrow.pth`, in torch's legacy format, is the state dict of the networks
with a 32nd of their channels; `narrow.safetensors` has the outputs of all for a few images in float64.
`full.safetensors` has their outputs for two images with all channels, and with weights that any language can compute:
see `numbers`.
"""

import json
import pathlib
import sys

import numpy as np
import torch
from check_extractor import fid_network, randomise
from cleanfid.resize import build_resizer
from safetensors.numpy import save_file
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

SHARE = 32


def numbers(seed, count):
    """Returns numbers uniform in [-0.5, 0.5): the finalizer of MurmurHash3 of seed * 2**28 + 0, 1, 2, ... modulo
    2**32."""
    h = (np.arange(count, dtype=np.uint64) + (seed << 28)) & 0xFFFFFFFF
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = ((h ^ (h >> np.uint64(shift))) * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    return ((h ^ (h >> np.uint64(16))) / 2**32 - 0.5).astype(np.float32)


def narrow(network):
    """Replaces the layers by ones with fewer channels, which infer their input sizes when they are first used."""
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d):
                out = max(2, child.out_channels // SHARE)
                setattr(module, name, nn.LazyConv2d(out, child.kernel_size, child.stride, child.padding, bias=False))
            elif isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.LazyBatchNorm2d(eps=child.eps))
            elif isinstance(child, nn.Linear):
                setattr(module, name, nn.LazyLinear(child.out_features // SHARE))
    return network


def fill(state):
    """Gives every tensor its own numbers, in the range that `randomise` uses."""
    filled = {}
    for seed, (name, tensor) in enumerate(sorted(state.items())):
        if name.endswith("num_batches_tracked"):
            continue
        values = numbers(seed % 16, tensor.numel())
        if name.endswith("conv.weight"):
            values *= np.float32((24 / tensor[0].numel()) ** 0.5)
        elif name.endswith(("running_var", "bn.weight")):
            values += np.float32(1)
        elif name == "fc.weight":
            values *= np.float32(0.1)
        filled[name] = torch.from_numpy(values.reshape(tensor.shape))
    return filled


def answers(networks, state, images):
    """Returns features and logits without bias of the libraries, each with its own resizing, in float64. clean-fid has
    the network of the others, as TorchScript."""
    ours, theirs = networks
    for network in networks:
        network.load_state_dict(state, strict=False)
        network.double().eval()
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    names = "Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 maxpool1 Conv2d_3b_1x1 Conv2d_4a_3x3 maxpool2 Mixed_5b Mixed_5c"
    names += " Mixed_5d Mixed_6a Mixed_6b Mixed_6c Mixed_6d Mixed_6e Mixed_7a Mixed_7b Mixed_7c"
    bilinear = nn.functional.interpolate(pixels.double() / 255, size=(299, 299), mode="bilinear", align_corners=False)
    clean = np.stack([build_resizer("clean")(each) for each in images]).transpose(0, 3, 1, 2)
    found = {}
    with torch.no_grad():
        for resize, x in {"pytorch-fid": 2 * bilinear - 1, "clean-fid": (torch.from_numpy(clean).double() - 128) / 128}.items():
            for name in names.split():
                x = getattr(ours, name)(x)
            features = x.mean(dim=(2, 3))
            found[resize] = features, features @ ours.fc.weight.T
        theirs.feature_extractor_internal_dtype = torch.float64
        found["tensorflow"] = theirs(pixels)
    return {
        f"{resize}.{part}": np.ascontiguousarray(value.numpy().astype(np.float32))
        for resize, values in found.items()
        for part, value in zip(("features", "logits"), values)
    }


def fidelity_network(path):
    return FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=path)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / "full.pth"
    network = fid_network(None)
    torch.save(network.state_dict(), temporary)
    both = network, fidelity_network(str(temporary))
    temporary.unlink()
    images = ((numbers(1, 2 * 24 * 16 * 3) + 0.5) * 256).astype(np.uint8).reshape(2, 24, 16, 3)
    # The images are smooth like photographs, because noise would hide the effect of resizing.
    images = ((images.astype(np.float32) + np.roll(images, 1, 1) + np.roll(images, 1, 2)) / 3).astype(np.uint8)
    state = network.state_dict()
    shapes = json.dumps({name: list(tensor.shape) for name, tensor in sorted(state.items())})
    full = {"images": images, **answers(both, fill(state), images)}
    save_file(full, folder / "full.safetensors", metadata={"shapes": shapes})

    ours, theirs = [narrow(each).float().eval() for each in both]
    ours(torch.zeros(1, 3, 299, 299))
    theirs.feature_extractor_internal_dtype, theirs.features_list = torch.float32, ["2048"]
    theirs(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    theirs.fc, theirs.features_list = nn.Linear(ours.fc.in_features, ours.fc.out_features), ["2048", "logits_unbiased"]
    state = randomise(ours).state_dict()
    torch.save(state, folder / "narrow.pth", _use_new_zipfile_serialization=False)
    save_file({"images": images, **answers((ours, theirs), state, images)}, folder / "narrow.safetensors")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
