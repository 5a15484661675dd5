"""Trains a UNet2DModel of diffusers for a few steps on noiseline's images, as a user of PyTorch would."""
import copy

import noiseline
import torch
from diffusers import DDPMScheduler, UNet2DModel
from torch.utils.data import DataLoader


def to_tensor(image):
    return torch.from_numpy(image).permute(2, 0, 1) / 127.5 - 1


def main():
    torch.manual_seed(noiseline.seed)
    images = noiseline.images("images")
    _, size, _, channels = images.shape
    blocks = {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")}
    model = UNet2DModel(size, channels, channels, block_out_channels=(32, 32), layers_per_block=1, attention_head_dim=None, **blocks)
    average, scheduler = copy.deepcopy(model), DDPMScheduler(1000)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    step, steps = 0, noiseline.params["steps"]
    # Workers that are started anew open the images themselves.
    loader = DataLoader(images.dataset(to_tensor), 16, shuffle=True, num_workers=2, multiprocessing_context=noiseline.params["workers"])
    while step < steps:
        for x, labels in loader:
            assert labels.min() >= 0
            t, noise = torch.randint(0, 1000, (len(x),)), torch.randn_like(x)
            loss = torch.nn.functional.mse_loss(model(scheduler.add_noise(x, noise, t), t).sample, noise)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 0.1)
            step += 1
            noiseline.log(step, steps, loss=loss.item())
            if step == steps:
                break
    noiseline.save_checkpoint("net", model, scheduler, ema=average, step=steps)
    noiseline.metrics(loss=loss.item(), count=steps * 16)
    with torch.no_grad():
        x = torch.linspace(-1, 1, size * size * channels).reshape(1, channels, size, size)
        torch.save({"x": x, "eps": average(x, 500).sample, "weights": average.state_dict()}, noiseline.outputs["example"] / "example.pt")
        drawn = x + 0.1 * torch.randn(20, channels, size, size)
    for batch in drawn.clamp(-1, 1).split(8):
        noiseline.write_images("drawn", batch, [0] * len(batch), value_range=(-1, 1), layout="NCHW")


if __name__ == "__main__":
    main()
