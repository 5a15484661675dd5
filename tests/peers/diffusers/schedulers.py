"""Writes betas, timesteps and loops of diffusers' schedulers, for the tests of schedules and samplers.

    python tests/peers/diffusers/schedulers.py tests/golden/diffusers/schedulers.json

Also prints the difference between betas by latent diffusion's formulas in float32 and in float64.
Needs numpy, torch and diffusers.
"""

import base64
import json
import sys

import diffusers
import numpy as np
import torch

SCHEDULERS = {"ddim": diffusers.DDIMScheduler, "dpmpp-2m": diffusers.DPMSolverMultistepScheduler}
SPACINGS = ("leading", "trailing")
TIMESTEPS = (10, 100, 1000, 1250)
STEPS = (1, 2, 3, 4, 7, 10, 20, 27, 50, 64, 333, 999)


def betas(schedule):
    """Returns all 1,000 betas, as float32 in base64."""
    all = diffusers.DDPMScheduler(beta_schedule=schedule).betas.numpy()
    assert all.dtype == np.float32
    return base64.b64encode(all.astype("<f4").tobytes()).decode()


def latent_diffusion(schedule, count, dtype):
    """make_beta_schedule of CompVis/latent-diffusion, which computes in float64, in numpy."""
    line = lambda a, b: np.linspace(dtype(a), dtype(b), count, dtype=dtype)
    if schedule == "linear":
        return line(1e-4**0.5, 2e-2**0.5) ** 2
    if schedule == "cosine":
        angles = (np.arange(count + 1, dtype=dtype) / dtype(count) + dtype(8e-3)) / dtype(1 + 8e-3) * dtype(np.pi / 2)
        alphas = np.cos(angles) ** 2
        alphas = alphas / alphas[0]
        return np.clip(1 - alphas[1:] / alphas[:-1], 0, dtype(0.999))
    return line(1e-4, 2e-2) if schedule == "sqrt_linear" else line(1e-4, 2e-2) ** dtype(0.5)


for schedule in ("linear", "cosine", "sqrt_linear", "sqrt"):
    for count in (1000, 1250, 4000):
        exact, single = (latent_diffusion(schedule, count, dtype) for dtype in (np.float64, np.float32))
        print(f"ldm/{schedule} of {count}, float32 formula: {np.abs(exact - single).max():.1e}")


def times(name, spacing, total, steps):
    scheduler = SCHEDULERS[name](num_train_timesteps=total, timestep_spacing=spacing)
    scheduler.set_timesteps(steps)
    all = scheduler.timesteps.tolist()
    # A long list is represented by its ends and its sum.
    return all if steps <= 20 else [*all[:3], *all[-3:], sum(all)]


def loop(spacing, steps):
    """Returns the sum of the absolute values at the end of the loop of diffusers' tests: sample arange(768) / 768,
    model x t / (t + 1)."""
    scheduler = SCHEDULERS["dpmpp-2m"](timestep_spacing=spacing, beta_schedule="linear", solver_type="midpoint")
    scheduler.set_timesteps(steps)
    sample = torch.arange(768, dtype=torch.float32) / 768
    for t in scheduler.timesteps:
        sample = scheduler.step(sample * t / (t + 1), t, sample).prev_sample
    return sample.abs().double().sum().item()


def deviation(steps):
    """Returns the standard deviation of DDIM's samples for data N(0, 0.25) and the exact network, from x_T N(0, 1):
    every step is linear in x."""
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
    arrays = {name: betas(name) for name in ("linear", "scaled_linear", "squaredcos_cap_v2")}
    oracle = {"diffusers": diffusers.__version__, "betas": arrays, "deviations": deviations, "loops": loops, "cases": cases}
    json.dump(oracle, file, separators=(",", ":"))
    file.write("\n")
