"""Writes the fixtures of tests/parity: inputs in float32, results of PyTorch in float64.

    python3 dev/parity/make_fixtures.py [group ...]

Needs: torch, numpy.
"""

import pathlib
import sys

import torch

import core_cases
import network_cases
import operation_cases

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "parity"


def main(names):
    # One thread, so that sums always have the same order and the files are reproducible.
    torch.set_num_threads(1)
    groups = {**operation_cases.GROUPS, **core_cases.GROUPS, **network_cases.GROUPS}
    unknown = [name for name in names if name not in groups]
    if unknown:
        sys.exit(f"Cannot make {', '.join(unknown)}: there is no such group. Fix: use {', '.join(groups)}.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names or groups:
        fixture = groups[name]()
        path = FOLDER / f"{name}.safetensors"
        fixture.write(path)
        print(f"{name}: {len(fixture.cases)} cases, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
