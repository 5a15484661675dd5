"""What a Python program gets from noiseline when it is a stage: docs/other-languages.md."""

from __future__ import annotations

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
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, NoReturn, Optional, Set, Type, Union

_file = os.environ.get("NOISELINE_STAGE")
#: All that noiseline tells this program; None for a program that it has not started.
brief: Optional[Dict[str, Any]] = json.loads(Path(_file).read_text("utf-8")) if _file else None
# Processes that this program starts may import this module too. Each rank of a launcher is a program of its own.
_main = os.environ.setdefault("_NOISELINE_PID", str(os.getpid()))
_pipe: Optional[int] = None


class Params(Dict[str, Any]):
    """Remembers which params the program has not read."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__(given)
        self.unread = set(given)


def _reading(name: str) -> Callable[..., Any]:
    def read(self: Params, *args: Any, **named: Any) -> Any:
        # What goes over all params, or changes some, may read any of them.
        self.unread -= {args[0]} if name in ("__getitem__", "__contains__", "get") else set(self.unread)
        return getattr(dict, name)(self, *args, **named)

    return read


for _name in "__getitem__ __contains__ get __iter__ keys values items copy pop popitem setdefault __or__ __ror__".split():
    if hasattr(dict, _name):
        setattr(Params, _name, _reading(_name))


def folders(port: Any) -> Any:
    """Returns the folder of a port: a list of them for an input that is a list."""
    return [folders(one) for one in port] if isinstance(port, list) else Path(port["folder"])


def folder_of(way: str, port: str, *kinds: str) -> Path:
    """Returns the folder of an input or output. Raises ValueError for a port that is not there, or of another type."""
    if brief is None:
        raise RuntimeError(NOT_STARTED)
    if way == "outputs" and not _is_first():
        raise RuntimeError(f"output {port!r}: got a call of rank {os.environ['RANK']}, wanted one of rank 0 alone, which has all of it")
    types = {name: one["type"] if isinstance(one, dict) else "a list: give one of its folders" for name, one in brief[way].items()}
    if port not in types or isinstance(brief[way][port], list) or (kinds and types[port] not in kinds):
        wanted, there = " or ".join(kinds) or "one of the stage", ", ".join(f"{name} ({kind})" for name, kind in types.items())
        got = types.get(port, "no such port")
        raise ValueError(f"{way} {port!r}: got {got}, wanted {wanted}; the stage declares {there or 'none'}")
    return Path(brief[way][port]["folder"])


NOT_STARTED = "noiseline starts this program; docs/other-languages.md, 'Without noiseline', says how else"


def _is_first() -> bool:
    """True but for ranks 1 and so on of a launcher: they do what the first does, which is enough to hear of."""
    return os.environ.get("RANK", "0") == "0"


def _say(**event: Any) -> None:
    global _pipe
    if _pipe is None:
        # Launchers close all descriptors of the ranks that they start, so a rank opens the pipe again.
        path = os.environ.get("NOISELINE_PIPE")
        _pipe = os.open(path, os.O_WRONLY) if path else int(os.environ.get("NOISELINE_EVENTS", 2))
    os.write(_pipe, (json.dumps(event) + "\n").encode())


def log(done: float, total: float, /, unit: str = "step", **figures: Any) -> None:
    """Shows how far the program is. Figures are numbers such as loss=0.1, which are plotted, or texts."""
    plain = {name: value if isinstance(value, str) else float(value) for name, value in figures.items()}
    finite = {name: value if isinstance(value, str) or abs(value) < 1e308 else None for name, value in plain.items()}
    if _is_first():
        _say(type="progress", done=done, total=total, unit=unit, figures=finite)


def preview(step: int, png: bytes) -> None:
    """Shows a picture of the result by now: the bytes of a PNG, at most 750,000."""
    if _is_first():
        _say(type="preview", step=step, png=base64.b64encode(png).decode())


def fail(message: str, fix: str) -> NoReturn:
    """Ends the program with an error that says what to do."""
    _say(type="failed", message=str(message), fix=str(fix))
    sys.exit(1)


class State(NamedTuple):
    """A saved state: its step, and the folder with the files that were saved."""

    step: int
    folder: Path


class Progress:
    """The saved states of a stage with `resumes: true`."""

    stopping = False
    _saved = time.monotonic()

    def __init__(self, place: Optional[Mapping[str, Any]]) -> None:
        self._folder = Path(place["folder"]) if place else None
        self._limit = place["limit"] if place else 0
        self._confirms = bool(place and place.get("confirms"))
        if place and str(os.getpid()) == _main:
            signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stopping", True))

    def load(self) -> Optional[State]:
        """Returns the newest whole state up to `steps`, or None."""
        names = [] if self._folder is None else [one.name for one in self._folder.glob("step-*")]
        for step in sorted((int(name[5:]) for name in names if name[5:].isdecimal()), reverse=True):
            place = Path(self._folder or "") / f"step-{step}"
            if step <= self._limit and self._is_whole(place, step):
                _say(type="loaded", step=step)
                return State(step, place)
        _say(type="loaded", step=None)
        return None

    @staticmethod
    def _is_whole(folder: Path, step: int) -> bool:
        try:
            state = json.loads((folder / "manifest.json").read_text("utf-8"))
            return bool(state["step"] == step) and all(_sha256(folder / f["path"]) == f["sha256"] for f in state["files"])
        except (OSError, ValueError, KeyError):
            return False

    def due(self, seconds: float = 60) -> bool:
        """True if it is time to save: so long after the last save, or when the program is asked to stop."""
        return self.stopping or time.monotonic() - self._saved >= seconds

    def _keep_curve(self, folder: Path, step: int) -> None:
        # noiseline writes what was logged until now to disk before the state counts, so that no kill parts the two.
        reply, until = folder / f"curve-{step}", time.monotonic() + 10
        reply.unlink(missing_ok=True)
        _say(type="saving", step=step)
        while self._confirms and not reply.exists() and time.monotonic() < until:
            time.sleep(0.001)
        reply.unlink(missing_ok=True)

    def save(self, step: int, files: Mapping[str, Union[bytes, Callable[[Path], object]]]) -> None:
        """Saves a state, which counts once it is whole and on disk. Ends the program if it was asked to stop.

        The files: by name their bytes, or a function that writes the file to the path that it is given. Of several
        ranks the first saves, and the others go on: it may need them for the step in which it hears of the stop."""
        if self._folder is None:
            raise RuntimeError("this stage keeps no progress: give it resumes: true")
        if not _is_first():
            return
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
        self._keep_curve(self._folder, step)
        shutil.rmtree(self._folder / f"step-{step}", ignore_errors=True)
        new.rename(self._folder / f"step-{step}")
        _flush(self._folder)
        self._saved = time.monotonic()
        _say(type="saved", step=step)
        if self.stopping:
            sys.exit(143)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _flush(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    os.fsync(opened)
    os.close(opened)


def _report_crash(kind: Type[BaseException], error: BaseException, trace: Optional[TracebackType]) -> None:
    # The launcher's own words follow those of its ranks, and would be the last. Lines this short stay whole in a pipe.
    said = "".join(traceback.format_exception(kind, error, trace))
    _say(type="crashed", message=f"rank {os.environ.get('RANK', '0')}: {said[-2000:].rstrip()}")
    sys.__excepthook__(kind, error, trace)


def _begin_rank() -> None:
    """Lets a rank end with its launcher, however that ends, and say why it fails."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    sys.excepthook = _report_crash


def _report(params: Params) -> None:
    assert brief is not None
    _say(type="unread", params=sorted(params.unread))
    library = tuple(os.path.join(sysconfig.get_path(name), "") for name in ("stdlib", "platstdlib"))
    packages = [sysconfig.get_path(name) for name in ("purelib", "platlib")]
    # uv may install a package as links into its cache, where each has a folder of its own.
    infos = [one for place in packages for one in Path(place).glob("*.dist-info/METADATA") if one.is_symlink()]
    linked = [str(one.resolve().parent.parent) for one in infos]
    known = [*library, *packages, *linked, brief["code"], os.path.dirname(__file__)]
    places = tuple(os.path.join(os.path.realpath(one), "") for one in known)
    loaded = [os.path.abspath(getattr(one, "__file__", None) or __file__) for one in list(sys.modules.values())]
    # Links lead from the library to anywhere: Debian's sitecustomize.py lies in /etc.
    files = {os.path.realpath(one) for one in loaded if not one.startswith(library)}
    files -= {os.path.realpath(one) for one in brief.get("start", [])}
    own = [one for one in files if not one.startswith(places) and not re.search("(site|dist)-packages", one)]
    _say(type="modules", files=sorted(own)[:20])


def check_lock(path: str) -> None:
    """Ends the program if it lacks packages in the versions that a file of `name==version` lines names."""
    from importlib import metadata

    there = {re.sub("[-_.]+", "-", one.metadata["Name"]).lower(): one.version for one in metadata.distributions()}
    lock, pin = Path(path).read_text("utf-8"), re.compile(r"^([\w.-]+)(?:\[[^\]]*\])?\s*==\s*([^\s;\\]+)", re.M)
    if others := re.findall(r"^(?:\w|-r).*", pin.sub("", lock), re.M):
        _say(type="note", message=f"not checked in {Path(path).name}, as no version is pinned: {', '.join(others[:5])}")
    for name, version in pin.findall(lock):
        if (got := there.get(re.sub("[-_.]+", "-", name).lower())) != version:
            has = "lacks" if got is None else f"has version {got} of"
            fail(f"{sys.executable} {has} {name}, and the lock names {version}", "install what the lock names into it")


#: The audit events of listing a folder. `Path.glob` looks first if the folder is there, so it tells of itself.
LISTING = ("os.listdir", "os.scandir", "pathlib.Path.glob", "pathlib.Path.rglob")


def _watch(contained: bool, closed: List[str], allowed: List[str]) -> None:
    """Tells of the folders that the program lists and its stage does not declare, where a box hides what is there.

    Without a box such a file ends the program when it opens it, but for what the program has made itself since. Readers
    in native code, such as HDF5's, open unseen."""
    began, here = time.time() - 2, os.getcwd()
    told: Set[str] = set()
    hidden, open_ = (
        tuple(os.path.join(os.path.realpath(one), "") for one in paths)
        for paths in (closed, [*allowed, sys.prefix, sys.base_prefix, *filter(None, sys.path)])
    )

    def is_outside(path: str) -> bool:
        if os.path.join(path, "").startswith(open_):
            return False
        real = os.path.join(os.path.realpath(path), "")
        return real.startswith(hidden) and not real.startswith(open_)

    def look_at_file(path: str) -> None:
        if is_outside(path) and os.path.isfile(path) and os.stat(path).st_mtime < began:
            _say(type="outside", path=path)
            sys.exit(1)

    def look_at_folder(path: str) -> None:
        if path in told or path in sys.path or len(told) >= 1000:
            return
        is_there = os.path.exists(path)
        if not is_there or is_outside(path):
            told.add(path)
            _say(type="outside", path=path if is_there or os.path.isabs(path) else os.path.relpath(path, here))

    def look(event: str, args: Any) -> None:
        is_open = event == "open" and not contained
        if not (is_open or event in LISTING) or not isinstance(args[0], (str, bytes, os.PathLike)):
            return
        path = os.fsdecode(args[0])
        if not is_open:
            look_at_folder(path)
        elif ((args[2] or 0) & 3) != os.O_WRONLY:
            look_at_file(os.path.abspath(path))

    sys.addaudithook(look)


def start(version: str, params: Params) -> None:
    """Begins to serve this program as a stage: the module calls it once, with its own version."""
    assert brief is not None
    theirs = brief.get("noiseline", version)
    if theirs != version:
        what = f"this Python imports noiseline {version} from {os.path.dirname(__file__)}, and noiseline {theirs} runs the stage"
        fail(what, f"pip install noiseline=={theirs}, or start Python without -I and -E: the stage brings its own module")
    if "NOISELINE_WATCHED" in os.environ:
        watched = json.loads(os.environ["NOISELINE_WATCHED"])
        _watch(watched["contained"], watched["closed"], watched["open"])
    if str(os.getpid()) == _main:
        atexit.register(_report, params)
        if "LOCAL_RANK" in os.environ:
            _begin_rank()


if __name__ == "__main__" and brief is not None:
    # noiseline starts this file before a program whose stage has a lock.
    check_lock(brief["lock"])
