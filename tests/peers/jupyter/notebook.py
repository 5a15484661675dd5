"""Runs notebooks as users do: python notebook.py DENO FILE.ipynb, in the folder of a project.

Prints a line of JSON for each output of a cell. Then runs the last cell of code of a second notebook, interrupts the
kernel once a cell shows progress, and runs it again.
"""

import json
import os
import queue
import sys
import time
from pathlib import Path

import jupyter_client.manager
import nbclient
import nbformat

deno, file, long = sys.argv[1:]
began = time.monotonic()
kernels = Path("jupyter/kernels/deno")
kernels.mkdir(parents=True)
argv = [deno, "jupyter", "--kernel", "--conn", "{connection_file}"]
(kernels / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Deno", "language": "typescript"}))
os.environ["JUPYTER_PATH"] = str(Path("jupyter").resolve())


def tell(kind, output):
    data = output.get("data", {})
    brief = {name: value if len(str(value)) < 4000 else str(value)[:4000] for name, value in data.items()}
    print(json.dumps({"at": round(time.monotonic() - began), "from": kind, "type": output["output_type"], "data": brief, "error": output.get("evalue")}))


# Deno's kernel may send the last value of a cell after it says that the cell has ended. Jupyter's pages show it all the
# same; nbclient and the loop below have to wait for it.
LATE_SECONDS = 3


class Client(nbclient.NotebookClient):
    async def _async_poll_output_msg(self, parent_msg_id, cell, cell_index):
        await super()._async_poll_output_msg(parent_msg_id, cell, cell_index)
        deadline = time.monotonic() + LATE_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            if any(output["output_type"] == "execute_result" for output in cell["outputs"]):
                return
            try:
                message = await nbclient.util.ensure_async(self.kc.iopub_channel.get_msg(timeout=left))
            except queue.Empty:
                return
            if message["parent_header"].get("msg_id") == parent_msg_id:
                self.process_message(message, cell, cell_index)


notebook = nbformat.read(file, as_version=4)
Client(notebook, timeout=300, kernel_name="deno").execute()
for cell in notebook.cells:
    for output in cell.get("outputs", []):
        tell("notebook", output)

manager, client = jupyter_client.manager.start_new_kernel(kernel_name="deno", startup_timeout=60)


def run(code, interrupt=False):
    asked = client.execute(code)
    deadline = time.monotonic() + 300
    has_value, is_idle = False, False
    while (left := deadline - time.monotonic()) > 0 and not (has_value and is_idle):
        try:
            message = client.get_iopub_msg(timeout=left)
        except queue.Empty:
            return
        if message["parent_header"].get("msg_id") != asked:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind in ("execute_result", "error"):
            tell("kernel", {"output_type": kind, **content})
            has_value = True
        # The first progress of the training has passed when a number of steps is shown.
        if interrupt and " of " in content.get("data", {}).get("text/plain", "") and manager.is_alive():
            interrupt = False
            manager.interrupt_kernel()
        if kind == "status" and content["execution_state"] == "idle":
            is_idle, deadline = True, time.monotonic() + LATE_SECONDS


try:
    run('import { run } from "noiseline/notebook";')
    run(f"String(await run({long}))", interrupt=True)
    run(f"await run({long}); 'whole'")
finally:
    manager.shutdown_kernel(now=True)
