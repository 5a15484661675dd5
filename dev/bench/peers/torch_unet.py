"""The U-Net of Ho et al. 2020 in PyTorch, trained and run as a PyTorch user would: the peer of dev/bench/steps.ts.

Needs: torch. One JSON object per line on stdin, one answer per line on stdout:
  {"model": {...}, "batch": n, "mode": "train" | "forward", "layout": "contiguous" | "channels_last", "compile": bool,
   "steps": n, "on": "cpu" | "cuda" (default: cpu), "precision": "fp32" | "tf32" | "bf16" (default: fp32)}
  -> {"seconds": [one for each step], "value": loss or first number predicted, "firstSeconds": x} or {"error": why}
Usage: torch_unet.py THREADS. The network of a case is built at its first request and kept.
"""

import json
import math
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


def groups_for(channels):
    groups = max(1, min(32, channels // 4))
    while channels % groups:
        groups -= 1
    return groups


def norm(channels):
    return nn.GroupNorm(groups_for(channels), channels, eps=1e-6)


class Block(nn.Module):
    def __init__(self, cin, cout, time, attention):
        super().__init__()
        self.norm1, self.conv1 = norm(cin), nn.Conv2d(cin, cout, 3, padding=1)
        self.time = nn.Linear(time, cout)
        self.norm2, self.conv2 = norm(cout), nn.Conv2d(cout, cout, 3, padding=1)
        self.shortcut = nn.Conv2d(cin, cout, 1) if cin != cout else nn.Identity()
        self.attention = Attention(cout) if attention else nn.Identity()

    def forward(self, x, t):
        h = self.conv1(F.silu(self.norm1(x))) + self.time(t)[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return self.attention(self.shortcut(x) + h)


class Attention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm, self.qkv, self.out = norm(channels), nn.Conv2d(channels, 3 * channels, 1), nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        b, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(b, 3, c, h * w).transpose(2, 3).unbind(1)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(mixed.transpose(1, 2).reshape(b, c, h, w))


class Unet(nn.Module):
    def __init__(self, imageSize, inChannels, channels, multipliers, blocks, attention, **_):
        super().__init__()
        time, resolution = 4 * channels, imageSize
        self.channels = channels
        self.time1, self.time2 = nn.Linear(channels, time), nn.Linear(time, time)
        self.conv_in = nn.Conv2d(inChannels, channels, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        width, skips = channels, [channels]
        for level, multiplier in enumerate(multipliers):
            for _ in range(blocks):
                self.down.append(Block(width, channels * multiplier, time, resolution in attention))
                width = channels * multiplier
                skips.append(width)
            if level + 1 < len(multipliers):
                # A row of zeros at the bottom and a column at the right: TensorFlow's SAME for even sizes.
                self.down.append(nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(width, width, 3, stride=2)))
                skips.append(width)
                resolution //= 2
        self.middle = nn.ModuleList([Block(width, width, time, True), Block(width, width, time, False)])
        for level in reversed(range(len(multipliers))):
            for _ in range(blocks + 1):
                self.up.append(Block(width + skips.pop(), channels * multipliers[level], time, resolution in attention))
                width = channels * multipliers[level]
            if level > 0:
                self.up.append(nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1)))
                resolution *= 2
        self.norm_out, self.conv_out = norm(width), nn.Conv2d(width, inChannels, 3, padding=1)

    def forward(self, x, t):
        half = self.channels // 2
        angles = t[:, None] * torch.exp(torch.arange(half, device=x.device) * (-math.log(10000) / (half - 1)))[None]
        embedding = torch.cat([angles.sin(), angles.cos()], 1)
        t = F.silu(self.time2(F.silu(self.time1(embedding))))
        h = self.conv_in(x)
        skips = [h]
        for block in self.down:
            h = block(h, t) if isinstance(block, Block) else block(h)
            skips.append(h)
        for block in self.middle:
            h = block(h, t)
        for block in self.up:
            h = block(torch.cat([h, skips.pop()], 1), t) if isinstance(block, Block) else block(h)
        return self.conv_out(F.silu(self.norm_out(h)))


class Case:
    def __init__(self, mode, model, batch, layout, compiled, on, precision):
        torch.manual_seed(0)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        self.autocast = torch.autocast(on, dtype=torch.bfloat16, enabled=precision == "bf16")
        self.format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
        # Only while building: a default device intercepts every call from Python, which takes a tenth of a small
        # network's step.
        with torch.device(on):
            self.build(mode, model, batch)
        self.call = torch.compile(self.net) if compiled else self.net

    def build(self, mode, model, batch):
        size, channels = model["imageSize"], model["inChannels"]
        self.net = Unet(**model).to(memory_format=self.format)
        self.params = list(self.net.parameters())
        if mode == "train":
            self.ema = [p.detach().clone() for p in self.params]
            self.optimizer = torch.optim.Adam(self.params, lr=2e-4, eps=1e-8, fused=True)
        self.x0 = torch.randn(batch, channels, size, size).to(memory_format=self.format)
        self.noise = torch.randn_like(self.x0)
        self.t = torch.randint(0, 1000, (batch,))
        self.a, self.b = torch.rand(batch, 1, 1, 1), torch.rand(batch, 1, 1, 1)

    def train(self):
        self.optimizer.zero_grad(set_to_none=True)
        xt = self.a * self.x0 + self.b * self.noise
        with self.autocast:
            loss = F.mse_loss(self.call(xt, self.t), self.noise)
        loss.backward()
        nn.utils.clip_grad_norm_(self.params, 1.0, foreach=True)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.ema, self.params, 1 - 0.9999)
        return loss.item()

    @torch.inference_mode()
    def forward(self):
        with self.autocast:
            return self.call(self.x0, self.t).mean().item()


def main():
    torch.set_num_threads(int(sys.argv[1]))
    cases = {}
    for line in sys.stdin:
        request = json.loads(line)
        given = [request["mode"], request["model"], request["batch"], request["layout"], request["compile"]]
        given += [request.get("on", "cpu"), request.get("precision", "fp32")]
        key = json.dumps(given)
        began = time.perf_counter()
        try:
            case = cases.get(key) or cases.setdefault(key, Case(*given))
            step = case.train if request["mode"] == "train" else case.forward
            seconds, value = [], None
            for _ in range(request["steps"]):
                started = time.perf_counter()
                value = step()
                seconds.append(time.perf_counter() - started)
                if len(seconds) == 1:
                    first = time.perf_counter() - began
            answer = {"seconds": seconds, "value": value, "firstSeconds": first}
        except Exception as error:  # torch.compile needs a C++ compiler and may not have one
            answer = {"error": f"{type(error).__name__}: {str(error)[:300]}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
