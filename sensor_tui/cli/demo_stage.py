"""The keeper of a demo as the dashboard's process sees it: started, asked how to reach things, ended."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from sensor_tui.cli.children import ChildEnded
from sensor_tui.cli.demo_keeper import KEEP, Ended
from sensor_tui.cli.demo_parts import CONFIG, Plan, environment
from sensor_tui.cli.demo_sweep import DEMO_MARK, sweep
from sensor_tui.cli.setup import conceal
from sensor_tui.config import load
from sensor_tui.model.clock import Clock
from sensor_tui.service.embed import Embedding
from sensor_tui.service.request import SyncRequest

_KEEPER_LOG: Final = "keeper.log"
_LAST_BYTES: Final = 2048
_PATIENCE_SECONDS: Final = 3.0
"""How long what is left behind by a keeper that was killed gets to end by its leashes."""
_GRACE_SECONDS: Final = 3.0


class DemoStage:
    """Everything behind the dashboard of a demo, while entered; `services` finds its service.

    Raises:
        ChildEnded: it could not be set up.
    """

    def __init__(self, plan: Plan, folder: Path, clock: Clock, *, kept: bool) -> None:
        self._folder = folder
        self._log = folder / _KEEPER_LOG
        self._said: list[bytes] = []
        self._ended: Ended | None = None
        with self._log.open("wb") as errors:
            self._keeper = subprocess.Popen(  # noqa: S603 - our own program, and no shell
                [
                    sys.executable,
                    "-m",
                    "sensor_tui.cli.demo_keeper",
                    str(folder),
                    json.dumps(asdict(plan)),
                    KEEP if kept else "remove",
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(os.environ),
                start_new_session=True,
            )
        try:
            about = self._answer()
            key = about["key"]
            conceal(load(folder / CONFIG, env={"COSMOS_KEY": key}, cwd=folder).settings)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        options = [f"--sqlite={about['data']}", f"--config={folder / CONFIG}"]
        self.services = Embedding(
            SyncRequest(Path(about["data"])),
            options,
            clock,
            environment={**environment(os.environ), "COSMOS_KEY": key, DEMO_MARK: str(folder)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt) and self._keeper.poll() is None:
            self._let_go()
            self._keeper.terminate()  # what is left need not be uploaded
        self.end()

    def end(self) -> Ended:
        """Let go of the keeper and wait until everything is gone; what came of it."""
        if self._ended is None:
            assert self._keeper.stdout is not None
            self._let_go()
            for line in self._keeper.stdout:
                self._said.append(line)
            self._keeper.stdout.close()
            self._keeper.wait()
            self._ended = _ended(self._said)
            if self._ended is None:
                sweep(self._folder, patience=_PATIENCE_SECONDS, grace=_GRACE_SECONDS)
                how = _how(self._keeper.returncode)
                self._ended = Ended(None, None, f"The keeper of the demo {how}; all of it was ended")
        return self._ended

    def _let_go(self) -> None:
        assert self._keeper.stdin is not None
        if not self._keeper.stdin.closed:
            self._keeper.stdin.close()

    def _answer(self) -> dict[str, Any]:
        assert self._keeper.stdout is not None
        line = self._keeper.stdout.readline()
        told = json.loads(line) if line else {}
        if "endpoint" in told:
            return dict(told)
        problem = told.get("ended", {}).get("problem") or self._last_words()
        raise ChildEnded(f"The demo could not be set up: {problem}", fix="Run it again with --debug --keep")

    def _last_words(self) -> str:
        try:
            words = self._log.read_bytes()[-_LAST_BYTES:].decode("utf-8", "replace").strip().splitlines()
        except OSError:
            words = []
        return words[-1] if words else "its keeper ended and said nothing"


def _ended(said: list[bytes]) -> Ended | None:
    for line in reversed(said):
        told = json.loads(line) if line.endswith(b"\n") else {}
        if "ended" in told:
            return Ended(**told["ended"])
    return None


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
