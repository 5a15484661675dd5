"""Reads the stages from stages.json, each as [command, stage before or null], as tasks of doit."""
import json

with open("stages.json") as file:
    STAGES = json.load(file)


def task_stage():
    for i, (cmd, before) in enumerate(STAGES):
        yield {
            "name": str(i),
            "actions": [cmd],
            "file_dep": [] if before is None else [f"out/s{before}.txt"],
            "targets": [f"out/s{i}.txt"],
            # doit runs a task without file dependencies every time, unless `uptodate` says that once is enough.
            "uptodate": [True] if before is None else [],
        }
