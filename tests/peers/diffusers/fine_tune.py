"""Fine-tunes a UNet2DModel for twenty steps with PyTorch, on the batches of a `train` stage, for the default tests.

    deno run -A tests/peers/diffusers/fine_tune_batches.ts tests/golden/diffusers/fine_tune
    python tests/peers/diffusers/fine_tune.py tests/golden/diffusers/fine_tune

Reads batches.safetensors, and writes the config, the shapes of the weights, which are `formula_weights`, and the weights
after the last step: of all parameters with Adam, and with frozen down_blocks and AdamW. In float64, rounded at the end.
Needs torch, diffusers and safetensors.
"""

import json
import pathlib
import sys

import diffusers
import torch
from safetensors.torch import load_file, save_file

from check import formula_weights

# The settings of train_unconditional.py, narrow.
CONFIG = dict(
    sample_size=8,
    in_channels=1,
    out_channels=1,
    block_out_channels=(8, 16),
    layers_per_block=1,
    down_block_types=("DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    norm_num_groups=4,
    attention_head_dim=4,
)
RATE = 1e-3


def tune(weights, batches, alphas, frozen, optimizer):
    model = diffusers.UNet2DModel(**CONFIG).double()
    model.load_state_dict(weights)
    trained = [p.requires_grad_(not name.startswith(frozen)) for name, p in model.named_parameters()]
    trained = [p for p in trained if p.requires_grad]
    adam = optimizer(trained)
    for x0, t, noise in zip(*(batches[name] for name in ("x0", "t", "noise")), strict=True):
        a = alphas[t.long()].view(-1, 1, 1, 1)
        noised = a.sqrt() * x0.double() + (1 - a).sqrt() * noise.double()
        loss = (model(noised, t.long()).sample - noise.double()).square().mean()
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        adam.step()
    return {name: value.float() for name, value in model.state_dict().items()}


def main(folder: pathlib.Path) -> None:
    batches = load_file(folder / "batches.safetensors")
    model = diffusers.UNet2DModel(**CONFIG)
    scheduler = diffusers.DDPMScheduler()
    diffusers.DDPMPipeline(model, scheduler).save_pretrained(folder)
    (folder / "unet/diffusion_pytorch_model.safetensors").unlink()
    shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
    (folder / "shapes.json").write_text(json.dumps(shapes, indent=2, sort_keys=True) + "\n")
    weights = formula_weights(shapes)
    # The betas of float64, as noiseline has them.
    alphas = torch.cumprod(1 - torch.linspace(1e-4, 2e-2, 1000, dtype=torch.float64), 0)
    runs = dict(
        tuned=((), lambda params: torch.optim.Adam(params, lr=RATE)),
        frozen=(("down_blocks",), lambda params: torch.optim.AdamW(params, lr=RATE, weight_decay=0.1)),
    )
    for name, (frozen, optimizer) in runs.items():
        after = tune(weights, batches, alphas, frozen, optimizer)
        save_file(after, folder / f"{name}.safetensors")
        moved = torch.cat([(after[key] - weights[key]).flatten() for key in shapes]).norm()
        print(f"{name}: {sum(v.numel() for v in weights.values())} parameters moved by {moved:.4f}")


if __name__ == "__main__":
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    main(pathlib.Path(sys.argv[1]))
