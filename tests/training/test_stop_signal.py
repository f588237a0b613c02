"""Ctrl-C is a wish first and an end the second time.

The signals are raised in the thread of the test: threads of native libraries may have stacks too
small for a handler.
"""

import signal
import threading

import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from veroallarme_training.stop_signal import StopSignal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_ends(number):
    before = signal.getsignal(number)
    with StopSignal() as stop:
        assert not stop.requested
        signal.raise_signal(number)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_in_another_thread_it_can_be_asked():
    stop = StopSignal()

    def run() -> None:
        with stop:
            stop.request()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert stop.requested
