#!/usr/bin/env python3
"""Starts ranks as torchrun does, without PyTorch: with its variables, descriptors, signals and last words.

    launch.py [--nproc-per-node=N] script.py arguments"""

import os
import signal
import subprocess
import sys
import time

args = sys.argv[1:]
given = {f"PET_{name[2:].replace('-', '_').upper()}": value for name, _, value in (
    one.partition("=") for one in args if one.startswith("--nproc-"))}
script = [one for one in args if not one.startswith("--nproc-")]
told = {**os.environ, **given}
here, nodes, node = (int(told.get(f"PET_{name}", like)) for name, like in (
    ("NPROC_PER_NODE", 1), ("NNODES", 1), ("NODE_RANK", 0)))
ranks = []


def end(number, _):
    raise SystemExit(f"it got signal {number}")


signal.signal(signal.SIGTERM, end)
try:
    for local in range(here):
        env = {
            **os.environ, "LOCAL_RANK": str(local), "RANK": str(node * here + local), "WORLD_SIZE": str(nodes * here),
            "LOCAL_WORLD_SIZE": str(here), "MASTER_ADDR": told.get("PET_MASTER_ADDR", "127.0.0.1"),
            "MASTER_PORT": told.get("PET_MASTER_PORT", "29500"),
        }
        ranks.append(subprocess.Popen([sys.executable, "-u", *script], env=env, close_fds=True))
    while True:
        codes = [one.poll() for one in ranks]
        bad = [at for at, code in enumerate(codes) if code]
        if bad:
            told = [f"[{place}]:\n  rank      : {node * here + at} (local_rank: {at})\n"
                    f"  exitcode  : {codes[at]} (pid: {ranks[at].pid})\n" for place, at in enumerate(bad)]
            raise SystemExit("Failures:\n" + "".join(told[1:]) + "Root Cause (first observed failure):\n" + told[0])
        if all(code == 0 for code in codes):
            break
        time.sleep(0.02)
finally:
    for one in ranks:
        one.terminate()
    until = time.monotonic() + 30
    for one in ranks:
        try:
            one.wait(max(0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            one.kill()
