"""Checks the interchange of autoencoders against diffusers.

    python tests/peers/diffusers/autoencoders.py make FOLDER               the fixtures of the default tests
    python tests/peers/diffusers/autoencoders.py save FOLDER SEED COUNT    COUNT random configurations, as models and as
                                                                           checkpoints of latent-diffusion
    python tests/peers/diffusers/autoencoders.py check FOLDER              compares what was exported to FOLDER/*/ours

Needs torch, diffusers and safetensors. Fixtures contain no weights: see check.py.
"""

import json
import pathlib
import random
import sys
import types

import diffusers
import torch
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
from safetensors.torch import save_file

from check import formula_weights

TOLERANCE = 1e-5


def blocks(attention: list[bool]) -> dict:
    return dict(
        down_block_types=["AttnDownEncoderBlock2D" if yes else "DownEncoderBlock2D" for yes in attention],
        up_block_types=["AttnUpDecoderBlock2D" if yes else "UpDecoderBlock2D" for yes in reversed(attention)],
    )


KL, VQ = diffusers.AutoencoderKL, diffusers.VQModel
FIXTURES = {
    # The small configuration of the reference counts, 954,567 parameters; images that are not square.
    "kl": (KL, dict(block_out_channels=[32, 64, 64], layers_per_block=1, latent_channels=4, **blocks([False] * 3)), 8, 16),
    "kl-attention": (
        KL,
        dict(
            in_channels=1,
            out_channels=1,
            block_out_channels=[32, 64],
            layers_per_block=2,
            latent_channels=2,
            scaling_factor=0.5,
            **blocks([False, True]),
        ),
        8,
        8,
    ),
    "vq": (
        VQ,
        dict(
            block_out_channels=[16, 48],
            layers_per_block=1,
            latent_channels=3,
            num_vq_embeddings=12,
            vq_embed_dim=5,
            norm_num_groups=16,
            scaling_factor=1.0,
            **blocks([True, False]),
        ),
        6,
        10,
    ),
}


def any_fixture(dice: random.Random):
    """Returns a model class, its configuration, and height and width of its images."""
    levels = dice.randint(1, 3)
    channels = dice.choice([16, 24, 32, 32, 32])
    images = dice.choice([1, 3])
    config = dict(
        in_channels=images,
        out_channels=images,
        block_out_channels=[channels, *(channels * dice.randint(1, 3) for _ in range(levels - 1))],
        layers_per_block=dice.randint(1, 2),
        latent_channels=dice.randint(1, 4),
        norm_num_groups=32 if channels == 32 else dice.choice([1, 2, 4, 8]),
        scaling_factor=dice.choice([0.18215, 1.0, 0.3]),
        **blocks([dice.random() < 0.3 for _ in range(levels)]),
    )
    kind = dice.choice([KL, VQ])
    if kind is VQ:
        config.update(num_vq_embeddings=dice.randint(2, 40), vq_embed_dim=dice.randint(1, 5))
    height, width = (2 ** (levels - 1) * dice.randint(1, 4) for _ in range(2))
    return kind, config, height, width


def example(model, config: dict, height: int, width: int, seed: int) -> dict[str, torch.Tensor]:
    """Returns images, what the library encodes and decodes, and the codes that it chooses."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(2, config.get("in_channels", 3), height, width, generator=generator) * 2 - 1
    with torch.no_grad():
        encoded = model.encode(x)
        if isinstance(model, KL):
            posterior = encoded.latent_dist
            arrays = dict(mean=posterior.mean, logVariance=posterior.logvar, decoded=model.decode(posterior.mean).sample)
        else:
            _, _, (_, _, indices) = model.quantize(encoded.latents)
            arrays = dict(mean=encoded.latents, indices=indices.int(), decoded=model.decode(encoded.latents).sample)
    return {key: value.contiguous() for key, value in dict(x=x, **arrays).items()}


def to_ldm(model) -> dict[str, tuple[str, list[int]]]:
    """Returns for each tensor of latent-diffusion the library's name of the same numbers, and its shape there."""
    levels = len(model.config.block_out_channels)
    names = {}
    for name, tensor in model.state_dict().items():
        parts = name.split(".")
        if parts[0] in ("encoder", "decoder"):
            if parts[1] in ("down_blocks", "up_blocks"):
                level = int(parts[2]) if parts[1] == "down_blocks" else levels - 1 - int(parts[2])
                kind = {"resnets": "block", "attentions": "attn"}.get(parts[3], parts[3].removesuffix("rs") + "r")
                middle = [kind.removesuffix("r")] if "sample" in kind else [kind, parts[4]]
                parts[1:5] = [parts[1].removesuffix("_blocks"), str(level), *middle]
            elif parts[1] == "mid_block":
                parts[1:4] = ["mid", f"block_{int(parts[3]) + 1}" if parts[2] == "resnets" else "attn_1"]
        old = ".".join(parts)
        for theirs, ldm in [
            ("conv_norm_out", "norm_out"),
            ("conv_shortcut", "nin_shortcut"),
            ("group_norm", "norm"),
            ("to_q", "q"),
            ("to_k", "k"),
            ("to_v", "v"),
            ("to_out.0", "proj_out"),
        ]:
            old = old.replace(f".{theirs}.", f".{ldm}.")
        # Linear layers of attention are 1x1 convolutions there.
        pointwise = ".attentions." in name and tensor.ndim == 2
        names[old] = (name, [*tensor.shape, 1, 1] if pointwise else list(tensor.shape))
    state = model.state_dict()
    if isinstance(model, KL):
        # The library's own converter agrees.
        ldm = {old: state[name].reshape(shape) for old, (name, shape) in names.items()}
        converted = convert_ldm_vae_checkpoint(dict(ldm), dict(model.config))
        # It knows no attention outside the middle.
        known = {name for name in state if not (".attentions." in name and "mid_block" not in name)}
        for name in known:
            assert torch.equal(converted[name].reshape(state[name].shape), state[name]), name
    return names


def save_checkpoint(tensors: dict[str, torch.Tensor], path: pathlib.Path, prefix: str) -> None:
    """Writes a checkpoint as PyTorch Lightning does, with much beside the state dict."""
    module = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")
    module.ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": module.__name__})
    for part in ("pytorch_lightning", "pytorch_lightning.callbacks"):
        sys.modules[part] = types.ModuleType(part)
    sys.modules[module.__name__] = module
    weight = torch.nn.Parameter(torch.zeros(3))
    adam = torch.optim.Adam([weight], lr=4.5e-6, betas=(0.5, 0.9))
    weight.sum().backward()
    adam.step()
    state = {prefix + name: tensor for name, tensor in tensors.items()}
    state[f"{prefix}loss.logvar"] = torch.zeros(())
    state[f"{prefix}loss.discriminator.main.3.num_batches_tracked"] = torch.tensor(7)
    if prefix:
        state["model.diffusion_model.out.2.bias"] = torch.zeros(3)
        state["scale_factor"] = torch.tensor(0.9)
    checkpoint = {
        "epoch": 3,
        "global_step": 100_000,
        "pytorch-lightning_version": "1.4.2",
        "state_dict": state,
        "callbacks": {module.ModelCheckpoint: {"best_model_score": torch.tensor(0.5), "monitor": "val/rec_loss"}},
        "optimizer_states": [adam.state_dict()],
        "lr_schedulers": [],
        "hparams": module.ModelCheckpoint(),
    }
    torch.save(checkpoint, path)


def make(folder: pathlib.Path) -> None:
    for name, (kind, config, height, width) in FIXTURES.items():
        model = kind(**config).eval()
        shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
        model.load_state_dict(formula_weights(shapes))
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        model.save_config(place)
        lines = [f"  {json.dumps(key)}: {json.dumps(shapes[key])}" for key in sorted(shapes)]
        (place / "shapes.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
        lines = [f"  {json.dumps(old)}: {json.dumps(new)}" for old, new in sorted(to_ldm(model).items())]
        (place / "ldm.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
        arrays = example(model, config, height, width, 1)
        save_file(arrays, place / "example.safetensors")
        count = sum(value.numel() for value in model.parameters())
        print(f"{name}: {count} parameters, decoded with std {arrays['decoded'].std():.3f}")
    tiny = {"encoder.conv_in.weight": torch.arange(6.0).reshape(2, 3), "quantize.embedding.weight": torch.ones(2)}
    save_checkpoint(tiny, folder / "lightning.ckpt", "first_stage_model.")
    print(f"diffusers {diffusers.__version__}, torch {torch.__version__}")


def save(folder: pathlib.Path, seed: int, count: int) -> None:
    dice = random.Random(seed)
    for index in range(count):
        kind, config, height, width = any_fixture(dice)
        torch.manual_seed(seed + index)
        model = kind(**config).eval()
        with torch.no_grad():
            for key, parameter in model.named_parameters():
                if "norm" in key or key.endswith(".bias"):
                    parameter.add_(torch.randn_like(parameter) * 0.1)
                if "embedding" in key:
                    parameter.mul_(model.config.num_vq_embeddings / 2)
        place = folder / f"{index}-{kind.__name__}"
        model.save_pretrained(place)
        save_file(example(model, config, height, width, seed + index), place / "example.safetensors")
        # The normalisations of latent-diffusion have 32 groups.
        if config["norm_num_groups"] != 32:
            continue
        state = model.state_dict()
        ldm = {old: state[name].reshape(shape) for old, (name, shape) in to_ldm(model).items()}
        save_checkpoint(ldm, place / "model.ckpt", dice.choice(["", "first_stage_model."]))


def check(folder: pathlib.Path) -> bool:
    """Returns True if what noiseline exported has the same configuration, tensors and results."""
    different = []
    for place in sorted(folder.iterdir()):
        kind = KL if place.name.endswith("AutoencoderKL") else VQ
        a, b = kind.from_pretrained(place), kind.from_pretrained(place / "ours", low_cpu_mem_usage=False)
        for key in a.config.keys() | b.config.keys():
            if not key.startswith("_") and key != "sample_size" and a.config.get(key) != b.config.get(key):
                different.append(f"{place.name}: {key} {a.config.get(key)} became {b.config.get(key)}")
        for key, tensor in a.state_dict().items():
            if not torch.equal(tensor, b.state_dict()[key]):
                different.append(f"{place.name}: tensor {key}")
    print("\n".join(different) or "the same")
    return not different


if __name__ == "__main__":
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    match sys.argv[1:]:
        case ["make", folder]:
            make(pathlib.Path(folder))
        case ["save", folder, seed, count]:
            save(pathlib.Path(folder), int(seed), int(count))
        case ["check", folder]:
            sys.exit(0 if check(pathlib.Path(folder)) else 1)
        case _:
            sys.exit(__doc__)
