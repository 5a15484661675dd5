"""Tries every way out of a box that tests/faults/escapes_test.ts names, and prints what is open. It opens, and writes nothing.

Its arguments are a JSON file that says what escape_host.py has laid out, and the names of what to try, all without any:
outside a box some of this would change the machine, such as opening a watchdog."""

import ctypes
import fcntl
import json
import os
import platform
import socket
import sys

given = json.loads(open(sys.argv[1]).read())
libc = ctypes.CDLL(None, use_errno=True)
# Numbers of system calls: x86-64, and the ones that are the same on all younger machines.
BPF, KEYCTL, PERF = (321, 250, 298) if platform.machine() == "x86_64" else (280, 219, 241)


def call(function, *args):
    result = function(*args)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def in_child(act):
    """Acts in a process of its own, since what it does would change this one."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
            os._exit(0)
        except OSError as error:
            os._exit(error.errno or 1)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code != 0:
        raise OSError(code, os.strerror(code))


def connect(address):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(address)


def opened(path, mode=os.O_WRONLY):
    os.close(os.open(path, mode | os.O_NONBLOCK | os.O_NOCTTY))


def all_closed(acts):
    done = []
    for name, act in acts:
        try:
            act()
            done.append(name)
        except OSError:
            pass
    if not done:
        raise OSError(0, "none")
    return done


def capabilities():
    held = [line for line in open("/proc/self/status") if line.startswith(("CapEff", "CapPrm", "CapBnd"))]
    if not any(int(line.split()[1], 16) for line in held):
        raise OSError(0, "none")
    return held


def writable_mounts():
    rows = [line.split() for line in open("/proc/self/mountinfo")]
    allowed = tuple(given["writable"])
    top = {row[4]: "rw" in row[5].split(",") for row in rows}  # the last mount at a place is the one that counts
    found = [at for at, rw in top.items() if rw and not at.startswith(allowed) and not at.startswith(("/dev", "/proc"))]
    if not found:
        raise OSError(0, "none")
    return found


def kernel_files():
    """Everything in /proc, /sys and /dev that opens for writing, but for what is this process's own."""
    acts = []
    for top in ("/proc", "/sys", "/dev"):
        for folder, names, files in os.walk(top):
            names[:] = [one for one in names if not (folder == "/proc" and (one.isdecimal() or one.endswith("self")))]
            names[:] = [] if folder.count("/") > 5 else [one for one in names if not (top == "/dev" and one in ("shm", "pts", "fd"))]
            acts += [(at, lambda at=at: opened(at)) for at in (os.path.join(folder, one) for one in files)]
    harmless = ("/proc/pressure/", "/proc/thread-self", "/dev/std")
    harmless += tuple(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "ptmx"))
    return all_closed([one for one in acts if not one[0].startswith(harmless)])


def terminal():
    opened("/dev/tty")


def push_input():
    return all_closed([(fd, lambda fd=fd: fcntl.ioctl(fd, 0x5412, b" ")) for fd in range(3) if os.isatty(fd)])


def descriptors():
    own = os.open("/proc/self/fd", os.O_RDONLY)
    found = {int(one) for one in os.listdir(own)} - {0, 1, 2, 3, own}
    found = [f"{one} {os.readlink(f'/proc/self/fd/{one}')}" for one in found if os.path.exists(f"/proc/self/fd/{one}")]
    if not found:
        raise OSError(0, "none")
    return found


def map_bpf():
    call(libc.syscall, BPF, 0, (ctypes.c_uint32 * 16)(2, 4, 4, 1), 64)


victim = given["pid"]
ACTS = {
    "capabilities": capabilities,
    "mount": lambda: in_child(lambda: call(libc.mount, None, b"/", None, 0x1020, None)),
    "user namespace": lambda: in_child(lambda: call(libc.unshare, 0x10000000)),
    "bpf": map_bpf,
    "writable mounts": writable_mounts,
    "kernel files": kernel_files,
    "kernel log": lambda: opened("/dev/kmsg", os.O_RDONLY),
    "sockets": lambda: all_closed([(path, lambda path=path: connect(path)) for path in given["sockets"] + given["listening"]]),
    "abstract socket": lambda: connect("\0" + given["abstract"]),
    "shared memory": lambda: opened(given["shm"], os.O_RDONLY),
    "System V memory": lambda: call(libc.shmget, given["sysv"], 1, 0),
    "signal": lambda: os.kill(victim, 0),
    "memory of a process": lambda: opened(f"/proc/{victim}/mem", os.O_RDONLY),
    "root of a process": lambda: os.listdir(f"/proc/{victim}/root"),
    "ptrace": lambda: in_child(lambda: call(libc.ptrace, 0x4206, victim, None, None)),
    "terminal": terminal,
    "terminal's input": push_input,
    "descriptors": descriptors,
    "key": lambda: call(libc.syscall, KEYCTL, 10, -3, b"user", given["key"].encode(), 0),
    "private files": lambda: all_closed([(path, lambda path=path: opened(path, os.O_RDONLY)) for path in given["private"]]),
    "store": lambda: all_closed([(path, lambda path=path: opened(path)) for path in given["stored"]]),
}
left = {}
for name, act in ACTS.items():
    if sys.argv[2:] and name not in sys.argv[2:]:
        continue
    try:
        left[name] = act() or "open"
    except OSError as error:
        print(f"{name}: {error}", file=sys.stderr)
print(json.dumps(left, default=str))
