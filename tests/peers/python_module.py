"""Calls functions of the module noiseline for Python, each in a process of its own, and prints how each ended as JSON."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

LIBRARY = sys.argv[1]
ONE = "noiseline.write_images('s', np.zeros((2, 4, 4, 1), 'u1'))"
CASES = {
    "batches": "for i in range(3): noiseline.write_images('s', np.full((5, 4, 4, 1), i / 2, 'f4'), labels=np.arange(5), value_range=(0, 1))",
    "several files": "import noiseline._images as im\nim.FILE_BYTES = 100\n"
    "noiseline.write_images('s', np.arange(20 * 16, dtype='u4').astype('u1').reshape(20, 4, 4, 1))\n" + ONE,
    "floats kept": "noiseline.write_images('s', np.full((2, 4, 4, 1), .25), value_range=(-1, 1), dtype='float32')",
    "other byte order": "noiseline.write_images('s', np.full((2, 4, 4, 1), 258, '>u2'), labels=np.array([0, 300], '>i4'))",
    "channels first": "noiseline.write_images('s', np.zeros((2, 3, 8, 9), 'u1'), layout='NCHW')",
    "a second start": "from pathlib import Path\nold = Path(noiseline.outputs['s'] / 'images-00001.safetensors')\n"
    "old.write_bytes(b'old')\n" + ONE + "\nassert not old.exists()",
    "every name": "from noiseline import *\nimport inspect\nassert {'params', 'write_images'} <= dict(inspect.getmembers(noiseline)).keys()\n"
    "write_images = noiseline.write_images\n" + ONE,
    "figures": "noiseline.metrics(fid=1.5)\nnoiseline.metrics(kid=np.float32(2), count=3)",
    "floats without a range": "noiseline.write_images('s', np.zeros((2, 4, 4, 1)))",
    "NaN": "noiseline.write_images('s', np.full((2, 4, 4, 1), np.nan), value_range=(0, 1))",
    "beyond the range": "noiseline.write_images('s', np.full((2, 4, 4, 1), 2.), value_range=(0, 1))",
    "an endless range": "noiseline.write_images('s', np.zeros((2, 4, 4, 1)), value_range=(float('-inf'), 0))",
    "bytes with a range": "noiseline.write_images('s', np.zeros((2, 4, 4, 1), 'u1'), value_range=(0, 1))",
    "unclear channels": "noiseline.write_images('s', np.zeros((2, 3, 8, 8), 'u1'))",
    "another type": "noiseline.write_images('s', np.zeros((2, 4, 4, 1), 'i8'))",
    "three axes": "noiseline.write_images('s', np.zeros((4, 4, 1), 'u1'))",
    "two sizes": ONE + "\nnoiseline.write_images('s', np.zeros((2, 5, 4, 1), 'u1'))",
    "a label too large": "noiseline.write_images('s', np.zeros((2, 4, 4, 1), 'u1'), labels=[0, 3], classes=3)",
    "labels of some": ONE + "\nnoiseline.write_images('s', np.zeros((2, 4, 4, 1), 'u1'), labels=[1, 2])",
    "an output of another type": "noiseline.write_images('m', np.zeros((2, 4, 4, 1), 'u1'))",
    "dies in between": ONE + "\nraise ValueError('died')",
    "is killed": ONE + "\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "a figure that is none": "noiseline.metrics(a=float('nan'))",
    "another version": "",
}
READ = """x = noiseline.images('i'); d = x.dataset(); import pickle
assert [len(list(d)), hasattr(x[:2], "labels")] == [len(x), False]
print(json.dumps([type(x).__name__, x.shape, str(x.dtype), None if x.labels is None else x.labels.tolist(), x[-1].sum().item(),
  x[2:4].shape, x[[1, 0]].shape, int(np.asarray(x).sum()), [len(b) for b, _ in x.chunks(9)], len(pickle.loads(pickle.dumps(d))), d[1][1]]))"""


def start(code, inputs):
    folder = Path(tempfile.mkdtemp())
    outputs = {name: {"type": kind, "folder": str(folder / name)} for name, kind in {"s": "images", "m": "metrics"}.items()}
    for name in outputs:
        (folder / name).mkdir()
    brief = {"params": {}, "seed": 0, "inputs": inputs, "outputs": outputs, "progress": None, "lock": None, "code": str(folder)}
    brief["noiseline"] = "0.0.1" if code == "" else json.loads((Path(LIBRARY).parent.parent / "deno.json").read_text())["version"]
    (folder / "stage.json").write_text(json.dumps(brief))
    env = {**os.environ, "PYTHONPATH": LIBRARY, "NOISELINE_STAGE": str(folder / "stage.json")}
    program = [sys.executable, "-c", "import json, noiseline, numpy as np\n" + code]
    done = subprocess.run(program, env=env, capture_output=True, text=True)
    made = sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file() and one.name != "stage.json")
    return folder, {"code": done.returncode, "made": made, "out": done.stdout, "said": done.stderr}


told = {}
for name, code in CASES.items():
    folder, told[name] = start(code, {})
    told[name]["folder"] = str(folder)
    if "s/images.json" in told[name]["made"]:
        read = start(READ, {"i": {"type": "images", "folder": str(folder / "s")}})[1]
        told[name]["read"] = json.loads(read["out"] or json.dumps(read["said"]))
print(json.dumps(told))
