"""Ctrl-C is a wish first and an end the second time."""

import subprocess
import sys
import threading

import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from veroallarme_training.stop_signal import StopSignal

# In a process of its own: one that has loaded the native libraries of all tests before may crash
# outside of Python when it is signalled.
SIGNALLED_TWICE = """
import signal
from veroallarme_training.stop_signal import StopSignal

number = signal.Signals[{name!r}]
before = signal.getsignal(number)
with StopSignal() as stop:
    assert not stop.requested
    signal.raise_signal(number)
    assert stop.requested
    try:
        signal.raise_signal(number)
    except KeyboardInterrupt:
        print("ended")
assert signal.getsignal(number) is before
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_the_first_signal_asks_and_the_second_ends(name):
    code = SIGNALLED_TWICE.format(name=name)
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.stdout, run.stderr, run.returncode) == ("ended\n", "", 0)


def test_in_another_thread_it_can_be_asked():
    stop = StopSignal()

    def run() -> None:
        with stop:
            stop.request()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert stop.requested
