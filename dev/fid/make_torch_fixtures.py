"""Writes the files in tests/golden/torch/: state dicts as torch saves them, and their contents as torch reads them.

    python dev/fid/make_torch_fixtures.py tests/golden/torch

Needs torch and safetensors. Keys of storages in the legacy format are addresses, so their bytes differ in each run.
"""

import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch import nn


def state_dict():
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Sequential(nn.Linear(3, 2, bias=False)))
    block[1](torch.randn(4, 3, 2, 2))
    # With keep_vars, parameters are saved as parameters, by another function of torch.
    state = block.state_dict(keep_vars=True)
    shared = torch.arange(24, dtype=torch.float32)
    state["shared.all"] = shared.view(2, 3, 4)
    state["shared.part"] = shared[5:11].view(2, 3)
    state["shared.transposed"] = shared.view(4, 6).t()
    state["shared.every_second"] = shared[1::2]
    state["channels_last"] = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    state["one_channel"] = torch.randn(2, 1, 3, 1).to(memory_format=torch.channels_last)
    state["expanded"] = torch.tensor([1.5, -2]).view(2, 1).expand(2, 3)
    state["double"] = torch.randn(3, dtype=torch.float64)
    state["int"] = torch.tensor([[-(2**31), 2**31 - 1]], dtype=torch.int32)
    state["long"] = torch.tensor([-(2**63), 2**53 + 1, 2**63 - 1])
    state["byte"] = torch.arange(5, dtype=torch.uint8)
    state["special"] = torch.tensor([float("inf"), -float("inf"), -0.0, 1e-45])
    state["empty"] = torch.empty(0)
    state["empty.inside"] = torch.empty(3, 0, 2)
    state["empty.part"] = shared[24:]
    state["empty.beyond"] = shared.view(4, 6)[4:, 2:]
    state["scalar"] = torch.tensor(-0.25)
    state["__proto__"] = torch.tensor([7.0])
    state["größe 大"] = torch.tensor([8.0])
    return state


def main(folder: pathlib.Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    state = state_dict()
    torch.save(state, folder / "zip.pth")
    torch.save(state, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "state_dict": state}, folder / "checkpoint.pth")
    torch.save({"weight": torch.ones(2, dtype=torch.bfloat16)}, folder / "bfloat16.pth")
    torch.save({"weight": torch.ones(2)}, folder / "protocol4.pth", pickle_protocol=4)
    torch.save(nn.Linear(1, 1), folder / "module.pth")
    wanted = {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}
    save_file(wanted, folder / "wanted.safetensors", {"order": "\n".join(state)})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
