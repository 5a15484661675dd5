"""Trains in float64 with PyTorch and diffusers as a `train` stage does, for the default tests.

    python tests/peers/torch/recipe.py tests/golden/torch/recipe.json

Needs torch and diffusers. The data are linear congruential numbers; tests/unit/science/metrics/lcg.ts makes the same.
"""

import json
import sys

import diffusers
import torch
from diffusers.optimization import get_scheduler
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn

torch.set_default_dtype(torch.float64)

WARMUP, UNTIL, UPDATES = 4, 20, 24
BATCH, PARTS, SIZE, CHANNELS = 6, 3, 2, 3


def lcg(seed, count):
    state, values = seed, []
    for _ in range(count):
        state = (1664525 * state + 1013904223) % 2**32
        values.append(state / 2**32 - 0.5)
    return torch.tensor(values)


def optimizer(constants):
    """Returns five parameters after each of 30 updates, at a rate of 0.01."""
    params = torch.nn.Parameter(lcg(1, 5))
    adam = torch.optim.AdamW(
        [params],
        lr=0.01,
        betas=(float(constants["beta1"]), float(constants["beta2"])),
        eps=constants["epsilon"],
        weight_decay=constants["weightDecay"],
    )
    after = []
    for step in range(30):
        params.grad = lcg(100 + step, 5)
        adam.step()
        after.append(params.detach().tolist())
    return {"constants": constants, "after": after}


def schedule(name):
    """Returns the rates of diffusers' updates 0 to UNTIL, where the base rate is 1."""
    adam = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1)
    rates = get_scheduler(name, adam, num_warmup_steps=WARMUP, num_training_steps=UNTIL)
    values = []
    for _ in range(UNTIL + 1):
        values.append(rates.get_last_lr()[0])
        adam.step()
        rates.step()
    return values


def training():
    """
    Trains one linear layer over the channels of each pixel to predict the noise, with accumulated gradients, AdamW, a
    cosine schedule and two averages.
    """
    layer = torch.nn.Linear(CHANNELS, CHANNELS)
    with torch.no_grad():
        # A `dense` layer's kernel is [in, out].
        layer.weight.copy_(lcg(1, CHANNELS * CHANNELS).reshape(CHANNELS, CHANNELS).T)
        layer.bias.copy_(lcg(2, CHANNELS))
    adam = torch.optim.AdamW(layer.parameters(), lr=0.02, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)
    rates = get_scheduler("cosine", adam, num_warmup_steps=WARMUP, num_training_steps=UNTIL)
    averages = {
        name: AveragedModel(layer, avg_fn=get_ema_avg_fn(decay))
        for name, decay in (("ema", 0.9), ("fast", 0.5), ("slow", 0.99))
    }
    shape = (BATCH, SIZE, SIZE, CHANNELS)
    levels = torch.linspace(0.1, 0.9, BATCH).reshape(-1, 1, 1, 1)
    losses = []
    # diffusers' update 0 has rate 0 and is left out.
    adam.step()
    rates.step()
    for step in range(1, UPDATES + 1):
        x0, noise = (lcg(seed + step, x).reshape(shape) for seed, x in ((1000, BATCH * 12), (2000, BATCH * 12)))
        xt = torch.sqrt(1 - levels**2) * x0 + levels * noise
        adam.zero_grad()
        total = 0.0
        for part in range(PARTS):
            rows = slice(part * BATCH // PARTS, (part + 1) * BATCH // PARTS)
            loss = torch.nn.functional.mse_loss(layer(xt[rows]), noise[rows]) / PARTS
            loss.backward()
            total += loss.item()
        losses.append(total)
        # diffusers' cosine rises again after its end.
        if step <= UNTIL:
            adam.param_groups[0]["lr"] = rates.get_last_lr()[0]
        adam.step()
        if step < UNTIL:
            rates.step()
        for average in averages.values():
            average.update_parameters(layer)

    def flat(module):
        return module.weight.T.flatten().tolist() + module.bias.tolist()

    return {
        "losses": losses,
        "params": flat(layer),
        "averages": {name: flat(average.module) for name, average in averages.items()},
    }


PAPER = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weightDecay": 0}

with open(sys.argv[1], "w") as file:
    with torch.no_grad():
        optimizers = [
            optimizer(PAPER | changes)
            for changes in (
                {},
                {"weightDecay": 0.1},
                {"beta1": 0.95, "weightDecay": 1e-6},
                {"beta1": 0, "beta2": 0.9, "epsilon": 0.01, "weightDecay": 1},
            )
        ]
    json.dump(
        {
            "versions": {"torch": torch.__version__, "diffusers": diffusers.__version__},
            "optimizers": optimizers,
            "schedules": {name: schedule(name) for name in ("constant", "constant_with_warmup", "linear", "cosine")},
            "training": training(),
        },
        file,
        indent=1,
    )
    file.write("\n")
