"""What a Python program gets from noiseline when it is a stage: docs/other-languages.md. Needs no packages.

Any other program may read results with it: `results` needs numpy."""

import atexit
import base64
import hashlib
import json
import os
import re
import shutil
import signal
import sys
import sysconfig
import time
from collections import namedtuple
from pathlib import Path

_file = os.environ.get("NOISELINE_STAGE")
_stage = json.loads(Path(_file).read_text("utf-8")) if _file else None
# Processes that this program starts may import this module too, but have no descriptor to speak on.
_main = os.environ.setdefault("_NOISELINE_PID", str(os.getpid()))


class _Params(dict):
    """Remembers which params the program has not read."""

    def __init__(self, given):
        super().__init__(given)
        self.unread = set(given)


def _reading(name):
    def read(self, *args, **named):
        # What goes over all params, or changes some, may read any of them.
        self.unread -= {args[0]} if name in ("__getitem__", "__contains__", "get") else set(self.unread)
        return getattr(dict, name)(self, *args, **named)

    return read


for _name in "__getitem__ __contains__ get __iter__ keys values items copy pop popitem setdefault __or__ __ror__".split():
    if hasattr(dict, _name):
        setattr(_Params, _name, _reading(_name))

_folders = lambda port: [_folders(one) for one in port] if isinstance(port, list) else Path(port["folder"])
if _file:
    params = _Params(_stage["params"])  # with `steps`
    seed = _stage["seed"]
    inputs = {name: _folders(port) for name, port in _stage["inputs"].items()}  # a list for an input that is a list
    outputs = {name: _folders(port) for name, port in _stage["outputs"].items()}


def __getattr__(name):
    if name in ("params", "seed", "inputs", "outputs", "progress"):
        raise RuntimeError("noiseline starts this program; docs/other-languages.md, 'Without noiseline', says how else")
    raise AttributeError(f"module 'noiseline' has no attribute '{name}'")


def _say(**event):
    if str(os.getpid()) == _main:
        os.write(int(os.environ.get("NOISELINE_EVENTS", 2)), (json.dumps(event) + "\n").encode())


def log(done, total, /, unit="step", **figures):
    """Shows how far the program is. Figures are numbers such as loss=0.1, which are plotted, or texts."""
    plain = {name: value if isinstance(value, str) else float(value) for name, value in figures.items()}
    finite = {name: value if isinstance(value, str) or abs(value) < 1e308 else None for name, value in plain.items()}
    _say(type="progress", done=done, total=total, unit=unit, figures=finite)


def preview(step, png):
    """Shows a picture of the result by now: the bytes of a PNG, at most 750,000."""
    _say(type="preview", step=step, png=base64.b64encode(png).decode())


def fail(message, fix):
    """Ends the program with an error that says what to do."""
    _say(type="failed", message=str(message), fix=str(fix))
    sys.exit(1)


State = namedtuple("State", "step folder")  # a saved state: its step, and the folder with the files that were saved


class _Progress:
    stopping = False
    _saved = time.monotonic()

    def __init__(self, place):
        self._folder, self._limit = (Path(place["folder"]), place["limit"]) if place else (None, 0)
        self._confirms = bool(place and place.get("confirms"))
        if place and str(os.getpid()) == _main:
            signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stopping", True))

    def load(self):
        """Returns the newest whole state up to `steps`, or None."""
        names = [] if self._folder is None else [one.name for one in self._folder.glob("step-*")]
        for step in sorted((int(name[5:]) for name in names if name[5:].isdecimal()), reverse=True):
            if step <= self._limit and self._is_whole(self._folder / f"step-{step}", step):
                _say(type="loaded", step=step)
                return State(step, self._folder / f"step-{step}")
        _say(type="loaded", step=None)
        return None

    @staticmethod
    def _is_whole(folder, step):
        try:
            state = json.loads((folder / "manifest.json").read_text("utf-8"))
            return state["step"] == step and all(_sha256(folder / f["path"]) == f["sha256"] for f in state["files"])
        except (OSError, ValueError, KeyError):
            return False

    def due(self, seconds=60):
        """True if it is time to save: so long after the last save, or when the program is asked to stop."""
        return self.stopping or time.monotonic() - self._saved >= seconds

    def _keep_curve(self, step):
        # noiseline writes what was logged until now to disk before the state counts, so that no kill parts the two.
        reply, until = self._folder / f"curve-{step}", time.monotonic() + 10
        reply.unlink(missing_ok=True)
        _say(type="saving", step=step)
        while self._confirms and not reply.exists() and time.monotonic() < until:
            time.sleep(0.001)
        reply.unlink(missing_ok=True)

    def save(self, step, files):
        """Saves a state, which counts once it is whole and on disk. Ends the program if it was asked to stop.

        The files: by name their bytes, or a function that writes the file to the path that it is given."""
        if self._folder is None:
            raise RuntimeError("this stage keeps no progress: give it resumes: true")
        for left in self._folder.glob("tmp-*"):
            shutil.rmtree(left)
        new, listed = self._folder / f"tmp-{step}", []
        new.mkdir()
        for name, content in files.items():
            content(new / name) if callable(content) else (new / name).write_bytes(content)
            _flush(new / name)
            listed.append({"path": name, "size": (new / name).stat().st_size, "sha256": _sha256(new / name)})
        (new / "manifest.json").write_text(json.dumps({"format": 1, "step": step, "files": listed}), "utf-8")
        _flush(new / "manifest.json")
        _flush(new)
        self._keep_curve(step)
        shutil.rmtree(self._folder / f"step-{step}", ignore_errors=True)
        new.rename(self._folder / f"step-{step}")
        _flush(self._folder)
        self._saved = time.monotonic()
        _say(type="saved", step=step)
        if self.stopping:
            sys.exit(143)


def _sha256(path):
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _flush(path):
    opened = os.open(path, os.O_RDONLY)
    os.fsync(opened)
    os.close(opened)


def _report():
    _say(type="unread", params=sorted(params.unread))
    library = tuple(os.path.join(sysconfig.get_path(name), "") for name in ("stdlib", "platstdlib"))
    places = [*library, *map(sysconfig.get_path, ("purelib", "platlib")), _stage["code"], os.path.dirname(__file__)]
    places = tuple(os.path.join(os.path.realpath(one), "") for one in places)
    files = [os.path.abspath(getattr(one, "__file__", None) or __file__) for one in list(sys.modules.values())]
    # Links lead from the library to anywhere: Debian's sitecustomize.py lies in /etc.
    files = {os.path.realpath(one) for one in files if not one.startswith(library)}
    files -= {os.path.realpath(one) for one in _stage.get("start", [])}
    own = [one for one in files if not one.startswith(places) and not re.search("(site|dist)-packages", one)]
    _say(type="modules", files=sorted(own)[:20])


def _check_lock(path):
    from importlib import metadata

    there = {re.sub("[-_.]+", "-", one.metadata["Name"]).lower(): one.version for one in metadata.distributions()}
    lock, pin = Path(path).read_text("utf-8"), re.compile(r"^([\w.-]+)(?:\[[^\]]*\])?\s*==\s*([^\s;\\]+)", re.M)
    if others := re.findall(r"^(?:\w|-r).*", pin.sub("", lock), re.M):
        _say(type="note", message=f"not checked in {Path(path).name}, as no version is pinned: {', '.join(others[:5])}")
    for name, version in pin.findall(lock):
        if (got := there.get(re.sub("[-_.]+", "-", name).lower())) != version:
            has = "lacks" if got is None else f"has version {got} of"
            fail(f"{sys.executable} {has} {name}, and the lock names {version}", "install what the lock names into it")


Results = namedtuple("Results", "images metrics curves")  # each by stage, or by stage and output: "images/train"


class _Named(dict):
    def __missing__(self, name):
        raise KeyError(f"no {name!r}; there are: {', '.join(self)}")


def results(name, folder="outputs"):
    """Returns the results of a pipeline: images, numpy arrays [N, H, W, C] as they are stored; lists of figures; lines of training logs."""
    place = Path(folder) / name
    if not place.is_dir():
        raise FileNotFoundError(f"no results in {place.resolve()}: run the pipeline {name} first, or give the folder of outputs")
    found = {Path(at).relative_to(place).as_posix(): names for at, _, names in os.walk(place, followlinks=True)}
    with_file = lambda name: [at for at, names in sorted(found.items()) if name in names]
    text = lambda at, name: (place / at / name).read_text("utf-8")
    metrics = _Named((at, json.loads(text(at, "metrics.json"))["metrics"]) for at in with_file("metrics.json"))
    curves = _Named((at, [json.loads(row) for row in text(at, "log.jsonl").splitlines()]) for at in with_file("log.jsonl"))
    return Results(_Named((at, _images(place / at)) for at in with_file("images.json")), metrics, curves)


def _images(folder):
    import numpy

    channels, parts = json.loads((folder / "images.json").read_text("utf-8"))["channels"], []
    for path in sorted(folder.glob("images*.safetensors")):
        with open(path, "rb") as file:
            start = int.from_bytes(file.read(8), "little")
            images = json.loads(file.read(start))["images"]
        dtype = {"U8": "u1", "U16": "<u2", "F32": "<f4"}[images["dtype"]]
        offset = 8 + start + images["data_offsets"][0]
        parts.append(numpy.memmap(path, dtype, "r", offset, tuple(images["shape"]))[..., :channels])
    return parts[0] if len(parts) == 1 else numpy.concatenate(parts)


if _file:
    progress = _Progress(_stage["progress"])
    if __name__ == "__main__":
        _check_lock(_stage["lock"])
    elif str(os.getpid()) == _main:
        atexit.register(_report)
