"""Picking up a changed configuration while running."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from sensor_tui.config.loader import Loaded
from sensor_tui.errors import ConfigError
from sensor_tui.model.clock import Clock

SETTLE_SECONDS: Final = 0.2
"""How long a file has to stay the same before it is read, so that a half-written one is not."""

_SETTLE_LOOKS: Final = 10

_log = logging.getLogger(__name__)

_Stat = tuple[int, ...] | None


class ConfigWatcher:
    """Looks at the files of a configuration as its own `config_watch` says.

    It follows renames and links (editors replace files, Kubernetes swaps links), and watches the key file and
    `.env` as well. What is broken is reported once, as `ConfigError`, and tried again at every look;
    `current` stays the last good configuration.
    """

    def __init__(self, loaded: Loaded, *, clock: Clock) -> None:
        self.current = loaded
        self._clock = clock
        # Nothing is taken as seen, so that a change since the configuration was read is found as well.
        self._seen: dict[Path, _Stat] = {}
        self._broken = ""

    async def changes(self) -> AsyncIterator[Loaded | ConfigError]:
        """Every change from now on: a new configuration, or why there is none; ends where watching is off."""
        while self.current.settings.config_watch.enabled:
            await self._clock.sleep(self.current.settings.config_watch.poll_interval_seconds)
            change = await self.check()
            if change is not None:
                yield change

    async def check(self) -> Loaded | ConfigError | None:
        """One look, now: the change since the last one, if any."""
        if self._look() != self._seen:
            self._seen = await self._settled()
        elif not self._broken:
            return None
        try:
            loaded = self._reloaded()
        except ConfigError as error:
            return self._refuse(error)
        return self._accept(loaded)

    def _reloaded(self) -> Loaded:
        gone = next((path for path in self.current.files if self._seen[path] is None), None)
        if gone is not None:
            raise ConfigError(f"{gone}: the file is gone")
        return self.current.reload()

    async def _settled(self) -> dict[Path, _Stat]:
        seen = self._look()
        for _ in range(_SETTLE_LOOKS):
            await self._clock.sleep(SETTLE_SECONDS)
            before, seen = seen, self._look()
            if before == seen and all(seen[path] is not None for path in self.current.files):
                break
        return seen

    def _refuse(self, error: ConfigError) -> ConfigError | None:
        if error.message == self._broken:
            return None
        self._broken = error.message
        _log.warning(
            "The changed configuration is refused, the old one stays: %s", error.message.replace("\n", "; ")
        )
        return error

    def _accept(self, loaded: Loaded) -> Loaded | None:
        changed = bool(self._broken) or loaded.settings != self.current.settings
        self._broken = ""
        self.current = loaded
        # What was seen before a file was read stays: a change since then must not be overlooked.
        self._seen = {path: self._seen.get(path, now) for path, now in self._look().items()}
        return loaded if changed else None

    def _watched(self) -> tuple[Path, ...]:
        return (*self.current.files, self.current.dotenv)

    def _look(self) -> dict[Path, _Stat]:
        return {path: _stat(path) for path in self._watched()}


def _stat(path: Path) -> _Stat:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
