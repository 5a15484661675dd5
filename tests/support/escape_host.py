"""Lays out what a contained program should not reach, says where in the JSON file that it is given, and starts a command.

A child holds it all until the command, whose process this becomes, has ended."""

import ctypes
import json
import os
import platform
import signal
import socket
import sys

path, *command = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
given = json.load(open(path))
ADD_KEY, KEYCTL = (248, 250) if platform.machine() == "x86_64" else (217, 219)
libc.syscall(KEYCTL, 1, None)  # a session's keyring of its own, which the command inherits
given["key"] = f"noiseline-{os.getpid()}"
if libc.syscall(ADD_KEY, b"user", given["key"].encode(), b"secret", 6, -3) < 0:
    given["key"] = ""
given["abstract"], given["sysv"], given["shm"] = given["key"], os.getpid(), f"/dev/shm/noiseline-{os.getpid()}"
given["key"] = given["key"] or "none"

for address in given["sockets"]:
    if os.path.exists(address):
        os.unlink(address)
ready, told = os.pipe()
parent = os.getpid()
child = os.fork()
if child == 0:
    for fd in (0, 1, 2, ready):
        os.close(fd)
    libc.prctl(1, signal.SIGTERM)
    held = [socket.socket(socket.AF_UNIX) for _ in (*given["sockets"], given["abstract"])]
    for one, address in zip(held, (*given["sockets"], "\0" + given["abstract"])):
        one.bind(address)
        one.listen(8)
    for address in given["sockets"]:
        os.chmod(address, 0o777)
    memory = libc.shmget(given["sysv"], 4096, 0o1666)
    open(given["shm"], "w").close()
    gone = lambda *_: (libc.shmctl(memory, 0, None), os.unlink(given["shm"]), os._exit(0))
    signal.signal(signal.SIGTERM, gone)
    os.write(told, b"x")
    os.close(told)
    while os.getppid() == parent:
        signal.sigtimedwait([], 1)
    gone()
os.close(told)
if os.read(ready, 1) != b"x":
    sys.exit("nothing was laid out")
os.close(ready)
given["pid"] = child
with open(path, "w") as file:
    json.dump(given, file)
os.closerange(3, 1024)
for number in given["descriptors"]:
    os.dup2(os.open("/", os.O_RDONLY), number)  # inherited by the command, as what a shell has left open
os.execvp(command[0], command)
