"""Timesteps of diffusers' schedulers, and sums of their loops, for tests/unit/diffusion/samplers_diffusers_test.ts.

    python tests/peers/diffusers/timesteps.py tests/golden/diffusers/timesteps.json

Needs torch and diffusers.
"""

import json
import sys

import diffusers
import torch

SCHEDULERS = {"ddim": diffusers.DDIMScheduler, "dpmpp-2m": diffusers.DPMSolverMultistepScheduler}
SPACINGS = ("leading", "trailing")
TIMESTEPS = (10, 100, 1000, 1250)
STEPS = (1, 2, 3, 4, 7, 10, 20, 27, 50, 64, 333, 999)


def times(name, spacing, total, steps):
    scheduler = SCHEDULERS[name](num_train_timesteps=total, timestep_spacing=spacing)
    scheduler.set_timesteps(steps)
    all = scheduler.timesteps.tolist()
    # Long ones by their ends and their sum.
    return all if steps <= 20 else [*all[:3], *all[-3:], sum(all)]


def loop(spacing, steps):
    """Of the absolute values that the loop of diffusers' tests ends with: sample arange(768) / 768, model x t / (t + 1)."""
    scheduler = SCHEDULERS["dpmpp-2m"](timestep_spacing=spacing, beta_schedule="linear", solver_type="midpoint")
    scheduler.set_timesteps(steps)
    sample = torch.arange(768, dtype=torch.float32) / 768
    for t in scheduler.timesteps:
        sample = scheduler.step(sample * t / (t + 1), t, sample).prev_sample
    return sample.abs().double().sum().item()


def deviation(steps):
    """Of DDIM's samples for data N(0, 0.25) and the exact network, from x_T N(0, 1): every step is linear in x."""
    scheduler = SCHEDULERS["ddim"](timestep_spacing="trailing", beta_schedule="linear", clip_sample=False)
    scheduler.alphas_cumprod = scheduler.alphas_cumprod.double()
    scheduler.set_timesteps(steps)
    x = torch.ones(1, dtype=torch.float64)
    for t in scheduler.timesteps:
        a = scheduler.alphas_cumprod[t]
        x0 = a.sqrt() * 0.25 * x / (a * 0.25 + 1 - a)
        x = scheduler.step((x - a.sqrt() * x0) / (1 - a).sqrt(), t, x).prev_sample
    return x.item()


cases = [
    {"sampler": name, "spacing": spacing, "timesteps": total, "steps": steps, "times": times(name, spacing, total, steps)}
    for name in SCHEDULERS
    for spacing in SPACINGS
    for total in TIMESTEPS
    for steps in STEPS
    if steps < total
]
deviations = [{"steps": steps, "deviation": deviation(steps)} for steps in (20, 50, 64, 100, 150, 600)]
loops = [{"spacing": spacing, "steps": steps, "sum": loop(spacing, steps)} for spacing in SPACINGS for steps in (10, 27)]

with open(sys.argv[1], "w") as file:
    oracle = {"diffusers": diffusers.__version__, "deviations": deviations, "loops": loops, "cases": cases}
    json.dump(oracle, file, separators=(",", ":"))
    file.write("\n")
