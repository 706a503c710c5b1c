"""There is a picture of every screen and dialog, in every state and theme that has to look right."""

from pathlib import Path

import pytest

from sensor_tui.app.app_themes import ORDER
from sensor_tui.app.keymap import PLACES
from tests.app.every_bindings import dialogs

FOLDER = Path(__file__).parent / "__snapshots__"
SIZES = ("80x24", "140x45")
SHELL = dict(zip(SIZES, ("size0", "size1"), strict=True))
STATES = ("normal", "empty", "loading", "stale", "stopped", "error")
"""`error`: nothing to speak to, or what was asked for failed; `loading`: before the first word."""

_GRIDS = {"normal": "sample", "empty": "empty", "loading": "loading", "stale": "lost", "stopped": "stopped",
          "error": "refused"}  # fmt: skip
SCREENS = {
    "fleet": {state: f"test_fleet_snapshots/test_situations[{name}-SIZE]" for state, name in _GRIDS.items()},
    "sensors": {state: f"test_sensors_pictures/test_sensors[{name}-SIZE]" for state, name in _GRIDS.items()},
    "uploads": {state: f"test_uploads_pictures/test_uploads[{name}-SIZE]" for state, name in _GRIDS.items()},
    "logs": {
        "normal": "test_logs_pictures/test_pictures[normal--SIZE]",
        "empty": "test_logs_pictures/test_pictures[empty--SIZE]",
        "loading": "test_every_picture/test_state[logs-loading-SIZE]",
        "stale": "test_every_picture/test_state[logs-lost-SIZE]",
        "stopped": "test_logs_pictures/test_pictures[stopped--SIZE]",
        "error": "test_logs_pictures/test_pictures[broken--SIZE]",
    },
    "diagnostics": {
        "normal": "test_diagnostics_screen/test_pictures[normal--SIZE]",
        "empty": "test_every_picture/test_state[diagnostics-empty-SIZE]",
        "loading": "test_every_picture/test_state[diagnostics-loading-SIZE]",
        "stale": "test_every_picture/test_state[diagnostics-lost-SIZE]",
        "stopped": "test_every_picture/test_state[diagnostics-stopped-SIZE]",
        "error": "test_diagnostics_screen/test_pictures[refused--SIZE]",
    },
    "query": {
        "normal": "test_query_screen_pictures/test_pictures[result--SIZE]",
        "empty": "test_every_picture/test_state[query-empty-SIZE]",
        "loading": "test_every_picture/test_state[query-loading-SIZE]",
        "stale": "test_every_picture/test_state[query-lost-SIZE]",
        "stopped": "test_query_screen_pictures/test_pictures[stopped--SIZE]",
        "error": "test_query_screen_pictures/test_pictures[error--SIZE]",
    },
}
DIALOGS = {
    "ActionLog": "test_snapshots_shell/test_key[actions-keys5-SHELL]",
    "AskDialog": "test_snapshots_shell/test_question[danger-SHELL]",
    "ChooseDialog": "test_snapshots_shell/test_quit_of_an_embedded_service[SHELL]",
    "ColumnsDialog": "test_snapshots_shell/test_key[columns-keys2-SHELL]",
    "ConfirmAction": "test_snapshots_shell/test_confirmation[wipe-SHELL]",
    "ExportDialog": "test_snapshots_shell/test_key[export-keys3-SHELL]",
    "FootprintDialog": "test_snapshots_shell/test_key[footprint-keys4-SHELL]",
    "HelpScreen": "test_snapshots_shell/test_key[help-keys0-SHELL]",
    "InputDialog": "test_snapshots_shell/test_question[input-SHELL]",
    "PickDialog": "test_query_screen_pictures/test_pictures[places--SIZE]",
    "RunDialog": "test_snapshots_shell/test_running[SHELL]",
    "StopDialog": "test_every_picture/test_stopping[SIZE]",
    "TextDialog": "test_uploads_pictures/test_a_letter[SIZE]",
    "ThemeDialog": "test_snapshots_shell/test_key[themes-keys1-SHELL]",
}
OTHERS = {
    "palette": "test_snapshots_shell/test_palette[-SHELL]",
    "filter": "test_snapshots_shell/test_key[filter-keys6-SHELL]",
    "host unreachable": "test_fleet_snapshots/test_situations[unreachable-SIZE]",
    "dead letters": "test_uploads_pictures/test_views[letters-SIZE]",
}
THEMES = {
    theme: f"test_fleet_snapshots/test_themes[{theme}]" for theme in ORDER if theme != "dark"
} | {"dark": "test_fleet_snapshots/test_situations[sample-140x45]"}  # fmt: skip


def files(pattern):
    """The pictures of both sizes."""
    return [f"{pattern.replace('SIZE', size).replace('SHELL', SHELL[size])}.svg" for size in SIZES]


WANTED = {
    **{f"{name}, {state}": files(path) for name, each in SCREENS.items() for state, path in each.items()},
    **{name: files(path) for name, path in (DIALOGS | OTHERS).items()},
    **{f"theme {theme}": [f"{path}.svg"] for theme, path in THEMES.items()},
}


@pytest.mark.parametrize("what", WANTED)
def test_there_is_a_picture(what):
    missing = [name for name in WANTED[what] if not (FOLDER / name).is_file()]
    assert not missing, f"no picture of {what}; make it with --snapshot-update and look at it"


def test_nothing_is_forgotten():
    assert SCREENS.keys() == {place.name for place in PLACES}
    assert all(set(each) == set(STATES) for each in SCREENS.values())
    assert DIALOGS.keys() == {each.__name__ for each in dialogs()}
    assert THEMES.keys() == set(ORDER)
