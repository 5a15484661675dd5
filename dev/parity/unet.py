"""The U-Net of Ho et al. 2020 (appendix B) in PyTorch, for any float type; see layers.py.

Needs: torch, numpy.
"""

import numpy as np
import torch
import torch.nn.functional as F

import layers


class Unet:
    """The network of a configuration. One walk over the network defines both its parameters and its forward pass: a
    first walk on zeros meets each parameter where it is used and records its shape."""

    def __init__(self, config):
        self.config = config
        self.shapes = {}
        size, channels = config["imageSize"], config["inChannels"]
        self._params = None
        with torch.no_grad():
            self._walk(torch.zeros(1, size, size, channels, dtype=torch.float64), torch.zeros(1, dtype=torch.int32))

    def __call__(self, params, x, t):
        self._params = params
        return self._walk(x, t)

    def initial(self, random):
        """Returns parameters, none of them zero or without effect: kernels are uniform with variance 1 / fan-in."""
        made = {}
        for name, shape in self.shapes.items():
            if name.endswith(".kernel"):
                limit = np.sqrt(3 / np.prod(shape[:-1]))
                array = random.uniform(-limit, limit, shape)
            else:
                array = random.uniform(-0.2, 0.2, shape) + (1 if name.endswith(".scale") else 0)
            made[name] = array.astype(np.float32)
        return made

    def _parameter(self, name, *shape):
        if self._params is None:
            self.shapes[name] = shape
            return torch.zeros(shape, dtype=torch.float64)
        return self._params[name]

    def _conv(self, name, x, out, stride=1):
        kernel = self._parameter(f"{name}.kernel", 3, 3, x.shape[3], out)
        return layers.conv(x, kernel, self._parameter(f"{name}.bias", out), stride)

    def _dense(self, name, x, out):
        return layers.dense(x, self._parameter(f"{name}.kernel", x.shape[-1], out), self._parameter(f"{name}.bias", out))

    def _norm(self, name, x):
        channels = x.shape[3]
        scale = self._parameter(f"{name}.scale", channels)
        return layers.group_norm(x, scale, self._parameter(f"{name}.bias", channels))

    def _attention(self, name, x):
        channels = x.shape[3]
        shapes = {
            "norm.scale": [channels],
            "norm.bias": [channels],
            "qkv.kernel": [channels, 3 * channels],
            "qkv.bias": [3 * channels],
            "out.kernel": [channels, channels],
            "out.bias": [channels],
        }
        return layers.attention(x, {part: self._parameter(f"{name}.{part}", *shape) for part, shape in shapes.items()})

    def _block(self, name, x, out, time, attention=None):
        h = self._conv(f"{name}.conv1", F.silu(self._norm(f"{name}.norm1", x)), out)
        h = h + self._dense(f"{name}.time", time, out)[:, None, None, :]
        h = self._conv(f"{name}.conv2", F.silu(self._norm(f"{name}.norm2", h)), out)
        shortcut = x if x.shape[3] == out else self._dense(f"{name}.shortcut", x, out)
        h = shortcut + h
        return h if attention is None else self._attention(attention, h)

    def _walk(self, x, t):
        config = self.config
        channels, multipliers, blocks = config["channels"], config["multipliers"], config["blocks"]
        attends = lambda h: h.shape[1] in config["attention"]
        time = layers.time_embedding(t, channels, x.dtype)
        time = F.silu(self._dense("time.dense1", time, 4 * channels))
        time = F.silu(self._dense("time.dense2", time, 4 * channels))

        h = self._conv("conv_in", x, channels)
        skips = [h]
        for level, multiplier in enumerate(multipliers):
            for i in range(blocks):
                attention = f"down.{level}.attention.{i}" if attends(h) else None
                h = self._block(f"down.{level}.block.{i}", h, channels * multiplier, time, attention)
                skips.append(h)
            if level + 1 < len(multipliers):
                h = self._conv(f"down.{level}.downsample", h, h.shape[3], 2)
                skips.append(h)
        h = self._block("middle.block.0", h, h.shape[3], time, "middle.attention")
        h = self._block("middle.block.1", h, h.shape[3], time)
        for level in reversed(range(len(multipliers))):
            for i in range(blocks + 1):
                attention = f"up.{level}.attention.{i}" if attends(h) else None
                joined = torch.cat([h, skips.pop()], dim=3)
                h = self._block(f"up.{level}.block.{i}", joined, channels * multipliers[level], time, attention)
            if level > 0:
                h = self._conv(f"up.{level}.upsample", layers.upsample(h), h.shape[3])
        return self._conv("conv_out", F.silu(self._norm("norm_out", h)), config["outChannels"])

    def longest_sum(self, batch):
        """Returns the number of terms in the longest sum of a training step: a kernel's gradient over all pixels, the
        inputs of one output of a convolution in either direction, or the statistics of a group."""
        pixels = self.config["imageSize"] ** 2
        taps = max(np.prod(shape[:-2]) * max(shape[-2:]) for name, shape in self.shapes.items() if "kernel" in name)
        norms = [shape[0] for name, shape in self.shapes.items() if name.endswith(".scale")]
        groups = max(channels // layers.groups_for(channels) for channels in norms)
        return int(max(batch * pixels, taps, pixels * groups))
