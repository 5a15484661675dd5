"""Adds up steps, slowly, and says in a file of its own which steps it did and which it saved."""

import json
import os
import time

import noiseline
from mix import mixed

place = json.load(open(os.environ["NOISELINE_STAGE"]))["progress"]["folder"]


def tell(what, step):
    with open(f"{place}/told.txt", "a") as file:
        file.write(f"{what} {step}\n")


state = noiseline.progress.load()
step, total = (state.step, json.loads((state.folder / "total.json").read_text())) if state else (0, noiseline.seed)
tell("from", step)
steps = noiseline.params["steps"]
while step < steps:
    step += 1
    total = mixed(total, step)
    tell("step", step)
    time.sleep(noiseline.params.get("pause", 0))
    noiseline.log(step, steps, total=total)
    if step % 5 == 0 or noiseline.progress.due():
        noiseline.progress.save(step, {"total.json": json.dumps(total).encode()})
        tell("saved", step)
(noiseline.outputs["out"] / "total.txt").write_text(f"{total}\n")
time.sleep(noiseline.params.get("late", 0))
