"""The operations that models, losses and samplers consist of, in PyTorch; on channels-last tensors of any float type.

`REFERENCES[op](inputs, **attributes)` is the reference for the operation of the same name in tests/parity/operations.ts.

Needs: torch, numpy.
"""

import numpy as np
import torch
import torch.nn.functional as F

import layers


def keep_mask(key, shape, site, rate):
    """Returns the dropout mask as science/tensor/random/counter_words.ts describes it, in numpy's wrapping 32-bit integers."""
    as_word = lambda value: np.array(value % 2**32, np.uint32)
    fold = lambda r: r + (r >> np.uint32(16))
    mix = lambda u: fold(u * (np.uint32(2) * u + np.uint32(1)))

    def firsts(count, word, site_step):
        offset = as_word(int(word) + (site + 1) * site_step)
        return mix(np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1) + offset)

    position = firsts(int(np.prod(shape[1:])), key[0], 0x85EBCA6B)[None, :]
    image = firsts(shape[0], key[1], 0xC2B2AE35)[:, None]
    y = fold((mix(position) + mix(image)) * (np.uint32(2) * (position + image) + np.uint32(1)))
    words = y * (y + np.uint32(0x7FEB352D))
    threshold = round(rate * 2**32)
    scale = float(np.float32(1 / (1 - threshold / 2**32)))
    return torch.from_numpy(np.where(words >= np.uint32(threshold), scale, 0.0).reshape(shape))


def per_image(factor, images):
    return factor.reshape(-1, *[1] * (images.ndim - 1))


def q_sample(i):
    return per_image(i["sqrtAlphasCumprod"], i["x0"]) * i["x0"] + per_image(i["sqrtOneMinusAlphasCumprod"], i["x0"]) * i[
        "noise"
    ]


def adam(i):
    """Kingma & Ba 2015, algorithm 1, after clipping by the global norm."""
    norm = torch.linalg.vector_norm(i["grads"])
    grads = i["grads"] * torch.clamp(i["clipNorm"] / norm, max=1.0) if norm > 0 else i["grads"]
    m = 0.9 * i["m"] + (1 - 0.9) * grads
    v = 0.999 * i["v"] + (1 - 0.999) * grads**2
    step = i["learningRate"] * (m / i["biasCorrection1"]) / (torch.sqrt(v / i["biasCorrection2"]) + 1e-8)
    return {"params": i["params"] - step, "m": m, "v": v, "gradNorm": norm}


def split(i, axis, sizes):
    """Returns the parts in reverse order, so that a confusion of parts is noticed."""
    return torch.cat(list(reversed(torch.split(i["x"], sizes, dim=axis))), dim=axis)


def pad(i, paddings, value):
    return F.pad(i["x"], [n for before_after in reversed(paddings) for n in before_after], value=value)


def slice_(i, begin, size):
    return i["x"][tuple(slice(b, b + s) for b, s in zip(begin, size))]


def mat_mul(i, transposeA=False, transposeB=False):
    a = i["a"].transpose(-1, -2) if transposeA else i["a"]
    return torch.matmul(a, i["b"].transpose(-1, -2) if transposeB else i["b"])


def mean(i, axis, keepDims):
    return i["x"].mean(dim=axis, keepdim=keepDims)


def pool(function, x, stride, padding, **options):
    """Pools windows of 3x3, in which padding does not count."""
    pads = 1 if padding == "same" else 0
    return layers.channels_last(function(layers.channels_first(x), 3, stride, pads, **options))


def nearest(z, codebook):
    """Returns the nearest code at each position (van den Oord et al. 2017, eq. 1)."""
    return codebook[torch.cdist(z.reshape(-1, z.shape[-1]), codebook).argmin(dim=1)].reshape(z.shape)


def vq_terms(z, codebook):
    """Returns what the decoder gets, straight through, and two means over the latents of an image: the squared
    distance for codes to move to latents, and for latents to move to codes (eq. 3)."""
    codes = nearest(z, codebook)
    squares = lambda a, b: ((a - b) ** 2).mean(dim=(1, 2, 3))
    return z + (codes - z).detach(), squares(codes, z.detach()), squares(codes.detach(), z)


def quantize(i):
    """Returns what the decoder gets plus the terms, the second one twice, so that one output shows all of them."""
    z, codebook, commitment = vq_terms(i["z"], i["codebook"])
    return z + per_image(codebook + 2 * commitment, z)


def feature_distance(x, y):
    """Zhang et al. 2018 without learned weights, for two layers of features."""
    unit = lambda h: h / torch.sqrt((h**2).sum(dim=3, keepdim=True))
    layers_of = lambda images: (torch.tanh(images), images**2)
    distances = [((unit(a) - unit(b)) ** 2).sum(dim=3).mean(dim=(1, 2)) for a, b in zip(layers_of(x), layers_of(y))]
    return sum(distances)


def autoencoder_loss(i, options):
    """CompVis/latent-diffusion, losses/contperceptual.py (sums over an image) and losses/vqperceptual.py with taming's
    VectorQuantizer2 (means), both without a discriminator and with logvar 0. Without a key of `options`, no such term.
    """
    x, y, total = i["x"], i["reconstruction"], (lambda h: h.sum(dim=(1, 2, 3)))
    if options["over"] == "mean":
        total = lambda h: h.mean(dim=(1, 2, 3))
    error = torch.abs(x - y) if options["reconstruction"] == "l1" else (x - y) ** 2
    if "perceptual" in options:
        error = error + options["perceptual"] * per_image(feature_distance(x, y), x)
    loss = total(error)
    if "logVariance" in i:
        mean, log_variance = i["mean"], i["logVariance"]
        return loss + options["kl"] * total(0.5 * (mean**2 + torch.exp(log_variance) - 1.0 - log_variance))
    z = i["mean"]
    codes = nearest(z, i["codebook"])
    legacy, beta = options["placement"] == "taming", options["commitment"]
    to_code, to_latent = total((codes.detach() - z) ** 2), total((codes - z.detach()) ** 2)
    return loss + options["codebook"] * (to_code + beta * to_latent if legacy else beta * to_code + to_latent)


REFERENCES = {
    # Elementwise.
    "add": lambda i: i["a"] + i["b"],
    "sub": lambda i: i["a"] - i["b"],
    "mul": lambda i: i["a"] * i["b"],
    "div": lambda i: i["a"] / i["b"],
    "maximum": lambda i: torch.maximum(i["a"], i["b"]),
    "where": lambda i: torch.where(i["at"] > 0, i["a"], i["b"]),
    "neg": lambda i: -i["x"],
    "relu": lambda i: F.relu(i["x"]),
    "clip": lambda i, low, high: torch.clamp(i["x"], low, high),
    "square": lambda i: i["x"] ** 2,
    "sqrt": lambda i: torch.sqrt(i["x"]),
    "rsqrt": lambda i: torch.rsqrt(i["x"]),
    "exp": lambda i: torch.exp(i["x"]),
    "log": lambda i: torch.log(i["x"]),
    "sin": lambda i: torch.sin(i["x"]),
    "cos": lambda i: torch.cos(i["x"]),
    "tanh": lambda i: torch.tanh(i["x"]),
    "sigmoid": lambda i: torch.sigmoid(i["x"]),
    "fill": lambda i, value: i["x"] * torch.full_like(i["x"], value),
    "cast": lambda i: i["n"].to(i["x"].dtype) * i["x"],
    # Data movement.
    "concat": lambda i, axis: torch.cat([i["a"], i["b"], i["c"]], dim=axis),
    "split": split,
    "slice": slice_,
    "pad": pad,
    "transpose": lambda i, perm: i["x"].permute(perm),
    "tile": lambda i, reps: i["x"].repeat(reps),
    "gather": lambda i, axis: torch.index_select(i["x"], axis, i["at"]),
    "upsample": lambda i: layers.upsample(i["x"]),
    # Sums.
    "sum": lambda i, axis, keepDims: i["x"].sum(dim=axis, keepdim=keepDims),
    "mean": mean,
    "softmax": lambda i: torch.softmax(i["x"], dim=-1),
    "matMul": mat_mul,
    "averagePool": lambda i, **window: pool(F.avg_pool2d, i["x"], count_include_pad=False, **window),
    "maxPool": lambda i, **window: pool(F.max_pool2d, i["x"], **window),
    "avgPool": lambda i: layers.channels_last(F.avg_pool2d(layers.channels_first(i["x"]), 2)),
    # Layers.
    "conv": lambda i, stride: layers.conv(i["x"], i["kernel"], i["bias"], stride) + i.get("shift", 0),
    "convValid": lambda i, stride: layers.conv(i["x"], i["kernel"], None, stride, valid=True),
    "conv2d": lambda i, stride: layers.conv(i["x"], i["kernel"], None, stride),
    "dense": lambda i: layers.dense(i["x"], i["kernel"], i["bias"]),
    "groupNorm": lambda i: layers.group_norm(i["x"], i["scale"], i["bias"]),
    "silu": lambda i: F.silu(i["x"]),
    "attention": lambda i: layers.attention(i["x"], i),
    "keepMask": lambda i, shape, site, rate: keep_mask(i["key"], shape, site, rate),
    "dropout": lambda i, site, rate: i["x"] * keep_mask(i["key"], list(i["x"].shape), site, rate),
    "timeEmbedding": lambda i, width: layers.time_embedding(i["t"], width),
    # Diffusion.
    "qSample": q_sample,
    "loss": lambda i: ((i["eps"] - i["predicted"]) ** 2).mean(dim=(1, 2, 3)),
    "adam": adam,
    "quantize": quantize,
    "autoencoderLoss": autoencoder_loss,
    "ema": lambda i: i["decay"] * i["ema"] + (1 - i["decay"]) * i["params"],
}
