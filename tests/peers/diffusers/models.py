"""Saves networks of diffusers with random weights and what they predict, and compares networks that came back.

    python tests/peers/diffusers/models.py save FOLDER SEED COUNT    the published kinds, and COUNT random configurations
    python tests/peers/diffusers/models.py compare THEIRS OURS       exit status 1 if a config or tensor differs

Needs torch, diffusers and safetensors.
"""

import pathlib
import random
import sys

import diffusers
import torch
from safetensors.torch import save_file

DOWN = {True: "AttnDownBlock2D", False: "DownBlock2D"}
UP = {True: "AttnUpBlock2D", False: "UpBlock2D"}


def blocks(attention: list[bool]) -> dict:
    return dict(
        down_block_types=[DOWN[yes] for yes in attention],
        up_block_types=[UP[yes] for yes in reversed(attention)],
    )


# The settings of all google/ddpm-* networks.
GOOGLE = dict(
    freq_shift=1,
    flip_sin_to_cos=False,
    downsample_padding=0,
    norm_eps=1e-6,
    attention_head_dim=None,
    layers_per_block=2,
)
# google/ddpm-church-256 and its like, and examples/unconditional_image_generation/train_unconditional.py.
SIX_LEVELS = dict(block_out_channels=[128, 128, 256, 256, 512, 512], **blocks([False] * 4 + [True, False]))

# Six levels are run at 32x32, since their function does not depend on the size of the images.
PUBLISHED = {
    "train_unconditional": dict(SIX_LEVELS, sample_size=32, layers_per_block=2),
    "ddpm-church-256": dict(SIX_LEVELS, **GOOGLE, sample_size=32),
    "ddpm-cifar10-32": dict(
        GOOGLE, sample_size=32, block_out_channels=[128, 256, 256, 256], **blocks([False, True, False, False])
    ),
}


def any_config(dice: random.Random) -> dict:
    """Returns a configuration of any of the details that can be imported."""
    levels = dice.randint(1, 3)
    channels = dice.choice([16, 24, 32, 64])
    images = dice.choice([1, 3])
    return dict(
        sample_size=2 ** (levels - 1) * dice.choice([2, 4, 6]),
        in_channels=images,
        out_channels=images,
        block_out_channels=[channels, *sorted(channels * dice.randint(1, 3) for _ in range(levels - 1))],
        layers_per_block=dice.randint(1, 2),
        **blocks([dice.random() < 0.5 for _ in range(levels)]),
        freq_shift=dice.choice([0, 1]),
        flip_sin_to_cos=dice.choice([False, True]),
        downsample_padding=dice.choice([0, 1]),
        norm_eps=dice.choice([1e-5, 1e-6]),
        norm_num_groups=dice.choice([n for n in (1, 2, 4, 8, 16, 32) if channels % n == 0]),
        attention_head_dim=dice.choice([None, 1, 4, 8]),
        num_class_embeds=dice.choice([None, 4]),
    )


def save(folder: pathlib.Path, seed: int, count: int) -> None:
    dice = random.Random(seed)
    configs = {**PUBLISHED, **{f"any-{i}": any_config(dice) for i in range(count)}}
    for index, (name, config) in enumerate(configs.items()):
        torch.manual_seed(seed + index)
        model = diffusers.UNet2DModel(**config).eval()
        # The library starts scales at 1 and biases at 0.
        with torch.no_grad():
            for key, parameter in model.named_parameters():
                if "norm" in key or key.endswith(".bias"):
                    parameter.add_(torch.randn_like(parameter) * 0.1)
        shape = (2, config.get("in_channels", 3), config["sample_size"], config["sample_size"])
        x, t, labels = torch.randn(shape), torch.tensor([3, 700]), torch.tensor([1, 3])
        told = {} if config.get("num_class_embeds") is None else dict(class_labels=labels)
        with torch.no_grad():
            output = model(x, t, **told).sample
        place = folder / name
        # google/ddpm-* were saved by an early release, as a pickled state dict.
        safe = not name.startswith("ddpm-")
        diffusers.DDPMPipeline(model, diffusers.DDPMScheduler()).save_pretrained(place, safe_serialization=safe)
        save_file(dict(x=x, t=t.int(), labels=labels.int(), output=output.contiguous()), place / "example.safetensors")
        print(f"{name}: {sum(p.numel() for p in model.parameters())} parameters, std {output.std():.3f}")


def compare(theirs: pathlib.Path, ours: pathlib.Path) -> None:
    """Prints what differs, and ends with 1 if anything does."""
    load = lambda path, **how: diffusers.UNet2DModel.from_pretrained(path / "unet", low_cpu_mem_usage=False, **how)
    different = []
    for path in sorted(ours.iterdir()):
        a, b = load(theirs / path.name), load(path, use_safetensors=True)
        for key in a.config.keys() | b.config.keys():
            x, y = a.config.get(key), b.config.get(key)
            if not key.startswith("_") and x != y and list(x or []) != list(y or []):
                different.append(f"{path.name}: {key} {x} became {y}")
        tensors = b.state_dict()
        for key, tensor in a.state_dict().items():
            if not torch.equal(tensor, tensors[key]):
                different.append(f"{path.name}: tensor {key}")
    print("\n".join(different) or "the same")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    match sys.argv[1:]:
        case ["save", folder, seed, count]:
            save(pathlib.Path(folder), int(seed), int(count))
        case ["compare", theirs, ours]:
            compare(pathlib.Path(theirs), pathlib.Path(ours))
        case _:
            sys.exit(__doc__)
