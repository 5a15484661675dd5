"""The layers of the U-Net of Ho et al. 2020 in PyTorch, on channels-last images, for any float type.

Written from the paper and hojonathanho/diffusion (`nn.py`, `unet.py`), not from the code under test. Parameters are
dictionaries of tensors: convolutions [height, width, in, out], dense layers [in, out].

Needs: torch.
"""

import math

import torch
import torch.nn.functional as F


def groups_for(channels):
    """Returns the largest number of groups that divides the channels, at most 32 and with at least four channels
    each; else one."""
    return max((g for g in range(1, 33) if channels % g == 0 and channels >= 4 * g), default=1)


def channels_first(x):
    return x.permute(0, 3, 1, 2)


def channels_last(x):
    return x.permute(0, 2, 3, 1)


def same_padding(size, kernel, stride):
    """Returns the zeros before and after an axis for TensorFlow's SAME: an odd one goes to the end."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def conv(x, kernel, bias=None, stride=1, valid=False):
    height, width = (1, 1) if valid else kernel.shape[:2]
    top, bottom = same_padding(x.shape[1], height, stride)
    left, right = same_padding(x.shape[2], width, stride)
    padded = F.pad(channels_first(x), (left, right, top, bottom))
    return channels_last(F.conv2d(padded, kernel.permute(3, 2, 0, 1).contiguous(), bias, stride))


def dense(x, kernel, bias):
    return F.linear(x, kernel.T, bias)


def group_norm(x, scale, bias):
    return channels_last(F.group_norm(channels_first(x), groups_for(x.shape[3]), scale, bias, eps=1e-6))


def upsample(x):
    return channels_last(F.interpolate(channels_first(x), scale_factor=2, mode="nearest"))


def attention(x, params, name=""):
    batch, height, width, channels = x.shape
    normed = group_norm(x, params[f"{name}norm.scale"], params[f"{name}norm.bias"])
    pixels = normed.reshape(batch, height * width, channels)
    q, k, v = dense(pixels, params[f"{name}qkv.kernel"], params[f"{name}qkv.bias"]).chunk(3, dim=2)
    weights = torch.softmax(torch.einsum("bic,bjc->bij", q, k) / math.sqrt(channels), dim=2)
    mixed = torch.einsum("bij,bjc->bic", weights, v)
    return x + dense(mixed, params[f"{name}out.kernel"], params[f"{name}out.bias"]).reshape(x.shape)


def time_embedding(t, width, dtype=torch.float64):
    half = width // 2
    frequencies = torch.exp(torch.arange(half, dtype=dtype) * (-math.log(10000) / (half - 1)))
    angles = t.to(dtype)[:, None] * frequencies[None, :]
    return torch.cat([torch.sin(angles), torch.cos(angles)], dim=1)
