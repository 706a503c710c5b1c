"""`python -m benchmarks [NAME…]`: runs the benchmarks named, or all, and prints what they measured."""

import argparse
import sys
from importlib import import_module

BENCHMARKS = {
    "upload": "client CPU per document, beside Microsoft's writers",
    "stages": "the processors: CPU per document over encoding alone",
    "archive": "the archive: cost of a document by format and size of request, and compaction",
    "retention": "a million acknowledged rows removed beside their sensor",
    "clean": "deleting from a container, beside the SDK's delete_item",
    "memory": "a million-row backlog: memory, and the rate at its end",
    "sensor": "a sensor's insert latency while its million-row file is uploaded",
    "idle": "1,000 idle files polled each second",
    "startup": "start-up time of the command",
    "terminal": "bytes to the terminal, beside the stock DataTable",
    "logburst": "a log burst of 100,000 lines: key press to paint, memory",
    "docker_fleet": "200 containers: listed, and measured each second, beside docker stats",
    "screen": "the dashboard: CPU, key press to paint, bytes, first paint",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    missed = 0
    for name in arguments.names or BENCHMARKS:
        print(f"\n{name}: {BENCHMARKS[name]}", flush=True)
        for line in import_module(f"benchmarks.{name}").measure():
            verdict = "" if line.met is None else ("met" if line.met else "MISSED")
            missed += line.met is False
            print(f"  {line.what:<48} {line.value:<44} {line.bar:<12} {verdict}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
