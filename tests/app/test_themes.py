"""Themes: legible by computation, checked before use, read again when they change."""

import asyncio
from pathlib import Path

import pytest
from textual.color import Color

from sensor_tui.app.app_themes import ORDER
from sensor_tui.app.base import Look
from sensor_tui.app.theming import ThemeError, ThemeFolders, read_theme, theme_of
from sensor_tui.resources import resource_dir
from tests.app.plain_screens import PlainApp

TEXTS = [
    "foreground",
    "text-muted",
    "text-success",
    "text-warning",
    "text-error",
    "text-accent",
    "text-primary",
    "success",
    "warning",
    "error",
    "accent",
    "primary",
]
GROUNDS = ("background", "surface", "panel", "block-cursor-blurred-background")
GOOD = dict.fromkeys(
    ["primary", "accent", "success", "warning", "error", "foreground", "background", "surface", "panel"],
    "#123456",
)


def variables(name: str) -> dict[str, str]:
    theme = read_theme(resource_dir("themes") / f"{name}.yaml")
    return {**theme.to_color_system().generate(), **theme.variables}


def contrast(text: Color, ground: Color) -> float:
    """As WCAG has it."""
    light, dark = sorted((luminance(text), luminance(ground)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: Color) -> float:
    parts = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in color.rgb)
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_there_are_the_five():
    assert set(ThemeFolders((resource_dir("themes"),)).read().themes) == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_text_is_legible_on_every_surface(name):
    least = 7.0 if name == "high-contrast" else 4.5
    found = variables(name)
    marked = Color.parse(found["surface"]).blend(Color.parse(found["accent"]), 0.2)
    grounds = {ground: Color.parse(found[ground]) for ground in GROUNDS} | {"marked": marked}
    short = {
        (text, ground): round(ratio, 2)
        for text in TEXTS
        for ground, color in grounds.items()
        if (ratio := contrast(Color.parse(found[text]), color)) < least
    }
    assert short == {}


@pytest.mark.parametrize("name", ORDER)
def test_the_cursor_and_what_is_off_are_legible(name):
    found = variables(name)
    cursor = contrast(
        Color.parse(found["block-cursor-foreground"]), Color.parse(found["block-cursor-background"])
    )
    assert cursor >= (7.0 if name == "high-contrast" else 4.5)
    assert contrast(Color.parse(found["text-disabled"]), Color.parse(found["surface"])) >= 3.0


def test_mono_has_no_colour():
    theme = read_theme(resource_dir("themes") / "mono.yaml")
    for value in (theme.primary, theme.error, theme.success, theme.warning, theme.accent, theme.panel):
        red, green, blue = Color.parse(value).rgb
        assert red == green == blue


@pytest.mark.parametrize("name", ORDER)
async def test_the_shell_in_every_theme(make_dash, name):
    async with make_dash(app_class=PlainApp, theme=name) as dash:
        assert dash.app.theme == name
        await dash.press("question_mark", "escape", "T", "escape")
        assert dash.app.theme == name


async def test_without_colour_it_is_mono(make_dash):
    async with make_dash(app_class=PlainApp, theme="light", look=Look(no_color=True)) as dash:
        assert dash.app.theme == "mono"


async def test_a_theme_that_is_not_there_is_told(make_dash):
    async with make_dash(app_class=PlainApp, theme="[pink]") as dash:
        assert dash.app.theme == "dark"
        assert dash.notes()[0].startswith("There is no theme [pink]. There are: dark, light")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"primary": None}, "primary: a colour is missing"),
        ({"error": "rouge"}, "error: a colour such as"),
        ({"panel": 12}, "panel: a colour such as"),
        ({"colour": "#fff"}, "colour: there is no such key"),
        ({"dark": "yes"}, "dark: true or false"),
        ({"name": "A B"}, "name: lower-case"),
        ({"variables": []}, "variables: names and values"),
        ({"variables": {"x y": "#fff"}}, "no name of a variable"),
        ({"variables": {"border": "#fff; color: red"}}, "variables.border: a colour"),
        ({"variables": {"border": ""}}, "variables.border: a colour"),
        ({"variables": {"block-cursor-text-style": "wild"}}, "a style such as"),
    ],
)
def test_a_wrong_theme_says_which_key(change, says):
    with pytest.raises(ThemeError, match=says.replace("[", "\\[")):
        theme_of({"name": "x", **GOOD, **change})


def test_variables_may_be_shares_of_colours_and_styles():
    theme = theme_of(
        {
            "name": "x",
            **GOOD,
            "variables": {"border": "#ffffff 30%", "block-cursor-text-style": "bold reverse"},
        }
    )
    assert theme.variables["border"] == "#FFFFFF 30%"
    assert theme.variables["block-cursor-text-style"] == "bold reverse"


@pytest.mark.parametrize("text", ["[", "- a", "a: b: c", "\x00", "!!python/object:os.system {}", ""])
def test_a_file_that_is_no_theme(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ThemeError):
        read_theme(path)


def own(folder: Path, name: str, primary: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text("\n".join(f'{key}: "{value}"' for key, value in {**GOOD, "primary": primary}.items()))
    return path


async def changed(dash) -> None:
    if dash.app.themes._folders.changed():
        dash.app.themes.read()
    await dash.settle()


async def test_a_theme_of_ones_own_is_used_and_read_again(make_dash, tmp_path):
    path = own(tmp_path, "mine", "#ff0000")
    async with make_dash(app_class=PlainApp, theme="mine", theme_dirs=[tmp_path]) as dash:
        assert dash.app.current_theme.primary == "#FF0000"
        own(tmp_path, "mine", "#00ff00ff")
        await changed(dash)
        assert dash.app.current_theme.primary.startswith("#00FF00")
        path.write_text("primary: nonsense")
        await changed(dash)
        assert dash.app.current_theme.primary.startswith("#00FF00")
        assert "mine.yaml: accent" in dash.notes()[0] or "mine.yaml: primary" in dash.notes()[0]
        await changed(dash)
        assert len(dash.notes()) == 1


async def test_files_are_watched(make_app, fake_port, tmp_path):
    own(tmp_path, "mine", "#ff0000")
    app = make_app(app_class=PlainApp, theme="mine", theme_dirs=[tmp_path])
    app.theme_seconds = 0.01
    async with app.run_test() as pilot:
        await pilot.pause()
        own(tmp_path, "mine", "#0000ffff")
        async with asyncio.timeout(10):
            while not app.current_theme.primary.startswith("#0000FF"):
                await asyncio.sleep(0.01)
