"""Random batches of 64 x 64 x 3 bytes from a memory-mapped file, as float32 in [-1, 1]: python numpy_batches.py FILE N BATCH STEPS"""

import sys
import time

import numpy as np

path, count, batch, steps = sys.argv[1], *map(int, sys.argv[2:])
images = np.memmap(path, dtype=np.uint8, mode="r", shape=(count, 64, 64, 3))
order = np.random.default_rng(0).permutation(count)
started = time.perf_counter()
for step in range(steps):
    first = step * batch % (count - batch)
    x = images[order[first : first + batch]].astype(np.float32) / 127.5 - 1
print(steps * batch * 64 * 64 * 3 / (time.perf_counter() - started) / 1e6)
