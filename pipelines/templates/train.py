"""Trains a small U-Net to predict noise (Ho et al. 2020) and draws samples with it (DDIM).

All that it needs comes from the pipeline: images, params, seed, and where to save.
"""

import noiseline

try:
    import numpy  # noqa: F401
    import torch
    import torch.nn.functional as F
    from torch import nn
except ImportError as error:
    noiseline.fail(f"the Python that runs train.py cannot import what it needs: {error}",
                   "pip install torch numpy, or activate the environment that has them, then run again")  # fmt: skip

p = noiseline.params
torch.manual_seed(noiseline.seed)
device = "cuda" if torch.cuda.is_available() else "cpu"
images = torch.tensor(noiseline.images("images")[:]).permute(0, 3, 1, 2).float().div(127.5).sub(1).to(device)
timesteps = 1000
# The share of the image that is left at each timestep, by the cosine schedule.
signal2 = torch.cos(torch.arange(1, timesteps + 1) / timesteps * torch.pi / 2).square().clamp(min=1e-4).to(device)


class Block(nn.Module):
    def __init__(self, into, out):
        super().__init__()
        self.first, self.second = nn.Conv2d(into, out, 3, padding=1), nn.Conv2d(out, out, 3, padding=1)
        self.time, self.norm = nn.Linear(64, out), nn.GroupNorm(8, out)

    def forward(self, x, time):
        x = self.first(x) + self.time(time)[:, :, None, None]
        return F.silu(x + self.second(F.silu(self.norm(x))))


class Unet(nn.Module):
    """Your network: takes noisy images [N, C, H, W] and timesteps [N], and returns the noise in them."""

    def __init__(self, channels, colours):
        super().__init__()
        self.down, self.middle = Block(colours, channels), Block(channels, 2 * channels)
        self.up, self.out = Block(3 * channels, channels), nn.Conv2d(channels, colours, 1)

    def forward(self, x, t):
        angles = t[:, None] * torch.logspace(0, -4, 32, device=x.device)
        time = torch.cat([angles.sin(), angles.cos()], 1)
        wide = self.down(x, time)
        low = self.middle(F.avg_pool2d(wide, 2), time)
        return self.out(self.up(torch.cat([wide, F.interpolate(low, scale_factor=2)], 1), time))


net = Unet(p["channels"], images.shape[1]).to(device)
optimizer = torch.optim.Adam(net.parameters(), lr=p["learningRate"])
state = noiseline.progress.load()  # None at the start; after a kill, or with more steps, the last state
if state:
    saved = torch.load(state.folder / "state.pt", map_location=device)
    net.load_state_dict(saved["net"]), optimizer.load_state_dict(saved["optimizer"])
    torch.set_rng_state(saved["random"].cpu())
for step in range(state.step + 1 if state else 1, p["steps"] + 1):
    x0 = images[torch.randint(len(images), (p["batchSize"],))]
    t = torch.randint(timesteps, (len(x0),)).to(device)
    a, eps = signal2[t, None, None, None], torch.randn(x0.shape).to(device)
    loss = F.mse_loss(net(a.sqrt() * x0 + (1 - a).sqrt() * eps, t), eps)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    noiseline.log(step, p["steps"], loss=loss.item())
    if step == p["steps"] or noiseline.progress.due(seconds=60):
        parts = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "random": torch.get_rng_state()}
        noiseline.progress.save(step, {"state.pt": lambda path: torch.save(parts, path)})

with torch.inference_mode():
    x = torch.randn(p["count"], *images.shape[1:]).to(device)
    times = torch.linspace(timesteps - 1, 0, p["samplerSteps"]).long().tolist()
    for t, after in zip(times, [*times[1:], None]):
        eps = net(x, torch.full((len(x),), t, device=device))
        x0 = ((x - (1 - signal2[t]).sqrt() * eps) / signal2[t].sqrt()).clamp(-1, 1)
        a = signal2[after] if after is not None else torch.ones((), device=device)
        eps = (x - signal2[t].sqrt() * x0) / (1 - signal2[t]).sqrt()
        x = a.sqrt() * x0 + (1 - a).sqrt() * eps
noiseline.write_images("samples", x.clamp(-1, 1), value_range=(-1, 1), layout="NCHW")
