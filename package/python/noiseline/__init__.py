"""noiseline in Python: what a stage of a pipeline gets, and the results of pipelines for scripts and notebooks.

Importing it needs the standard library alone. Functions that need NumPy, diffusers or pandas import these themselves.
The guide is docs/other-languages.md."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List

from ._artifacts import checkpoint, metrics, save_checkpoint
from ._results import Results, results
from ._stage import NOT_STARTED, Params, Progress, State, brief, fail, folders, log, preview, start
from ._toolkit import RunFailed, plan, run

if TYPE_CHECKING:
    from ._images import images as images, write_images as write_images

__version__ = "0.2.0"
__all__ = [
    *("log", "preview", "fail", "State", "Progress", "metrics", "save_checkpoint", "checkpoint"),
    *("run", "plan", "results", "Results", "RunFailed"),
]

#: The params of the stage, with `steps`.
params: Params
#: The seed of the stage.
seed: int
#: The folder of each input, a Path; a list of folders for an input that is a list.
inputs: Dict[str, Any]
#: The folder of each output.
outputs: Dict[str, Path]
#: The file or folder of each name under `data`, a Path.
data: Dict[str, Path]
#: The saved states of the stage.
progress: Progress

if brief is not None:
    params, seed = Params(brief["params"]), brief["seed"]
    inputs, outputs = ({name: folders(port) for name, port in brief[way].items()} for way in ("inputs", "outputs"))
    data = {name: Path(path) for name, path in brief.get("data", {}).items()}
    progress = Progress(brief["progress"])
    start(__version__, params)
    __all__ += ["params", "seed", "inputs", "outputs", "data", "progress"]

if not TYPE_CHECKING:  # else any name would have a type

    def __getattr__(name):
        if name in ("images", "write_images"):
            try:
                from . import _images
            except ImportError as error:
                raise AttributeError(f"noiseline.{name} needs NumPy: {error}") from error
            return getattr(_images, name)
        if name in ("params", "seed", "inputs", "outputs", "data", "progress"):
            raise RuntimeError(NOT_STARTED)
        raise AttributeError(f"module 'noiseline' has no attribute '{name}'")


def __dir__() -> List[str]:
    return [*__all__, "images", "write_images"]
