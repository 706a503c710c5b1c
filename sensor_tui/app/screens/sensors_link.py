"""How the dashboard stands with its service, in words: live, connecting, lost, stopped and refused differ."""

import textwrap
from typing import Final

from sensor_tui.app import format as fmt
from sensor_tui.model.overview import Link, Overview

START: Final = "Press S to start one, or run: sensor-tui service start"
MORE: Final = "More is checked by: sensor-tui diagnostics"
_LINE: Final = 74
"""Cells of a line in the middle of an empty screen."""


def reason_lines(why: str) -> str:
    """A reason of any length in lines that fit the narrowest screen: the end says what to do."""
    text = fmt.plain(why, limit=600)
    return "\n".join(textwrap.wrap(text, _LINE, break_on_hyphens=False)) if text else ""


def stale(overview: Overview) -> bool:
    """Whether what is shown is from before."""
    return overview.link is not Link.LIVE


def link_words(overview: Overview, now: float) -> str:
    """Why what is shown is not live, and how old it is; empty where it is live."""
    why = fmt.plain(overview.problem, limit=300)
    if overview.at is None:
        age = ""
    else:
        age = f" As of {fmt.clock_minutes(overview.at)}, {fmt.age(max(0.0, now - overview.at))} ago."
    match overview.link:
        case Link.LIVE:
            return ""
        case Link.CONNECTING:
            return f"Connecting to the service.{age}"
        case Link.LOST:
            return _because(f"The service does not answer; trying again.{age}", why)
        case Link.STOPPED:
            return _because(f"The service is stopped: nobody uploads.{age}", why)
        case Link.REFUSED:
            return _because(f"The service cannot be used.{age}", why)


def empty_words(overview: Overview, what: str) -> str:
    """What to say and do where there is nothing to show; `what` says what is missing in a live one."""
    match overview.link:
        case Link.LIVE:
            return what
        case Link.CONNECTING:
            return "Connecting to the service."
        case Link.STOPPED:
            return f"No service runs, so nothing is known.\n{START}"
        case Link.LOST:
            return "The service has not answered yet; trying again."
        case Link.REFUSED:
            why = reason_lines(overview.problem) or "The service cannot be used."
            return f"{why}\n\n{MORE}"


def _because(words: str, why: str) -> str:
    """Words with a reason, unless they say it already."""
    return f"{words} {why}" if why and why.rstrip(".") not in words else words
