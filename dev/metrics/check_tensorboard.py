"""Reads event files with TensorBoard's own loader, or prints the bytes of a small one.

    python dev/metrics/check_tensorboard.py FOLDER    tags, number of events and last value of each file below it
    python dev/metrics/check_tensorboard.py           the bytes that tests/unit/science/formats/tensorboard_test.ts expects

Needs tensorboard.
"""

import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


class Memory:
    def __init__(self):
        self.data = b""

    def write(self, data):
        self.data += data


def expected() -> str:
    memory = Memory()
    writer = RecordWriter(memory)
    # proto3 leaves out a step of 0; noiseline's writer includes it.
    first = b"\x09" + Event(wall_time=1.5).SerializeToString()[1:] + b"\x10\x00" + Event(file_version="brain.Event:2").SerializeToString()
    value = Summary.Value(tag="train/loss", simple_value=0.25)
    writer.write(first)
    writer.write(Event(wall_time=1.5, step=300, summary=Summary(value=[value])).SerializeToString())
    return memory.data.hex()


def main(folder: str) -> None:
    for path in sorted(pathlib.Path(folder).rglob("events.out.tfevents.*")):
        events = EventAccumulator(str(path), size_guidance={"scalars": 0}).Reload()
        for tag in events.Tags()["scalars"]:
            scalars = events.Scalars(tag)
            last = scalars[-1]
            print(f"{path.parent}: {tag}: {len(scalars)} events, the last {last.value:.6g} at step {last.step}")


if __name__ == "__main__":
    print(expected()) if len(sys.argv) == 1 else main(sys.argv[1])
