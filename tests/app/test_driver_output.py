"""The thread that writes to the terminal: it never holds anybody up, and queues nothing."""

import os
import select
import threading

import pytest

from sensor_tui.app import driver_output
from sensor_tui.app.driver_meter import Meter
from sensor_tui.app.driver_output import Output


class Source:
    """Gives what it was told to show last, once."""

    def __init__(self):
        self.lock = threading.Lock()
        self.text = ""
        self.asked = 0

    def show(self, text):
        with self.lock:
            self.text = text

    def take(self):
        with self.lock:
            self.asked += 1
            text, self.text = self.text, ""
            return text


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


def read(end, seconds=10.0):
    ready, _, _ = select.select([end], [], [], seconds)
    assert ready, "nothing was written"
    return os.read(end, 1 << 20)


class Clock:
    """Stands still until it is told."""

    def __init__(self):
        self.now_is = 100.0

    def monotonic(self):
        return self.now_is

    def now(self):
        return self.now_is

    async def sleep(self, seconds):
        raise NotImplementedError


def test_what_is_shown_is_written_and_counted(pipe):
    source, meter = Source(), Meter()
    output = Output(pipe[1], source.take, meter)
    output.start()
    source.show("abcé")
    output.wake()
    assert read(pipe[0]) == "abcé".encode()
    source.show("the end")
    output.close()
    assert read(pipe[0]) == b"the end"
    assert (meter.bytes_written, meter.writes) == (12, 2)


def test_a_stuck_terminal_gets_the_newest_screen_and_nothing_between(pipe):
    source = Source()
    output = Output(pipe[1], source.take, Meter())
    output.start()
    source.show("x" * 1_000_000)
    output.wake()
    got = read(pipe[0])
    for number in range(10_000):
        source.show(f"screen {number};")
        output.wake()
    asked = source.asked
    while len(got) < 1_000_000:
        got += read(pipe[0])
    while b";" not in got:
        got += read(pipe[0])
    assert got[1_000_000:] == b"screen 9999;"
    assert asked <= 2
    output.close()


def test_closing_does_not_wait_for_a_terminal_that_takes_nothing(pipe, monkeypatch):
    monkeypatch.setattr(driver_output, "CLOSE_SECONDS", 0.1)
    source = Source()
    os.set_blocking(pipe[1], False)
    output = Output(pipe[1], source.take, Meter())
    output.start()
    source.show("x" * 1_000_000)
    output.wake()
    read(pipe[0])
    output.close()
    output._thread.join(10)
    assert not output._thread.is_alive()


def test_a_terminal_that_is_gone_ends_the_thread(pipe):
    source = Source()
    output = Output(pipe[1], source.take, Meter())
    output.start()
    os.close(pipe[0])
    source.show("x")
    output.wake()
    output._thread.join(10)
    assert not output._thread.is_alive()
    output.wake()
    output.close()


def test_low_bandwidth_waits_between_updates_and_answers_keys_at_once():
    clock = Clock()
    output = Output(1, str, Meter(), low_bandwidth=True, clock=clock)
    assert output._pause() <= 0
    output._wrote_at, output._wrote = clock.now_is, 100
    assert output._pause() == pytest.approx(driver_output.PAUSE_SECONDS)
    output._wrote = 3000
    assert output._pause() == pytest.approx(3000 / driver_output.LOW_BYTES_PER_SECOND)
    output._wrote = 1_000_000
    assert output._pause() == pytest.approx(driver_output.LONGEST_PAUSE_SECONDS)
    output.typed()
    assert output._pause() == pytest.approx(driver_output.ECHO_PAUSE_SECONDS)
    clock.now_is += 0.06
    assert output._pause() <= 0
    clock.now_is += driver_output.TYPING_SECONDS
    assert output._pause() > 1


def test_without_low_bandwidth_there_is_no_pause():
    output = Output(1, str, Meter())
    output._wrote_at, output._wrote = 1e12, 1_000_000
    assert output._pause() == 0


def test_the_rate_is_that_of_the_last_second():
    clock = Clock()
    meter = Meter(clock)
    meter.wrote(100)
    clock.now_is += 0.5
    meter.wrote(50)
    assert meter.rate == 150
    clock.now_is += 0.6
    assert meter.rate == 50
    clock.now_is += 1
    assert meter.rate == 0
    meter.offered("aé")
    assert (meter.bytes_offered, meter.bytes_written, meter.writes) == (3, 150, 2)
