"""Sets of images as NumPy arrays."""

from __future__ import annotations

import atexit
import json
import math
import os
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

import numpy

from . import _stage

Array = Any  # numpy.ndarray of any type
#: Names of types in NumPy, by those in files.
TYPES = {"U8": "uint8", "U16": "uint16", "F32": "float32"}
#: The bytes of a file of a set, and of its head: 8 of length, and JSON that spaces fill up.
FILE_BYTES, HEAD_BYTES = 256 << 20, 512
MOST_CLASSES = 65_535


class _Set:
    labels: Optional[Array]
    folder: Path

    def chunks(self: Any, size: int = 1000) -> Iterator[Tuple[Array, Optional[Array]]]:
        """Yields images [n, H, W, C] and labels [n] or None, at most `size` at a time, as arrays in memory."""
        for at in range(0, len(self), size):
            yield numpy.array(self[at : at + size]), None if self.labels is None else self.labels[at : at + size]

    def dataset(self, transform: Optional[Callable[[Array], Any]] = None) -> Dataset:
        """Returns a data set for PyTorch: pairs of an image [H, W, C], or what `transform` makes of it, and its label."""
        return Dataset(self.folder, transform)


class Images(_Set, numpy.ndarray):  # type: ignore[type-arg,unused-ignore]
    """The images of one file, an array [N, H, W, C]. Parts of it are arrays without `labels`: index these alike."""


class LargeImages(_Set):
    """The images of several files, read when they are indexed: `set[3]`, `set[10:20]`, `set[[4, 2]]`, numpy.asarray(set)."""

    def __init__(self, parts: List[Array]) -> None:
        self._parts, self._rows = parts, numpy.arange(sum(map(len, parts)))
        self.dtype, self.ndim, self.shape = parts[0].dtype, 4, (len(self._rows), *parts[0].shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: Any) -> Array:
        rows = numpy.asarray(self._rows[key])
        # All files but the last have equally many images.
        files, places = map(numpy.asarray, numpy.divmod(rows, len(self._parts[0])))
        out = numpy.empty((*rows.shape, *self.shape[1:]), self.dtype)
        for number in numpy.unique(files):
            out[files == number] = self._parts[number][places[files == number]]
        return out

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> Array:
        return self[:].astype(dtype or self.dtype, copy=False)

    def __getattr__(self, name: str) -> Any:
        parts = "a set of several files is read in parts: index it, or use chunks() or numpy.asarray(…) for all of it"
        raise AttributeError(f"{type(self).__name__} has no {name!r}: {parts}")


class Dataset:
    """Images with labels, as PyTorch's DataLoader takes them, with any number of workers; -1 is the label of unlabelled images."""

    def __init__(self, folder: Path, transform: Optional[Callable[[Array], Any]] = None) -> None:
        self._folder, self._transform, self._images = folder, transform, images(folder)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Tuple[Any, int]:
        image, labels = numpy.array(self._images[index]), self._images.labels
        return self._transform(image) if self._transform else image, -1 if labels is None else int(labels[index])

    def __reduce__(self) -> Any:
        # A worker opens the files itself.
        return Dataset, (self._folder, self._transform)


def images(port: Union[str, Path]) -> Union[Images, LargeImages]:
    """Opens the images of an input, or of a folder that is given as a Path: an array [N, H, W, C] of uint8, uint16 or float32.

    It is mapped from its file, and writing to it changes no file. It has `labels`, int64 [N] or None; `chunks(size)`; and
    `dataset(transform)` for PyTorch. A set of several files (more than 256 MiB) is no array, but is indexed as one along N.
    Raises ValueError for a port that is no set of images."""
    folder = port if isinstance(port, Path) else _stage.folder_of("inputs", port)
    if not (folder / "images.json").is_file():
        raise ValueError(f"images {port}: got {folder}, which has no images.json, wanted an input of type images or samples")
    channels = json.loads((folder / "images.json").read_text("utf-8"))["channels"]
    parts, labels = [], []
    for path in sorted(folder.glob("images*.safetensors")):
        with open(path, "rb") as file:
            start = int.from_bytes(file.read(8), "little")
            head = json.loads(file.read(start))
        for name in head.keys() & {"images", "labels"}:
            offset, shape = 8 + start + head[name]["data_offsets"][0], tuple(head[name]["shape"])
            # Writes go to memory alone: PyTorch warns of arrays that cannot be written to.
            array = numpy.memmap(path, TYPES[head[name]["dtype"]], "c", offset, shape)
            # Latents have their deviations behind their means.
            parts.append(array[..., :channels]) if name == "images" else labels.append(numpy.array(array, "int64"))
    opened: Union[Images, LargeImages] = parts[0].view(Images) if len(parts) == 1 else LargeImages(parts)
    opened.labels, opened.folder = numpy.concatenate(labels) if labels else None, folder
    return opened


class _Writer:
    """Writes an output in parts. Its images.json, without which nothing is a set of images, comes last."""

    def __init__(self, folder: Path, form: Dict[str, Any]) -> None:
        self.folder, self.form, self.process = folder, form, os.getpid()
        self.labels: List[Array] = []
        self.counts: List[int] = []
        for left in folder.glob("images*"):  # by an earlier start of a program that noiseline did not start
            left.unlink()
        self.per_file = max(1, FILE_BYTES // (int(numpy.prod(form["shape"])) * numpy.dtype(form["dtype"]).itemsize))

    def path(self, number: int) -> Path:
        return self.folder / f"images-{number:05}.safetensors"

    def add(self, pixels: Array) -> None:
        while len(pixels) > 0:
            if not self.counts or self.counts[-1] == self.per_file:
                self.path(len(self.counts)).write_bytes(bytes(HEAD_BYTES))
                self.counts.append(0)
            taken = pixels[: self.per_file - self.counts[-1]]
            with open(self.path(len(self.counts) - 1), "ab") as file:
                file.write(numpy.ascontiguousarray(taken, self.form["dtype"]).data)
            self.counts[-1] += len(taken)
            pixels = pixels[len(taken) :]

    def finish(self) -> None:
        form, names = self.form, {name: short for short, name in TYPES.items()}
        labels = numpy.concatenate(self.labels) if self.labels else None
        classes = None if labels is None else form["classes"] or int(labels.max()) + 1
        kind = "uint8" if (classes or 0) <= 256 else "uint16"
        for number, count in enumerate(self.counts):
            with open(self.path(number), "r+b") as file:
                size = file.seek(0, os.SEEK_END) - HEAD_BYTES
                head = {"images": {"dtype": names[form["dtype"]], "shape": [count, *form["shape"]], "data_offsets": [0, size]}}
                if labels is not None:
                    end = size + file.write(labels[:count].astype(kind).data)
                    head["labels"] = {"dtype": names[kind], "shape": [count], "data_offsets": [size, end]}
                    labels = labels[count:]
                file.seek(0)
                file.write((HEAD_BYTES - 8).to_bytes(8, "little") + json.dumps(head).encode().ljust(HEAD_BYTES - 8))
        info = {"count": sum(self.counts), "classes": classes, "source": {"by": "Python"}}
        info.update(zip(("height", "width", "channels"), form["shape"]))
        if len(self.counts) == 1:
            self.path(0).rename(self.folder / "images.safetensors")
        else:
            info["files"] = self.counts
        if form["dtype"] != "uint8":
            info["dtype"] = form["dtype"]
        if form["dtype"] == "float32":
            low, high = form["value_range"]
            info["normalizer"] = {"how": "range", "scale": [(high - low) / 2], "shift": [2 * low / (high - low) + 1]}
        (self.folder / "images.json").write_text(json.dumps(info), "utf-8")


_writers: Dict[Path, _Writer] = {}


@atexit.register
def _finish() -> None:
    # An error that nothing caught ends the program: then what was written is not whole.
    if not hasattr(sys, "last_value"):
        for writer in _writers.values():
            if writer.process == os.getpid():
                writer.finish()


def _in_memory(array: Any) -> Array:
    if hasattr(array, "detach"):  # a tensor of PyTorch, on any device; NumPy has no bfloat16
        array = array.detach().cpu()
        array = array.float() if array.is_floating_point() else array
    return numpy.asarray(array)


def write_images(
    port: str,
    array: Any,
    labels: Any = None,
    *,
    value_range: Optional[Tuple[float, float]] = None,
    classes: Optional[int] = None,
    dtype: Optional[str] = None,
    layout: Optional[str] = None,
) -> None:
    """Appends images to an output of type images, which is whole when the program ends without an error.

    array: [N, H, W, C] of uint8, uint16 or floats, from NumPy or PyTorch; [N, C, H, W] with layout="NCHW". value_range: the
    values of floats that are black and white, such as (-1, 1); floats are rounded to bytes, or kept with dtype="float32".
    labels: [N] integers from 0, below `classes` (by default the largest plus one). Raises ValueError for another shape, type
    or range than before or than declared, and for values that are not finite; then nothing of the array is written."""
    folder = _stage.folder_of("outputs", port, "images", "samples")

    def refuse(got: object, wanted: str) -> ValueError:
        return ValueError(f"write_images, {port}: got {got}, wanted {wanted}")

    pixels, writer = _in_memory(array), _writers.get(folder)
    if layout not in (None, "NHWC", "NCHW"):
        raise refuse(f"layout {layout!r}", "NHWC or NCHW")
    if pixels.ndim != 4 or 0 in pixels.shape[1:]:
        raise refuse(f"shape {list(pixels.shape)}", "[N, H, W, C]; images without channels: array[..., None]")
    if layout is None and pixels.shape[3] > 4 >= pixels.shape[1]:
        raise refuse(f"shape {list(pixels.shape)}", 'channels last, [N, H, W, C]: say layout="NCHW", or layout="NHWC" if they are')
    pixels = pixels.transpose(0, 2, 3, 1) if layout == "NCHW" else pixels
    first = sum(writer.counts) if writer else 0
    ends = None if value_range is None else (float(value_range[0]), float(value_range[1]))
    if pixels.dtype.kind == "f":
        if ends is None or not 0 < ends[1] - ends[0] < math.inf:
            wanted = "the values of black and white, such as value_range=(-1, 1) or value_range=(0, 1)"
            raise refuse(f"{pixels.dtype} with value_range {value_range}", wanted)
        if dtype not in (None, "uint8", "float32"):
            raise refuse(f"dtype {dtype!r}", "uint8 or float32")
        stored = numpy.empty(pixels.shape, dtype or "uint8")
        for number, image in enumerate(pixels):
            stored[number] = _levels(image, ends, dtype, first + number, refuse)
        pixels = stored
    elif pixels.dtype.name not in TYPES.values() or ends is not None or dtype not in (None, pixels.dtype.name):
        told = "".join(f", {name} {value}" for name, value in (("value_range", ends), ("dtype", dtype)) if value is not None)
        raise refuse(f"{pixels.dtype}{told}", 'uint8, uint16 or floats with their range; array.astype("uint8") makes bytes')
    form = {"shape": list(pixels.shape[1:]), "dtype": pixels.dtype.name, "value_range": ends, "labelled": labels is not None}
    form["classes"] = None if classes is None else int(classes)
    for name, before in writer.form.items() if writer else ():
        if form[name] != before:
            raise refuse(f"{name} {form[name]}", f"{before}, as in the calls before")
    if labels is not None:
        numbers, most = _in_memory(labels), min(classes or MOST_CLASSES, MOST_CLASSES)
        if numbers.shape != (len(pixels),) or numbers.dtype.kind not in "iu":
            raise refuse(f"labels of {numbers.dtype} {list(numbers.shape)}", f"integers [{len(pixels)}], one for each image")
        for place in numpy.flatnonzero((numbers < 0) | (numbers >= most))[:1]:
            raise refuse(f"label {numbers[place]} of image {first + place}", f"0 to {most - 1}")
    if len(pixels) > 0:
        writer = _writers[folder] = writer or _Writer(folder, form)
        writer.labels += [] if labels is None else [numbers]
        writer.add(pixels)


def _levels(
    image: Array, ends: Tuple[float, float], dtype: Optional[str], number: int, refuse: Callable[[object, str], ValueError]
) -> Array:
    """Returns the floats of an image as they are stored. Rounding may have put them half a level out of their range."""
    low, high = ends
    half = (high - low) / 510
    for value in image[~((image >= low - half) & (image <= high + half))][:1]:
        fix = f"value_range=({low}, {high}); correct it, or array.clip({low}, {high})"
        raise refuse(f"{value} in image {number}", f"finite numbers in {fix}")
    if dtype == "float32":
        return image
    return numpy.rint((image.astype("float64").clip(low, high) - low) * (255 / (high - low)))
