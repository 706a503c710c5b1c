"""Running a sensor: the loop that paces it, and the process around it that stops cleanly."""

import logging
import math
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from sensor_tui.errors import UsageError
from sensor_tui.model.clock import Clock, SystemClock
from sensor_tui.simulator.config import SensorConfig
from sensor_tui.simulator.database import remove_database
from sensor_tui.simulator.generator import ReadingGenerator
from sensor_tui.simulator.journal import Journal
from sensor_tui.simulator.latency import WriterStats
from sensor_tui.simulator.schema import SimulatedReading
from sensor_tui.simulator.writer import SensorWriter

log = logging.getLogger(__name__)

BATCH = 500  # readings to a transaction at rate 0
_UNPACED_PERIOD = 1.0  # at rate 0, a second of an anomaly's duration is one reading
_BEHIND_SECONDS = 1.0
_SLOWEST = 0.00001  # readings per second: about one a day
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

OnReading = Callable[[SimulatedReading], None]


def simulate(
    config: SensorConfig,
    *,
    db: Path,
    generation: str | None = None,
    rate: float | None = None,
    count: int | None = None,
    clock: Clock | None = None,
    on_reading: OnReading | None = None,
) -> WriterStats:
    """`run`, as the whole of a process: SIGTERM, SIGINT and SIGHUP end it cleanly.

    To be called from the main thread, where signals arrive.
    """
    stop = threading.Event()
    clock = clock or SystemClock()
    journal = Journal(clock)

    def noted(reading: SimulatedReading) -> None:
        journal.note(reading)
        if on_reading is not None:
            on_reading(reading)

    with _stopping_on_signals(stop):
        return run(
            config,
            db=db,
            generation=generation,
            rate=rate,
            count=count,
            clock=clock,
            stop=stop,
            on_reading=noted,
        )


def run(
    config: SensorConfig,
    *,
    db: Path,
    clock: Clock,
    stop: threading.Event,
    generation: str | None = None,
    rate: float | None = None,
    count: int | None = None,
    on_reading: OnReading | None = None,
) -> WriterStats:
    """Append readings to `db` until `stop` is set, `count` are written or the run time is over.

    `generation` and `rate` (readings per second, 0: as fast as it can) stand over the configuration. Each
    reading is committed on its own, at rate 0 in batches; `on_reading` is called after the commit.
    Raises what SensorWriter raises, UsageError for a rate that is none; what was committed stays.
    """
    rate = config.simulation.readings_per_second if rate is None else rate
    if rate and not _SLOWEST <= rate < math.inf:
        raise UsageError(f"the rate {rate} is none a sensor can keep", fix=f"Give 0, or {_SLOWEST} or more")
    generation = generation or config.database.generation
    identity = config.identity()
    generator = ReadingGenerator(
        config, sensor_id=identity.sensor_id, period=1 / rate if rate else _UNPACED_PERIOD
    )
    if not config.database.preserve_existing_db and remove_database(db):
        log.info("%s: emptied, as preserve_existing_db is false", db)
    left = math.inf if count is None else count
    pace = f"{rate:g} readings a second" if rate else "as fast as it can"
    log.info("%s in %s writes %s, %s", identity.sensor_id, identity.city, db, pace)
    with SensorWriter(
        db, generation=generation, identity=identity, clock=clock, stop=stop, wal=config.database.wal
    ) as writer:
        ticks = _ticks(clock, stop, rate=rate, run_time=config.simulation.run_time_seconds)
        for _ in ticks if left > 0 else ():
            asked = 1 if rate else int(min(BATCH, left))
            batch = [reading for _ in range(asked) if (reading := generator.next(clock.now())) is not None]
            writer.skip(asked - len(batch))
            if not batch:
                continue
            if not writer.append(batch):
                break
            left -= len(batch)
            if on_reading is not None:
                for reading in batch:
                    on_reading(reading)
            if left <= 0:
                break
    return writer.stats()


def _ticks(clock: Clock, stop: threading.Event, *, rate: float, run_time: float) -> Iterator[None]:
    """One tick when each reading is due, by a schedule that does not drift; at rate 0 without waiting.

    A sensor that was held up for more than a second, or a period where that is longer, drops what it missed.
    """
    begin = due = clock.monotonic()
    end = begin + run_time if run_time else math.inf
    period = 1 / rate if rate else 0.0
    anchor, ticks = begin, 0
    while not stop.is_set():
        now = clock.monotonic()
        if now - due > max(_BEHIND_SECONDS, period):
            anchor, ticks, due = now, 0, now
        if (due if rate else now) >= end:
            _wait(stop, end - now)
            return
        if rate and due > now and _wait(stop, due - now):
            return
        yield
        ticks += 1
        due = anchor + ticks * period


def _wait(stop: threading.Event, seconds: float) -> bool:
    """Wait for that long or for the stop, and say whether it came."""
    return stop.wait(min(max(seconds, 0.0), threading.TIMEOUT_MAX))


@contextmanager
def _stopping_on_signals(stop: threading.Event) -> Iterator[None]:
    def on_signal(number: int, _: FrameType | None) -> None:
        # Setting an event takes a lock that the interrupted wait may hold in this very thread.
        threading.Thread(target=stop_for, args=(number,), daemon=True).start()

    def stop_for(number: int) -> None:
        stop.set()
        log.info("%s: stopping", signal.Signals(number).name)

    before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
