"""The experiment of pipelines/digits.yaml as a user of PyTorch would write it: the peer of dev/bench/digits.ts.

Needs: torch, numpy. SETTINGS is the output of `noiseline show digits.yaml --json`; DATA is the folder of the pipeline's
outputs, from which both sides read the same images and noise schedule. Writes samples.png and weights.pt to OUT; with
--held-out it only prints the loss of these weights on images that were not trained on.

As a stage of pipelines/pytorch-digits.yaml it takes everything from noiseline instead, saves its progress, and writes
the samples as images that other stages read: the lines that name `noiseline`.

Under torchrun, as in pipelines/pytorch-parallel.yaml, each process has its part of every batch, and the first one
samples: the lines that name `rank` or `ranks`. All processes draw the same random numbers, so any number of them trains
on the batches, timesteps and noise of one.
"""

import argparse
import copy
import json
import os
import struct
import zlib

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel
from torch_unet import Unet

AS_STAGE = "NOISELINE_STAGE" in os.environ
if AS_STAGE:
    import noiseline
rank, ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def read_tensor(path, name):
    """Reads an array from a safetensors file."""
    raw = np.fromfile(path, np.uint8).tobytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    entry = json.loads(raw[8:start])[name]
    first, end = entry["data_offsets"]
    dtype = {"U8": torch.uint8, "F64": torch.float64}[entry["dtype"]]
    return torch.frombuffer(bytearray(raw[start + first : start + end]), dtype=dtype).reshape(entry["shape"])


def write_png(path, pixels):
    """Writes gray levels [height, width], bytes."""
    height, width = pixels.shape
    rows = np.hstack([np.zeros((height, 1), np.uint8), pixels])
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for chunk in [b"IHDR" + header, b"IDAT" + zlib.compress(rows.tobytes()), b"IEND"]:
            file.write(struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)))


parser = argparse.ArgumentParser()
for name in ["settings", "data", "out", "threads"]:
    parser.add_argument(name)
parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
parser.add_argument("--layout", choices=["contiguous", "channels_last"], default="contiguous")
parser.add_argument("--held-out", action="store_true")
if AS_STAGE:
    args = parser.parse_args(["", "", str(noiseline.outputs["weights"]), str(noiseline.params["threads"])])
    values = {f"stages.{stage}.with.{name}": value for stage in ["train", "sample"]
              for name, value in noiseline.params[stage].items()}  # fmt: skip
    values |= {"seed": noiseline.seed, "stages.train.with.steps": noiseline.params["steps"]}
else:
    args = parser.parse_args()
    values = {each["path"]: each["value"] for each in json.load(open(args.settings))["values"]}


def given(stage, *names):
    return [values[f"stages.{stage}.with.{name}"] for name in names]


# The assumptions of this script: if the pipeline changes, the script must change too.
if not AS_STAGE:
    assert given("train", "objective", "weighting", "timestepSampler", "ema.warmup") == ["eps", "simple", "uniform", True]
    assert given("train", "warmupSteps", "microBatches", "dropout", "flip") == [0, 1, 0, False]
    assert given("sample", "sampler.name", "sampler.spacing", "clip", "weights") == ["ddim", "trailing", "unit", "ema"]

torch.set_num_threads(int(args.threads))
torch.manual_seed(values["seed"])
memory = torch.channels_last if args.layout == "channels_last" else torch.contiguous_format
autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16")


def read_images(split):
    """Returns images [N, C, H, W] in [-1, 1]."""
    folder = noiseline.inputs["images"] if AS_STAGE else f"{args.data}/digits/{split}"
    pixels = read_tensor(f"{folder}/images.safetensors", "images").permute(0, 3, 1, 2)
    return (pixels.float() / 127.5 - 1).contiguous(memory_format=memory)


# The signal of x_t from t = 0 on, followed by the signal of the image itself, so that index -1 is the image.
tables = noiseline.inputs["schedule"] if AS_STAGE else f"{args.data}/schedule"
alphas = read_tensor(f"{tables}/tables.safetensors", "alphasCumprod")
alphas = torch.cat([alphas, alphas.new_ones(1)])
signal, noise_level = alphas.sqrt().float(), (1 - alphas).sqrt().float()
timesteps = len(alphas) - 1

images = read_images("test" if args.held_out else "train")
_, channels, size, _ = images.shape
model = given("train", "model.channels", "model.multipliers", "model.blocks", "model.attention")
net = Unet(size, channels, *model).to(memory_format=memory)


def noised(x0, t):
    eps = torch.randn_like(x0)
    return signal[t, None, None, None] * x0 + noise_level[t, None, None, None] * eps, eps


def train():
    steps, batch, rate, clip, decay = given("train", "steps", "batchSize", "learningRate", "gradClip", "ema.decay")
    # The mean over ranks of the means of their parts is then the mean of the batch.
    assert batch % ranks == 0, f"{batch} images cannot be split evenly over {ranks} ranks"
    average = copy.deepcopy(net)
    params, averaged = list(net.parameters()), list(average.parameters())
    optimizer = torch.optim.Adam(params, lr=rate, fused=True)
    begun, order, at = 0, None, len(images)
    state = noiseline.progress.load() if AS_STAGE else None
    if state is not None:
        saved = torch.load(state.folder / "state.pt")
        begun, order, at = state.step, saved["order"], saved["at"]
        for part, kept in [(net, saved["net"]), (average, saved["average"]), (optimizer, saved["optimizer"])]:
            part.load_state_dict(kept)
        torch.set_rng_state(saved["random"])
    if ranks > 1:
        dist.init_process_group("gloo")
    network = DistributedDataParallel(net) if ranks > 1 else net
    mine = slice(rank, None, ranks)
    for step in range(begun + 1, steps + 1):
        if at + batch > len(images):
            order, at = torch.randperm(len(images)), 0
        x0, at = images[order[at : at + batch]], at + batch
        t = torch.randint(0, timesteps, (batch,))
        xt, eps = noised(x0, t)
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            loss = F.mse_loss(network(xt[mine], t[mine]), eps[mine])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, clip, foreach=True)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(averaged, params, 1 - min(decay, (1 + step) / (10 + step)))
        if AS_STAGE:
            mean = loss.detach() / ranks
            if ranks > 1:
                dist.all_reduce(mean)
            noiseline.log(step, steps, loss=mean.item())
            if step % 100 == 0 or step == steps or noiseline.progress.due():
                parts = {"net": net, "average": average, "optimizer": optimizer}
                saved = {name: part.state_dict() for name, part in parts.items()}
                saved |= {"order": order, "at": at, "random": torch.get_rng_state()}
                noiseline.progress.save(step, {"state.pt": lambda path: torch.save(saved, path)})
    if ranks > 1:
        dist.destroy_process_group()
    return average


@torch.inference_mode()
def draw(network):
    """Generates all samples by DDIM (Song et al. 2021, eq. 12), a batch at a time: [N, C, H, W] in [-1, 1]."""
    count, batch, steps, eta = given("sample", "count", "batchSize", "sampler.steps", "sampler.eta")
    times = [round(timesteps * (steps - i) / steps) - 1 for i in range(steps + 1)]
    drawn = []
    for first in range(0, count, batch):
        x = torch.randn(min(batch, count - first), channels, size, size).contiguous(memory_format=memory)
        for t, s in zip(times, times[1:]):
            with autocast:
                eps = network(x, torch.full((len(x),), t)).float()
            x0 = ((x - noise_level[t] * eps) / signal[t]).clamp(-1, 1)
            eps = (x - signal[t] * x0) / noise_level[t]
            variance = (1 - alphas[s]) / (1 - alphas[t]) * (1 - alphas[t] / alphas[s]) * eta**2
            x = signal[s] * x0 + (1 - alphas[s] - variance).clamp(min=0).sqrt().float() * eps
            x = x + variance.sqrt().float() * torch.randn_like(x)
        drawn.append(x)
    return torch.cat(drawn)


@torch.inference_mode()
def held_out(network):
    """Returns the mean squared error of the predicted noise, with each image at one of evenly spread timesteps."""
    x0 = images[: given("evaluate", "limit")[0]]
    t = ((torch.arange(len(x0)) + torch.rand(len(x0))) * timesteps / len(x0)).long()
    xt, eps = noised(x0, t)
    with autocast:
        return F.mse_loss(network(xt, t).float(), eps).item()


if args.held_out:
    net.load_state_dict(torch.load(f"{args.out}/weights.pt"))
    print(held_out(net))
else:
    average = train()
    if rank > 0:
        raise SystemExit
    torch.save(average.state_dict(), f"{args.out}/weights.pt")
    levels = ((draw(average).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
    if AS_STAGE:
        noiseline.write_images("samples", levels, layout="NCHW")
    write_png(f"{args.out}/samples.png", levels.reshape(-1, 16, size, size).transpose(0, 2, 1, 3).reshape(-1, 16 * size))
