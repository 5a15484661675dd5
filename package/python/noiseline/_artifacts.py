"""Figures and checkpoints as artifacts."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple, Union

from . import _stage


def metrics(port: Optional[str] = None, /, *, count: int = 1, **figures: Any) -> None:
    """Writes figures, such as fid=3.2, to an output of type metrics: `port`, or the only one. Later calls add to it.

    count: the number of images that they were computed from. A figure is a number, or a dict of `value` and, if you like,
    `count`, `deviation`, `label` and `note`. Raises ValueError for a figure that is not finite."""
    only = [name for name, one in (_stage.brief or {}).get("outputs", {}).items() if one["type"] == "metrics"]
    path = _stage.folder_of("outputs", port or (only[0] if len(only) == 1 else ""), "metrics") / "metrics.json"
    record: Dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {"format": 1, "metrics": []}
    for name, figure in figures.items():
        told = {"name": name, "count": count, **(figure if isinstance(figure, Mapping) else {"value": figure})}
        told["value"] = float(told["value"])
        if not math.isfinite(told["value"]):
            raise ValueError(f"metrics, {name}: got {told['value']}, wanted a finite number")
        record["metrics"] = [one for one in record["metrics"] if one["name"] != name] + [told]
    path.write_text(json.dumps(record), "utf-8")


def save_checkpoint(port: str, model: Any, scheduler: Any, *, ema: Any = None, step: int = 0) -> None:
    """Writes a UNet2DModel of diffusers and its DDPMScheduler or DDIMScheduler to an output of type checkpoint.

    noiseline's `sample`, `evaluate` and `export` take it. ema: a second UNet2DModel with averaged weights. step: the number of
    updates that the weights have had. Raises ValueError for objects without `save_pretrained`; the stage fails for networks
    that noiseline cannot compute, see docs/interchange.md."""
    folder = _stage.folder_of("outputs", port, "checkpoint")
    for name, part in (("unet", model), ("scheduler", scheduler), ("ema", ema)):
        if part is None and name == "ema":
            continue
        if not hasattr(part, "save_pretrained"):
            raise ValueError(f"save_checkpoint, {name}: got {type(part).__name__}, wanted one of diffusers, with save_pretrained")
        part.save_pretrained(str(folder / name))
    (folder / "noiseline.json").write_text(json.dumps({"step": step, "seed": (_stage.brief or {})["seed"]}), "utf-8")


def checkpoint(port: Union[str, Path]) -> Tuple[Any, Any]:
    """Returns the UNet2DModel and the scheduler of an input, or a folder, that `export` has written with format diffusers.

    Needs diffusers and PyTorch. Raises ValueError for any other input."""
    folder = port if isinstance(port, Path) else _stage.folder_of("inputs", port)
    if not (folder / "unet").is_dir():
        fix = "put a stage `uses: export`, `with: { format: diffusers }` between, and take its output as the input"
        raise ValueError(f"checkpoint {port}: got {folder}, which is no folder of diffusers; {fix}")
    from importlib import import_module

    library: Any = import_module("diffusers")

    config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text("utf-8"))
    scheduler = getattr(library, config["_class_name"]).from_pretrained(str(folder / "scheduler"))
    return library.UNet2DModel.from_pretrained(str(folder / "unet")), scheduler
