"""Writes tests/golden/sources/: twelve small images and their labels, as other programs keep them: a zip of folders, a zip
of EDM (NVlabs/edm, dataset_tool.py), a WebDataset shard, a tar packed by gzip, NumPy's arrays, and Parquet as Hugging
Face's `datasets` writes it.

Made with Python 3.11, NumPy 2.4.6, Pillow 13 and PyArrow 26; run twice, it writes the same bytes.
"""
import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

OUT = Path(__file__).parents[2] / "tests/golden/sources"
OUT.mkdir(exist_ok=True)
CLASSES = ["cat", "dog", "owl"]


def image(i):
    """Level (20 i + 3 x + 5 y + 7 c) mod 256 at column x, row y, channel c of 3 rows and 4 columns."""
    y, x, c = np.mgrid[0:3, 0:4, 0:3]
    return ((20 * i + 3 * x + 5 * y + 7 * c) % 256).astype(np.uint8)


def png(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


pngs = [png(image(i)) for i in range(12)]
labels = [i % 3 for i in range(12)]
folders = {f"{CLASSES[label]}/{i:02}.png": pngs[i] for i, label in enumerate(labels)}


def zipped(name, files, method):
    with zipfile.ZipFile(OUT / name, "w", method) as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path), content, method)


def tarred(files):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


zipped("folders.zip", folders, zipfile.ZIP_DEFLATED)
edm = {f"00000/img{i:08}.png": pngs[i] for i in range(12)}
table = {"labels": [[path, labels[i]] for i, path in enumerate(edm)]}
zipped("edm.zip", {**edm, "dataset.json": json.dumps(table)}, zipfile.ZIP_STORED)
samples = {}
for i in range(12):
    samples[f"sample{i:06}.cls"] = str(labels[i]).encode()
    samples[f"sample{i:06}.json"] = json.dumps({"kind": CLASSES[labels[i]]}).encode()
    samples[f"sample{i:06}.png"] = pngs[i]
(OUT / "shard-000000.tar").write_bytes(tarred(samples))
packed = gzip.compress(tarred({f"./{path}": content for path, content in folders.items()}), mtime=0)
(OUT / "folders.tar.gz").write_bytes(packed)

arrays = np.stack([image(i) for i in range(12)])
np.save(OUT / "images.npy", arrays)
np.save(OUT / "labels.npy", np.array(labels))
np.save(OUT / "deep.npy", arrays[..., 0].astype(np.uint16) * 257)
np.savez_compressed(OUT / "arrays.npz", x=arrays, y=np.array(labels, np.uint8))
np.savez(OUT / "points.npz", arr_0=np.linspace(-1, 2, 24, dtype=np.float32).reshape(12, 2), arr_1=np.array(labels))

features = {"image": {"_type": "Image"}, "label": {"names": CLASSES, "_type": "ClassLabel"}}
schema = pa.schema(
    [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("label", pa.int64())],
    {"huggingface": json.dumps({"info": {"features": features}})},
)
column = [{"bytes": content, "path": path} for path, content in folders.items()]
for name, part, compression in [("train-00000.parquet", slice(0, 7), "snappy"), ("train-00001.parquet", slice(7, 12), "zstd")]:
    rows = pa.table({"image": column[part], "label": labels[part]}, schema)
    (OUT / "parquet").mkdir(exist_ok=True)
    pq.write_table(rows, OUT / "parquet" / name, compression=compression, row_group_size=3)
