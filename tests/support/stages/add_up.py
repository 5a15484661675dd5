"""Adds up steps in several ranks, as a training does that exchanges gradients in each step.

The sum of a step needs all ranks: they meet at MASTER_ADDR and MASTER_PORT. The first rank saves, and says in a file of
its own which steps it did and which it saved."""

import json
import os
import signal
import socket
import time

import noiseline

rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
address = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
params = noiseline.params
place = json.load(open(os.environ["NOISELINE_STAGE"]))["progress"]["folder"]


def tell(what, step):
    if rank == 0:
        with open(f"{place}/told.txt", "a") as file:
            file.write(f"{what} {step}\n")


def join():
    """Returns files to speak to the others: the first rank has one of each, any other that of the first."""
    if rank == 0:
        with socket.create_server(address, backlog=world) as server:
            return [server.accept()[0].makefile("rw") for _ in range(world - 1)]
    while True:
        try:
            return [socket.create_connection(address, timeout=None).makefile("rw")]
        except ConnectionRefusedError:
            time.sleep(0.05)


def send(file, number):
    file.write(f"{number}\n")
    file.flush()


def receive(file):
    line = file.readline()
    if not line:
        raise ConnectionError("connection closed by peer")
    return int(line)


def all_reduce(number):
    """Returns the sum of the numbers of all ranks."""
    if rank > 0:
        send(others[0], number)
        return receive(others[0])
    total = number + sum([receive(file) for file in others])
    for file in others:
        send(file, total)
    return total


print(f"rank {rank} of {world} on {socket.gethostname()}")
others = join()
state = noiseline.progress.load()
step, total = (state.step, json.loads((state.folder / "total.json").read_text())) if state else (0, noiseline.seed)
tell("from", step)
while step < params["steps"]:
    step += 1
    if [rank, step] == params.get("at"):
        if params["wrong"] == "raises":
            raise ValueError("no data for this rank")
        if params["wrong"] == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if params["wrong"] == "hangs":
            time.sleep(600)
    total = (2 * total + all_reduce((rank + 1) * step)) % 1_000_003
    tell("step", step)
    time.sleep(params.get("pause", 0))
    noiseline.log(step, params["steps"], total=total)
    if step % 5 == 0 or noiseline.progress.due():
        noiseline.progress.save(step, {"total.json": json.dumps(total).encode()})
        tell("saved", step)
if rank == 0:
    (noiseline.outputs["out"] / "total.txt").write_text(f"{total}\n")
    time.sleep(params.get("late", 0))
