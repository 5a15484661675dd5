"""The command line of noiseline, started from Python: from the files of the wheel, or of the clone that this module lies in."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any, Dict, List, Mapping, NoReturn, Sequence, Union

from ._results import Results, results, table

HERE = Path(__file__).resolve().parent


class RunFailed(RuntimeError):
    """A command of noiseline has failed; its message names every problem, with the fix."""


def command_line() -> List[str]:
    """Returns the words that start noiseline. Raises RuntimeError where its files or Deno are absent."""
    wheel = HERE / "toolkit"
    folder = wheel if wheel.is_dir() else HERE.parent.parent.parent
    if not (folder / "cli" / "main.ts").is_file():
        raise RuntimeError(f"{folder} has no files of noiseline: install its wheel, or use the folder {HERE.name} of a clone")
    deno = shutil.which("deno", path=_environment()["PATH"])
    if deno is None:
        raise RuntimeError("there is no Deno here: pip install deno==2.9.6")
    lock = ["--config", str(folder / "deno.json"), "--lock", str(folder / "deno.lock"), "--frozen"]
    return [deno, "run", "-A", "--node-modules-dir=none", *lock, str(folder / "cli" / "main.ts")]


def _environment() -> Dict[str, str]:
    # `python3` of a pipeline is this Python, and Deno that of its packages, also where no virtual environment is activated.
    places = [os.path.dirname(sys.executable), sysconfig.get_path("scripts"), os.environ.get("PATH", "")]
    return {**os.environ, "PATH": os.pathsep.join(places)}


def main() -> NoReturn:
    """The program `noiseline`: all its arguments are those of the command line."""
    words = [*command_line(), *sys.argv[1:]]
    if os.name != "nt":
        os.execve(words[0], words, _environment())
    sys.exit(subprocess.call(words, env=_environment()))


def _start(command: str, file: Union[str, Path], stages: Sequence[str], options: Mapping[str, Sequence[str]]) -> Dict[str, Any]:
    """Runs a command, printing how stages end, and returns the last object that it prints. Raises RunFailed."""
    words = [f"--{name}={value}" for name, values in options.items() for value in values]
    line = [*command_line(), command, str(file), *stages, *words, "--json"]
    problems: List[Dict[str, Any]] = []
    last = ""
    # In a session of its own, Ctrl-C reaches only this program.
    with subprocess.Popen(line, stdout=subprocess.PIPE, encoding="utf-8", env=_environment(), start_new_session=True) as child:
        assert child.stdout is not None
        try:
            for text in child.stdout:
                # Events have a line each; other answers are one object over many lines.
                last = text if text.startswith('{"') else last + text
                if text.startswith('{"type":"stage-finished"'):
                    event = json.loads(text)
                    print(f"{event['id']}: {event['state']}", flush=True)
                    problems += [event] if event["state"] == "failed" else []
        except BaseException:
            child.send_signal(signal.SIGTERM)
            child.communicate()
            raise
    if child.returncode != 0:
        problems = problems or (json.loads(last).get("diagnostics", []) if last else [])
        told = [": ".join(filter(None, [_place(one), one["message"]])) + (f"\n  fix:    {one['fix']}" if "fix" in one else "") for one in problems]
        raise RunFailed("\n".join(told) or f"noiseline {command} ended with code {child.returncode}, see standard error")
    return dict(json.loads(last))


def _place(problem: Mapping[str, Any]) -> str:
    return str(problem["id"]) if "id" in problem else f"{problem['file']}:{problem['line']}" if "line" in problem else ""


def _options(overrides: Mapping[str, Any], profile: Sequence[str], grant: Sequence[str] = ()) -> Dict[str, Sequence[str]]:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in overrides.items()}
    return {"set": [f"{name}={text}" for name, text in texts.items()], "profile": profile, "grant": grant}


def plan(file: Union[str, Path], stages: Sequence[str] = (), *, overrides: Mapping[str, Any] = {}, profile: Sequence[str] = ()) -> Any:
    """Returns what a run would do: one row for each stage, a data frame where pandas is installed, else a list of dicts.

    overrides: params by name, such as {"train.steps": 1400}. Raises RunFailed for a file that is not valid."""
    return table(_start("plan", file, stages, _options(overrides, profile))["stages"])


def run(
    file: Union[str, Path],
    stages: Sequence[str] = (),
    *,
    overrides: Mapping[str, Any] = {},
    profile: Sequence[str] = (),
    grant: Sequence[str] = (),
) -> Results:
    """Runs what is missing, prints how each stage ends, and returns the results.

    overrides: params by name, such as {"train.steps": 1400}. grant: rights, such as "train:run=python3". An interrupt lets
    stages save; the next run goes on from there. Raises RunFailed for a stage that fails, and for a file that is not valid."""
    finished = _start("run", file, stages, _options(overrides, profile, grant))
    return results(finished["pipeline"], Path(finished["outputs"]).parent)
