"""Writes distances of the package lpips for the tests, which need no Python.

    python dev/metrics/make_lpips_fixture.py tests/golden/lpips [channels]

Needs lpips 0.1.4, torchvision and safetensors. `lpips.pth` is the state dict of `LPIPS(net="vgg")` with random weights,
of which the first block has so many channels (default: 2; 64 is the whole network); `lpips.safetensors` has two batches
of images in [-1, 1], [N, H, W, C], their distances, computed in float64, and the gradient of these by the second
batch's pixels, in RGB and in grey.
"""

import pathlib
import sys

import lpips
import torch
from safetensors.torch import save_file
from torch import nn

folder = pathlib.Path(sys.argv[1])
width = int(sys.argv[2]) if len(sys.argv) > 2 else 2
torch.manual_seed(0)

network = lpips.LPIPS(net="vgg", pretrained=False, pnet_rand=True, verbose=False)
channels = 3
for module in (network.net, *network.lins):
    for parent in module.modules():
        for name, child in parent.named_children():
            if not isinstance(child, nn.Conv2d):
                continue
            is_head = child.out_channels == 1
            inputs = child.in_channels * width // 64 if is_head else channels
            outputs = 1 if is_head else child.out_channels * width // 64
            layer = nn.Conv2d(inputs, outputs, child.kernel_size, padding=child.padding, bias=not is_head)
            if is_head:
                # Learned heads are not negative.
                layer.weight.data.uniform_(0, 1)
            else:
                nn.init.kaiming_normal_(layer.weight)
                nn.init.normal_(layer.bias, std=0.1)
                channels = outputs
            setattr(parent, name, layer)

folder.mkdir(parents=True, exist_ok=True)
torch.save(network.state_dict(), folder / "lpips.pth")
network = network.double()
tensors = {}
for name, colours in (("rgb", 3), ("grey", 1)):
    x, y = torch.rand(2, 2, 36, 20, colours) * 2 - 1
    decoded = y.double().requires_grad_()
    first, second = (images.permute(0, 3, 1, 2).expand(-1, 3, -1, -1) for images in (x.double(), decoded))
    distances = network(first, second).flatten()
    distances.sum().backward()
    found = {"x": x, "y": y, "distances": distances.detach().float(), "gradient": decoded.grad.float()}
    tensors |= {f"{name}.{part}": tensor for part, tensor in found.items()}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "lpips.safetensors")
