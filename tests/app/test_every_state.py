"""Each of the six screens says in each state what an operator has to know, and draws nothing twice."""

from dataclasses import replace
from itertools import pairwise

import pytest
from rich.color import Color

from sensor_tui.app.app import DashboardApp
from sensor_tui.app.base import Look
from sensor_tui.app.screens import fleet, logs, sensors
from sensor_tui.app.widgets import chart_draw
from sensor_tui.app.widgets.chart import Chart
from sensor_tui.errors import ServiceError
from sensor_tui.model.overview import EngineView, Link, Overview
from sensor_tui.model.progress import EngineState
from tests.app.conftest import Dashboard
from tests.app.fake import NOW, FakePort, FrozenClock, sample_hosts, sample_overview, sample_overviews
from tests.app.logs_kit import PatientClock

SCREENS = ("fleet", "sensors", "uploads", "logs", "diagnostics", "query")
every = pytest.mark.parametrize("name", SCREENS)
SECONDS = 60


@pytest.fixture
def clock():
    return PatientClock()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    chart_draw.load()
    for module in (fleet, sensors):
        monkeypatch.setattr(module, "REST_SECONDS", 0.0)
    monkeypatch.setattr(fleet, "AGAIN_SECONDS", 3600.0)
    monkeypatch.setattr(sensors, "REFRESH_SECONDS", 3600.0)
    monkeypatch.setattr(logs, "DRAW_SECONDS", 0.0)


def body(dash):
    """What is between header and footer, as one line."""
    return " ".join(" ".join(dash.text().splitlines()[1:-1]).split())


def header(dash):
    return dash.text().splitlines()[0]


NOTHING_KNOWN = Overview()
STATES = {
    "connecting": NOTHING_KNOWN,
    "live": sample_overview(),
    "empty": sample_overviews()["empty"],
    "lost": replace(NOTHING_KNOWN, link=Link.LOST, at=NOW - 40, problem="Nobody listens"),
    "stopped": replace(NOTHING_KNOWN, link=Link.STOPPED, at=NOW - 90, problem="It was stopped"),
    "refused": replace(NOTHING_KNOWN, link=Link.REFUSED, problem="COSMOS_KEY is not set; set it"),
}
HEADERS = {
    "connecting": "connecting",
    "live": "LIVE",
    "empty": "LIVE",
    "lost": "stale 40 s",
    "stopped": "no service: nobody uploads",
    "refused": "no service: COSMOS_KEY",
}
NEXT = {
    ("connecting", "*"): ("onnecting to the service",),
    ("lost", "*"): ("does not answer", "has not answered"),
    ("stopped", "*"): ("S ", "sensor-tui service start", "press S"),
    ("refused", "*"): ("COSMOS_KEY is not set; set it",),
    ("empty", "fleet"): ("sensor-tui units add",),
    ("empty", "sensors"): ("Start one on Fleet (1)",),
    ("empty", "uploads"): ("Start sensors on Fleet (1)",),
    ("empty", "logs"): ("Start a sensor, and its lines show here; 1 shows Fleet.",),
    ("empty", "query"): ("ctrl+r runs the query",),
    ("live", "fleet"): ("sensor-LON_100001",),
    ("live", "sensors"): ("LON_100004",),
    ("live", "uploads"): ("Uploading",),
    ("live", "logs"): ("reading 39 written",),
    ("live", "diagnostics"): ("401 Unauthorized",),
    ("live", "query"): ("Nothing was asked yet",),
}


@every
@pytest.mark.parametrize("state", STATES)
async def test_each_state_says_what_it_is_and_what_to_do(make_dash, fake_port, name, state):
    gone = state in {"lost", "stopped", "refused"}
    if gone:
        fake_port.failures["checks"] = ServiceError(STATES[state].problem, fix="Start one with S")
    if state == "empty":
        fake_port.lines, fake_port.found = [], []
    async with make_dash(STATES[state], start=name, size=(100, 30)) as dash:
        assert HEADERS[state] in header(dash)
        wanted = NEXT.get((state, name), NEXT.get((state, "*"), ()))
        if (name, state) in {("diagnostics", "lost"), ("diagnostics", "stopped"), ("diagnostics", "refused")}:
            wanted = ("r tries again",)
        elif (name, state) == ("diagnostics", "empty"):
            wanted = ("knows no checks",)
        assert wanted
        assert any(words in body(dash) for words in wanted), dash.text()


@every
async def test_unreachable_stopped_and_no_data_are_three_texts(make_dash, fake_port, name):
    texts = {}
    for state in ("lost", "stopped", "empty", "connecting", "refused"):
        fake_port.failures.clear()
        if state in {"lost", "stopped", "refused"}:
            fake_port.failures["checks"] = ServiceError(STATES[state].problem)
        fake_port.lines, fake_port.found = [], []
        async with make_dash(STATES[state], start=name) as dash:
            texts[state] = body(dash)
    assert len(set(texts.values())) == len(texts), texts


async def test_a_host_that_is_away_a_unit_that_is_stopped_and_a_sensor_without_data(make_dash):
    hosts = (
        replace(sample_hosts()[0], reachable=False, reason="refused", seen=NOW - 130),
        *sample_hosts()[1:],
    )
    async with make_dash(sample_overview(hosts=hosts), size=(200, 60)) as dash:
        assert "edge-01 unreachable since 15:07" in dash.text()
        shown = {row.key: row for row in dash.screen.grid.rows_shown}
        assert shown["edge-01/docker/sensor-LON_100001"].stale
        assert not shown["local/process/sensor-NYC_300001"].stale
        stopped = shown["edge-01/docker/sensor-MNL_200003"].cells["state"].text
        unknown = shown["manila-02/docker/sensor-MNL_200004"].cells["state"].text
        silent = shown["local/process/sensor-NYC_300003"].cells["fresh"].text
        assert (stopped.split()[1], unknown.split()[1], silent) == ("stopped", "unknown", "no data")


def colour(dash, word):
    """The colour a word is drawn in."""
    for strip in dash.app.screen._compositor.render_strips()[2:-1]:
        for segment in strip:
            if word in segment.text and segment.style is not None:
                found: Color | None = segment.style.color
                return found.triplet if found is not None else None
    raise AssertionError(f"{word} is not shown:\n{dash.text()}")


@pytest.mark.parametrize("link", [Link.LOST, Link.STOPPED])
@pytest.mark.parametrize(
    ("name", "word"), [("fleet", "LON_100002"), ("sensors", "LON_100002"), ("uploads", "LON_100002")]
)
async def test_what_is_stale_is_dim_and_says_its_age(make_dash, name, word, link):
    async with make_dash(start=name, size=(140, 45)) as dash:
        grid = dash.screen.current_grid()
        await dash.press("end")
        live = colour(dash, word)
        await dash.push(sample_overview(link=link, at=NOW - 40, problem="Nobody listens"))
        assert all(row.stale for row in grid.rows_shown)
        assert colour(dash, word) != live
        assert "40 s" in dash.text()
        if name == "uploads":
            assert all(chart.has_class("-stale") for chart in dash.screen.query(Chart) if chart.display)
        await dash.push(sample_overview())
        assert not any(row.stale for row in grid.rows_shown if "MNL_200004" not in row.key)
        assert colour(dash, word) == live


@every
@pytest.mark.parametrize(
    ("state", "in_header", "on_uploads"),
    [
        (EngineState.PAUSED, "paused", "Paused: nothing is read, r resumes"),
        (EngineState.REFUSED, "sink refuses", "The sink refuses: the key is wrong"),
        (EngineState.UNREACHABLE, "sink unreachable", "The sink cannot be reached: the key is wrong"),
        (EngineState.DRAINING, "draining", "Draining: what was read is sent, then it stops"),
    ],
)
async def test_each_screen_says_why_nothing_is_uploaded(make_dash, name, state, in_header, on_uploads):
    engine = EngineView(state, reason="the key is wrong", docs_per_second=0.0)
    async with make_dash(sample_overview(engine=engine), start=name, size=(140, 45)) as dash:
        assert in_header in header(dash)
        assert name != "uploads" or on_uploads in body(dash)


@every
async def test_each_screen_says_that_it_is_read_only_or_slow(make_dash, name):
    async with make_dash(start=name, look=Look(read_only=True, low_bandwidth=True)) as dash:
        assert "READ-ONLY" in header(dash)
        assert "LOW-B" in header(dash)


class Steps:
    """Timers that go off when the test's clock says so."""

    def __init__(self, app: DashboardApp, clock: FrozenClock) -> None:
        self.clock, self.waiting = clock, []
        app.set_timer = self.set_timer  # type: ignore[method-assign, assignment]

    def set_timer(self, delay, callback, **_):
        entry = [self.clock.monotonic() + delay, callback]
        self.waiting.append(entry)
        steps = self

        class Handle:
            def stop(self):
                if entry in steps.waiting:
                    steps.waiting.remove(entry)

        return Handle()

    async def go(self, dash):
        self.clock.advance(1)
        for entry in [each for each in self.waiting if each[0] <= self.clock.monotonic()]:
            if entry in self.waiting:
                self.waiting.remove(entry)
            entry[1]()
        await dash.settle()


@pytest.mark.parametrize(("name", "slow", "seconds"), [("fleet", True, 5.0), ("sensors", False, 1.0)])
async def test_a_screen_takes_what_is_new_seldom_enough(monkeypatch, name, slow, seconds):
    clock = PatientClock()
    port = FakePort(clock)
    app = DashboardApp(port, clock=clock, look=Look(low_bandwidth=slow), start=name)
    app.tick_seconds = app.theme_seconds = 0.0
    taken = []
    async with app.run_test(size=(140, 45)) as pilot:
        dash = Dashboard(app, pilot, port, clock)
        await dash.push(sample_overview())
        steps = Steps(app, clock)
        screen = type(app.screen)
        take = screen.take

        def counted(self, overview, now):
            taken.append(clock.monotonic())
            take(self, overview, now)

        monkeypatch.setattr(screen, "take", counted)
        for second in range(SECONDS if slow else SECONDS // 5):
            await steps.go(dash)
            await dash.push(sample_overview(backlog=second))
            await dash.push(sample_overview(backlog=second + 1000))
    moments = sorted(set(taken))
    assert len(taken) - len(moments) <= 2, "twice only where what was asked for has come"
    gaps = [after - before for before, after in pairwise(moments)]
    assert min(gaps) >= seconds, taken
    assert max(gaps) <= seconds + 1, taken


@pytest.mark.parametrize("name", ["fleet", "sensors", "uploads", "logs"])
@pytest.mark.parametrize("state", ["sample", "lost", "empty"])
async def test_the_same_again_draws_nothing(make_dash, monkeypatch, name, state):
    drawn = []
    display = DashboardApp._display

    def counted(self, screen, renderable):
        if renderable is not None:
            drawn.append(type(renderable).__name__)
        display(self, screen, renderable)

    async with make_dash(state, start=name, size=(140, 45)) as dash:
        for _ in range(3):
            await dash.settle()
        monkeypatch.setattr(DashboardApp, "_display", counted)
        takes = dash.app.redraws
        for _ in range(5):
            await dash.push(sample_overviews()[state])
        assert dash.app.redraws >= takes + 5
        assert drawn == []
        if name in {"fleet", "sensors", "uploads"} and state == "sample":
            await dash.push(sample_overview(backlog=99))
            assert drawn, "a change is drawn, so that this test counts what it should"
