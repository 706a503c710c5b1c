"""What Logs asks the operator for: a moment to go to, a file to save to."""

import asyncio
from collections.abc import Mapping, Sequence

from sensor_tui.app.base import Dash
from sensor_tui.app.format import plain, stamp
from sensor_tui.app.logbook import Entry
from sensor_tui.app.screens.logs_save import place_for, save
from sensor_tui.app.screens.logs_time import WAYS, moment


async def ask_time(dash: Dash) -> float | None:
    """A moment in seconds since the epoch; None where the operator went back."""
    text, value = WAYS, ""
    while True:
        answer = await dash.ask_text("Go to which time?", text, value=value, yes="Go")
        if answer is None:
            return None
        there = moment(answer, dash.clock.now())
        if there is not None:
            return there
        text, value = f"That is no time. Write it like {WAYS}.", answer


async def ask_and_save(dash: Dash, entries: Sequence[Entry], names: Mapping[str, str]) -> None:
    """Write lines to the file the operator names, and say so; one that is there already is left alone."""
    now = stamp(dash.clock.now()).replace(":", "").replace("-", "").replace(" ", "-")
    value = f"~/sensor-tui-logs-{now}.txt"
    text = f"{len(entries):,} lines, as they are shown"
    while True:
        answer = await dash.ask_text("Save lines to which file?", text, value=value, yes="Save")
        if answer is None or not answer.strip():
            return
        value = answer
        try:
            await asyncio.to_thread(save, place_for(answer), entries, names)
        except FileExistsError:
            text = "There is a file of that name already; name another."
        except (OSError, ValueError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            text = plain(f"It cannot be written: {reason}. Name another.")
        else:
            dash.note(f"{len(entries):,} lines saved to {plain(answer)}")
            return
