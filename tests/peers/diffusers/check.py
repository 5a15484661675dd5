"""Checks the interchange with diffusers against the real library.

    python tests/peers/diffusers/check.py make tests/golden/diffusers    write the fixtures of the default tests
    python tests/peers/diffusers/check.py check FOLDER...                load make_export.ts's exports

Needs torch, diffusers and safetensors. Fixtures contain no weights, which would be megabytes: group normalisation with
32 groups needs 128 channels. Instead, weights are computed from name and position by a formula, `formula_weights`,
which tests/unit/science/diffusion/interchange_weights.ts implements too.
"""

import json
import pathlib
import sys
import tempfile

import diffusers
import numpy as np
import torch
from safetensors.torch import load_file, save_file

TOLERANCE = 1e-4

# The settings with which UNet2DModel is the network of Ho et al. 2020.
HO = dict(
    freq_shift=1,
    flip_sin_to_cos=False,
    downsample_padding=0,
    norm_eps=1e-6,
    norm_num_groups=32,
    attention_head_dim=None,
    act_fn="silu",
)

NETWORKS = {
    # Two resolutions, attention at the lower one, shortcuts on the way down and up.
    "levels": dict(
        HO,
        sample_size=8,
        in_channels=3,
        out_channels=3,
        block_out_channels=(128, 256),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    ),
    # Cosines before sines, learned variance, two blocks in one level.
    "flipped": dict(
        HO,
        flip_sin_to_cos=True,
        sample_size=4,
        in_channels=1,
        out_channels=2,
        block_out_channels=(128,),
        layers_per_block=2,
        down_block_types=("AttnDownBlock2D",),
        up_block_types=("AttnUpBlock2D",),
    ),
    # Conditioned on one of three labels, or none: the last row.
    "labels": dict(
        HO,
        sample_size=4,
        in_channels=1,
        out_channels=1,
        block_out_channels=(128,),
        layers_per_block=1,
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        num_class_embeds=4,
    ),
    # The library's defaults, as its script train_unconditional.py uses them: frequencies, padding, epsilon, heads.
    "defaults": dict(
        sample_size=8,
        in_channels=3,
        out_channels=3,
        block_out_channels=(32, 64),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    ),
    # Some of the library's defaults and some of Ho et al.'s settings, and other numbers of groups and heads.
    "mixed": dict(
        freq_shift=0,
        flip_sin_to_cos=False,
        downsample_padding=1,
        norm_eps=1e-6,
        norm_num_groups=8,
        attention_head_dim=16,
        sample_size=8,
        in_channels=1,
        out_channels=1,
        block_out_channels=(32, 32),
        layers_per_block=1,
        down_block_types=("AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D"),
        num_class_embeds=4,
    ),
}

LABELS = torch.tensor([1, 3])

SCHEDULERS = {
    "levels": dict(beta_schedule="linear", num_train_timesteps=1000, variance_type="fixed_large"),
    "flipped": dict(
        beta_schedule="squaredcos_cap_v2",
        num_train_timesteps=1000,
        variance_type="learned_range",
        prediction_type="v_prediction",
    ),
    "labels": dict(beta_schedule="linear", num_train_timesteps=1000, variance_type="fixed_large"),
    "defaults": dict(),
    "mixed": dict(),
}


def hashed(index: int, count: int) -> np.ndarray:
    """Returns numbers in [-1, 1) by tensor and position: the finaliser of MurmurHash3, which is easy to port."""
    mask = np.uint64(0xFFFFFFFF)
    h = (np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B1)) & mask
    h ^= np.uint64((index + 1) * 0x85EBCA77 & 0xFFFFFFFF)
    h ^= h >> np.uint64(16)
    h = (h * np.uint64(0x85EBCA6B)) & mask
    h ^= h >> np.uint64(13)
    h = (h * np.uint64(0xC2B2AE35)) & mask
    h ^= h >> np.uint64(16)
    return h.astype(np.float64) / 2**31 - 1


def formula_weights(shapes: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    """Returns kernels of variance 1 / fan-in, scales around 1, biases around 0; no tensor is without effect."""
    weights = {}
    for index, name in enumerate(sorted(shapes)):
        shape = shapes[name]
        values = hashed(index, int(np.prod(shape)))
        if len(shape) > 1:
            values = values * np.sqrt(3 / np.prod(shape[1:]))
        else:
            values = values * 0.2 + ("norm" in name and name.endswith(".weight"))
        weights[name] = torch.from_numpy(values.astype(np.float32).reshape(shape))
    return weights


def told(model: diffusers.UNet2DModel, labels: torch.Tensor) -> dict[str, torch.Tensor]:
    """Returns the labels, for networks that take any."""
    return {} if model.config.num_class_embeds is None else dict(class_labels=labels)


def make(folder: pathlib.Path) -> None:
    for name, config in NETWORKS.items():
        model = diffusers.UNet2DModel(**config).eval()
        shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
        model.load_state_dict(formula_weights(shapes))
        channels, size = config["in_channels"], config["sample_size"]
        x = torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(1))
        t = torch.tensor([3, 700])
        with torch.no_grad():
            output = model(x, t, **told(model, LABELS)).sample

        place = folder / name
        scheduler = diffusers.DDPMScheduler(**SCHEDULERS[name])
        with tempfile.TemporaryDirectory() as saved:
            diffusers.DDPMPipeline(unet=model, scheduler=scheduler).save_pretrained(saved)
            for path in ["model_index.json", "unet/config.json", "scheduler/scheduler_config.json"]:
                (place / path).parent.mkdir(parents=True, exist_ok=True)
                text = json.loads((pathlib.Path(saved) / path).read_text())
                # The place that it was loaded from is a path of this machine.
                text.pop("_name_or_path", None)
                (place / path).write_text(json.dumps(text, indent=2) + "\n")
            assert load_file(f"{saved}/unet/diffusion_pytorch_model.safetensors").keys() == shapes.keys()
        lines = [f"  {json.dumps(key)}: {json.dumps(shapes[key])}" for key in sorted(shapes)]
        (place / "shapes.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
        arrays = dict(x=x, t=t.int(), output=output, betas=scheduler.betas)
        save_file({key: value.contiguous() for key, value in arrays.items()}, place / "prediction.safetensors")
        count = sum(value.numel() for value in model.state_dict().values())
        print(f"{name}: {count} parameters, output of std {output.std():.4f}")
    print(f"diffusers {diffusers.__version__}, torch {torch.__version__}")


def check(folder: pathlib.Path) -> bool:
    """Returns True if the library predicts the same as noiseline, from the exported files alone."""
    pipeline = diffusers.DDPMPipeline.from_pretrained(folder, use_safetensors=True, low_cpu_mem_usage=False)
    wanted = load_file(folder / "expected.safetensors")
    with torch.no_grad():
        labels = told(pipeline.unet, wanted.get("labels", LABELS))
        got = pipeline.unet.eval()(wanted["x"], wanted["t"], **labels).sample
    error = (got - wanted["output"]).abs().max().item()
    beta_error = (pipeline.scheduler.betas - wanted["betas"]).abs().max().item()
    sizes = f"std {wanted['output'].std().item():.3f}, {tuple(got.shape)}"
    print(f"{folder.name}: output off by at most {error:.2e} ({sizes}), betas by {beta_error:.2e}")
    if labels:
        # The library's pipeline does not pass labels on.
        return error <= TOLERANCE and beta_error <= 1e-6
    # One step of the library's own sampler must go through, learned variance included.
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline(batch_size=1, num_inference_steps=2, output_type="np").images
    return error <= TOLERANCE and beta_error <= 1e-6 and bool(np.isfinite(images).all())


if __name__ == "__main__":
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    mode, *paths = sys.argv[1:] or ["help"]
    if mode == "make" and len(paths) == 1:
        make(pathlib.Path(paths[0]))
    elif mode == "check" and paths:
        if not all([check(pathlib.Path(path)) for path in paths]):
            sys.exit(f"Not the same network: more than {TOLERANCE} apart")
    else:
        sys.exit(__doc__)
