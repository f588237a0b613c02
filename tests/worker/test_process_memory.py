import subprocess
import sys

import pytest

from veroallarme_core.worker import process_memory

GLIBC_ONLY = pytest.mark.skipif(
    not sys.platform.startswith("linux")
    or not hasattr(process_memory.ctypes.CDLL(None), "mallopt"),
    reason="another C library than glibc keeps its heap by itself",
)

# Eight threads fill heaps and free all but what lies at the top, which keeps the rest from going.
PROGRAM = """
import re, sys, threading
from pathlib import Path
from veroallarme_core.worker.process_memory import give_back, keep_one_heap

def resident_mb():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\\s+(\\d+)", status)[1]) / 1e3

if sys.argv[1] == "one":
    keep_one_heap()
barrier = threading.Barrier(8)
kept = []

def fill():
    barrier.wait()
    blocks = [bytearray(100_000) for _ in range(100)]
    barrier.wait()
    kept.append(blocks[-1])

threads = [threading.Thread(target=fill) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
heaps = len(re.findall(r"rw-p 00000000 00:00 0 *\\n[0-9a-f]+-[0-9a-f]+ ---p",
    Path("/proc/self/maps").read_text()))
before = resident_mb()
give_back()
print(before, resident_mb(), heaps)
"""


def run(heaps: str) -> tuple[float, float, int]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, heaps], check=True, capture_output=True, text=True
    )
    before, after, count = done.stdout.split()
    return float(before), float(after), int(count)


@GLIBC_ONLY
def test_free_pages_go_back_to_the_system() -> None:
    before, after, _ = run("one")

    assert before - after > 30


@GLIBC_ONLY
def test_all_threads_share_one_heap() -> None:
    # Each further heap reserves addresses behind what it uses, as stacks do not.
    assert run("one")[2] < run("many")[2]


def test_another_c_library_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_memory.ctypes, "CDLL", lambda name: object())

    process_memory.keep_one_heap()
    process_memory.give_back()
