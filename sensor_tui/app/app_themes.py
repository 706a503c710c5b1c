"""The themes there are, the one in use, and what becomes of both when files change."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sensor_tui.app.theming import DEFAULT, ThemeFolders
from sensor_tui.resources import resource_dir

if TYPE_CHECKING:
    from sensor_tui.app.app import DashboardApp

ORDER: Final = ("dark", "light", "high-contrast", "colour-blind-safe", "mono")


class ThemeKeeper:
    """Themes from our folder and the operator's own ones, which win."""

    def __init__(self, app: "DashboardApp", folders: Sequence[Path]) -> None:
        self._app = app
        self._folders = ThemeFolders((resource_dir("themes"), *folders))
        self._names: set[str] = set()
        self._said: set[str] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """Ours first, then the operator's."""
        own = [name for name in ORDER if name in self._names]
        return (*own, *sorted(self._names.difference(own)))

    def begin(self, wanted: str) -> None:
        """Read all of them and use one; where it is not there, say so and use the usual one."""
        self.read()
        if wanted not in self._names:
            there = ", ".join(self.names)
            self._app.call_later(
                self._app.note, f"There is no theme {wanted}. There are: {there}.", "warning"
            )
        self._app.theme = wanted if wanted in self._names else DEFAULT

    def read(self) -> None:
        """Read the folders; a wrong file is spoken of once, and the theme of that name stays as it was."""
        found = self._folders.read()
        current = self._app.theme
        for theme in found.themes.values():
            known = self._app.get_theme(theme.name) if theme.name in self._names else None
            self._app.register_theme(theme)
            self._names.add(theme.name)
            if theme.name == current and known is not None and known != theme:
                self._app.mutate_reactive(type(self._app).theme)
        for problem in found.problems:
            if problem not in self._said:
                self._app.call_later(self._app.note, problem, "error", title="Theme")
        self._said = set(found.problems)

    async def watch(self, seconds: float) -> None:
        """Read again whenever a file changes; looks every so many seconds."""
        while True:
            await self._app.clock.sleep(seconds)
            if await asyncio.to_thread(self._folders.changed):
                self.read()

    def use(self, name: str) -> None:
        """Use a theme."""
        if name in self._names:
            self._app.theme = name

    def choose(self) -> None:
        """Have one chosen, with a preview."""
        from sensor_tui.app.screens.dialogs_tools import ThemeDialog

        self._app.push_screen(ThemeDialog(self.names, self._app.theme, self.use))
