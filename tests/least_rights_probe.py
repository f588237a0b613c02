"""Tries what a program with few rights may not do; prints what it was refused, as JSON.

Run by tests/test_least_rights.py with the system's own Python, which has nothing but the standard
library.
"""

import ctypes
import json
import os
import socket
import stat
import sys

LIBC = ctypes.CDLL(None, use_errno=True)


def _libc(name, *arguments):
    if getattr(LIBC, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), name)


def _status(name):
    with open("/proc/self/status") as file:
        return next(line.split()[1] for line in file if line.startswith(f"{name}:"))


def _must_be_zero(name):
    if int(_status(name), 16):
        return
    raise PermissionError(name)


def _write(path):
    with open(path, "w") as file:
        file.write("x")
    os.unlink(path)


def _gain_by_a_program():
    if _status("NoNewPrivs") == "1":
        raise PermissionError("no new privileges")


# What succeeds must change nothing that outlives this process and its mounts.
PROBES = {
    "write beside its programs": lambda: _write("/usr/lib/veroallarme-probe"),
    "write a configuration": lambda: _write("/etc/veroallarme-probe"),
    "read the secrets of others": lambda: open("/etc/shadow").close(),
    "look into the home of root": lambda: os.listdir("/root"),
    "become root": lambda: os.setresuid(0, 0, 0),
    "keep a capability": lambda: _must_be_zero("CapEff"),
    "keep the way to one": lambda: _must_be_zero("CapBnd"),
    "gain rights by a program": _gain_by_a_program,
    "read all packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
    "mount": lambda: _libc("mount", b"none", b"/mnt", b"tmpfs", 0, None),
    "change the root": lambda: os.chroot("/"),
    "make a device": lambda: os.mknod("/tmp/probe-device", stat.S_IFCHR | 0o600, os.makedev(1, 3)),
    "end the first process": lambda: os.kill(1, 0),
    "name the machine": lambda: socket.sethostname(socket.gethostname()),
}


def main(folder):
    """Try everything, and write into the one folder that is ours."""
    refused = {}
    for name, probe in PROBES.items():
        try:
            probe()
        except OSError as error:
            refused[name] = error.strerror or str(error)
    _write(os.path.join(folder, "ours"))
    print(json.dumps({"tried": list(PROBES), "refused": refused}))


if __name__ == "__main__":
    main(sys.argv[1])
