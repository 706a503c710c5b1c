"""Kill the service at random and inside every window of DESIGN 11, and look for lost or doubled readings.

    python -m benchmarks.crash --kills 50

Two simulators, one per generation, write all the while. Exits 1 when a reading is missing, doubled or
different, a dead letter is missing or doubled, a row is not marked, a file is damaged, a second run sends
anything, or one of the windows was never hit.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.crash.campaign import Campaign
from tests.crash.verdict import WINDOWS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="kills at random instants (50)")
    parser.add_argument("--each", type=int, default=5, help="kills inside each of the four windows (5)")
    parser.add_argument("--rate", type=int, default=60, help="readings a second of each simulator (60)")
    parser.add_argument("--seed", type=int, default=None, help="of the instants; told at the end")
    given = parser.parse_args()
    seed = time.time_ns() % 1_000_000 if given.seed is None else given.seed
    with tempfile.TemporaryDirectory(prefix="sensor-tui-crash-") as folder:
        campaign = Campaign(Path(folder), seed=seed, rate=given.rate)
        with campaign.running():
            for number in range(given.kills):
                state = campaign.kill_at_random()
                print(
                    f"\rkill {number + 1} of {given.kills}: {state:20}", end="", file=sys.stderr, flush=True
                )
            for window in [*WINDOWS] * given.each:
                campaign.strike(window)
                print(f"\rwindow {window}: {WINDOWS[window]:30}", end="", file=sys.stderr, flush=True)
            print(file=sys.stderr)
            verdict = campaign.finish()
    print(f"seed {seed}, {verdict.seconds:.0f} s")
    print(f"random kills: {sum(verdict.kills.values())} ({_told(verdict.kills)})")
    for window, meaning in WINDOWS.items():
        ways = f" ({_told(verdict.ways)})" if window == "c" else ""
        print(f"window {window}, {meaning}: {verdict.hits[window]} hits{ways}")
    print(f"readings written {verdict.written:,}, in the files {verdict.found:,}")
    print(f"documents {verdict.documents:,}")
    print(f"poisoned readings {len(verdict.poisoned)}, dead letters {verdict.letters.total()}")
    problems = verdict.problems()
    for problem in problems:
        print(f"FAILED: {problem}")
    if not problems:
        print("every reading is in the container exactly once")
    return 1 if problems else 0


def _told(counts: "Counter[str]") -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main())
