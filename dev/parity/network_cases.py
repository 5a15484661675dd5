"""A whole network, and twenty training steps of a smaller one.

Needs: torch, numpy.
"""

import numpy as np
import torch

from fixture import UNIT_ROUNDOFF, Fixture, generator, perturbed, sensitivity, to_double
from unet import Unet

BETAS = np.linspace(1e-4, 0.02, 1000)
ALPHAS_CUMPROD = np.cumprod(1 - BETAS)


SHAPE = {"multipliers": [1, 2], "blocks": 1}
NETWORK = {"imageSize": 16, "inChannels": 3, "outChannels": 3, "channels": 10, "attention": [8], **SHAPE}
SMALL = {"imageSize": 8, "inChannels": 1, "outChannels": 1, "channels": 6, "attention": [4], **SHAPE}


def network():
    """Returns a forward pass with the gradients of every parameter and of the images, and one step of a sampler."""
    fixture = Fixture()
    net, batch, shape, random = Unet(NETWORK), 2, (2, 16, 16, 3), generator("network")
    inputs = {
        **net.initial(random),
        "x": random.standard_normal(shape).astype(np.float32),
        "t": np.array([3, 700], np.int32),
        "cotangent": random.standard_normal(shape).astype(np.float32),
    }
    terms = {key: net.longest_sum(batch) for key in ["y", *(f"d{name}" for name in inputs)]}
    forward = lambda i: net(i, i["x"], i["t"])
    fixture.evaluate("unet", "unet", inputs, forward, attributes={"config": NETWORK}, terms=terms)

    # An ancestral step; at t = 100 the prediction lies on both sides of the clip at -1 and 1.
    small, t, shape = Unet(SMALL), 100, (batch, 8, 8, 1)
    signal, before = ALPHAS_CUMPROD[t], ALPHAS_CUMPROD[t - 1]
    scalars = {
        "recip": np.sqrt(1 / signal),
        "recipm1": np.sqrt(1 / signal - 1),
        "coefX0": BETAS[t] * np.sqrt(before) / (1 - signal),
        "coefXt": (1 - before) * np.sqrt(1 - BETAS[t]) / (1 - signal),
        "sigma": np.sqrt(BETAS[t] * (1 - before) / (1 - signal)),
    }
    inputs = {
        **small.initial(random),
        **{name: np.array(value, np.float32) for name, value in scalars.items()},
        "x": random.standard_normal(shape).astype(np.float32),
        "t": np.full(batch, t, np.int32),
        "z": random.standard_normal(shape).astype(np.float32),
    }

    def reverse(i):
        eps = small(i, i["x"], i["t"])
        x0 = torch.clamp(i["recip"] * i["x"] - i["recipm1"] * eps, -1, 1)
        return {"x": i["coefX0"] * x0 + i["coefXt"] * i["x"] + i["sigma"] * i["z"], "x0": x0}

    terms = {key: small.longest_sum(batch) for key in ("x", "x0")}
    fixture.evaluate("reverse step", "reverseStep", inputs, reverse, attributes={"config": SMALL}, terms=terms)
    return fixture


STEPS = 20
LEARNING_RATE = 2e-3
CLIP_NORM = 1.0
EMA_DECAY = 0.9999


def train(net, start, batches, disturb):
    """Makes twenty steps of Adam on L_simple with clipping and a warmed-up moving average (Ho et al. 2020, algorithm 1;
    torch.optim.Adam). disturb: applies the effect of rounding to the parameters at which a gradient is taken, and to
    the gradient."""
    params = {name: tensor.clone() for name, tensor in start.items()}
    ema = {name: tensor.clone() for name, tensor in start.items()}
    optimizer = torch.optim.Adam(params.values(), lr=LEARNING_RATE, betas=(0.9, 0.999), eps=1e-8)
    losses, norms = [], []
    for step, batch in enumerate(batches, 1):
        noisy = batch["sqrtAlphasCumprod"][:, None, None, None] * batch["x0"]
        noisy = noisy + batch["sqrtOneMinusAlphasCumprod"][:, None, None, None] * batch["noise"]
        leaves = {name: tensor.requires_grad_() for name, tensor in disturb(params).items()}
        loss = torch.mean((batch["noise"] - net(leaves, noisy, batch["t"])) ** 2)
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        norm = torch.sqrt(sum((gradient**2).sum() for gradient in gradients))
        scaled = dict(zip(leaves, (gradient * torch.clamp(CLIP_NORM / norm, max=1.0) for gradient in gradients)))
        for name, gradient in disturb(scaled).items():
            params[name].grad = gradient
        optimizer.step()
        decay = min(EMA_DECAY, (1 + step) / (10 + step))
        ema = {name: decay * ema[name] + (1 - decay) * params[name] for name in ema}
        losses.append(loss.detach())
        norms.append(norm.detach())
    return {"loss": torch.stack(losses), "gradNorm": torch.stack(norms), **parts("params", params), **parts("ema", ema)}


def parts(vector, params):
    """Returns tensors as `<vector>/<name>`; attention biases are split in three, because that of the keys is a special
    case."""
    named = {}
    for name, tensor in params.items():
        key = f"{vector}/{name}"
        if name.endswith(".qkv.bias"):
            named |= zip((f"{key} queries", f"{key} keys", f"{key} values"), tensor.detach().chunk(3))
        else:
            named[key] = tensor.detach()
    return named


def training():
    net = Unet(SMALL)
    random = generator("training")
    size, shape = 3, (3, 8, 8, 1)
    params = net.initial(random)
    batches = []
    for _ in range(STEPS):
        t = random.integers(0, 1000, size)
        batches.append(
            {
                "x0": random.uniform(-1, 1, shape).astype(np.float32),
                "noise": random.standard_normal(shape).astype(np.float32),
                "t": t.astype(np.int32),
                "sqrtAlphasCumprod": np.sqrt(ALPHAS_CUMPROD[t]).astype(np.float32),
                "sqrtOneMinusAlphasCumprod": np.sqrt(1 - ALPHAS_CUMPROD[t]).astype(np.float32),
            }
        )
    start, double = to_double(params), [to_double(batch) for batch in batches]
    exact = train(net, start, double, disturb=lambda tensors: {name: t.detach().clone() for name, t in tensors.items()})

    # Rounding affects every step, so it is sampled anew at every step, with the size that it has in long sums: if a
    # gradient is close to zero, Adam's first steps have the size of the learning rate and a sign that rounding decides.
    draws, longest = generator("training sensitivity"), net.longest_sum(size)
    rounding = longest**0.5 * UNIT_ROUNDOFF
    disturb = lambda tensors: perturbed({name: t.detach() for name, t in tensors.items()}, draws, rounding)
    scale = sensitivity(lambda: train(net, start, double, disturb), exact, rounding)
    # A bias of all keys adds the same to all scores of a pixel, so it has no effect and no gradient. Adam turns the
    # rounding error of this gradient into steps of up to the learning rate; four roundings of this scale cover all.
    scale.update({key: STEPS * LEARNING_RATE / (4 * rounding) for key in exact if key.endswith(" keys")})

    fixture = Fixture()
    inputs = {**params, **{key: np.stack([batch[key] for batch in batches]) for key in batches[0]}}
    facts = {
        "attributes": {
            "config": SMALL,
            "learningRate": LEARNING_RATE,
            "clipNorm": CLIP_NORM,
            "emaDecay": EMA_DECAY,
        },
        "terms": {key: longest for key in exact},
        "scale": scale,
    }
    fixture.add("training", "training", inputs, {key: value.numpy() for key, value in exact.items()}, **facts)
    return fixture


GROUPS = {"network": network, "training": training}
