"""Results of pipelines, for scripts and notebooks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, Iterable, List, NamedTuple, TypeVar, Union

Value = TypeVar("Value")
Row = Dict[str, Any]


class Named(Dict[str, Value]):
    """A dict whose error for a name that is not there lists those that are."""

    def __missing__(self, name: str) -> Value:
        raise KeyError(f"no {name!r}; there are: {', '.join(self)}")


def table(rows: Iterable[Row]) -> Any:
    """Returns rows as a data frame of pandas where that is installed, else as a list of dicts."""
    listed = list(rows)
    try:
        import pandas  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        return listed
    return pandas.DataFrame(listed)


class Results(NamedTuple):
    """The results of a pipeline, each by stage, or by stage and output: "digits/train".

    images: arrays as `noiseline.images` opens them. metrics: lists of figures. curves: lists of the lines of logs.
    folders: the folders that hold files, for all else, such as checkpoints."""

    images: Dict[str, Any]
    metrics: Dict[str, List[Row]]
    curves: Dict[str, List[Row]]
    folders: Dict[str, Path]

    def __repr__(self) -> str:
        parts = (f"{name}: {', '.join(found) or 'none'}" for name, found in self._asdict().items())
        return f"Results({'; '.join(parts)})"

    @property
    def scores(self) -> Any:
        """All figures in one table, with their stage: a data frame where pandas is installed, else a list of dicts."""
        return table({"stage": stage, **row} for stage, rows in self.metrics.items() for row in rows)

    @property
    def logs(self) -> Any:
        """The lines of all logs in one table, with their stage: as `scores`."""
        return table({"stage": stage, **row} for stage, rows in self.curves.items() for row in rows)


def results(name: str, folder: Union[str, Path] = "outputs") -> Results:
    """Returns the results of a pipeline in a folder of outputs; images need NumPy. Raises FileNotFoundError without any."""
    place = Path(folder) / name
    if not place.is_dir():
        raise FileNotFoundError(f"no results in {place.resolve()}: run the pipeline {name} first, or give the folder of outputs")
    found = {Path(at).relative_to(place).as_posix(): names for at, _, names in os.walk(place, followlinks=True)}

    def lines(at: str) -> List[Row]:
        return [json.loads(row) for row in (place / at / "log.jsonl").read_text("utf-8").splitlines()]

    def with_file(name: str) -> List[str]:
        return [at for at, names in sorted(found.items()) if name in names]

    metrics = {at: json.loads((place / at / "metrics.json").read_text("utf-8"))["metrics"] for at in with_file("metrics.json")}
    pictured: Named[Any] = Named()
    if shown := with_file("images.json"):
        from ._images import images

        pictured.update({at: images(place / at) for at in shown})
    curves = Named({at: lines(at) for at in with_file("log.jsonl")})
    folders = Named({at: place / at for at, names in sorted(found.items()) if names and at != "."})
    return Results(pictured, Named(metrics), curves, folders)
