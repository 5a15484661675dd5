"""The stages of stages.json, [command, stage before or null] each, as tasks of doit."""
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
            # Without a dependency on a file doit runs a task each time, unless told that once is enough.
            "uptodate": [True] if before is None else [],
        }
