"""The Fleet screen on a fake port: every key, and what it says in every situation."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
from textual.app import SuspendNotSupported

from sensor_tui.app.base import Look
from sensor_tui.app.screens import fleet, fleet_shell
from sensor_tui.errors import FleetError
from sensor_tui.model.action import ActionKind
from sensor_tui.model.overview import Link
from sensor_tui.model.unit import HostState, LogLine, UnitState
from tests.app.fake import (
    NOW,
    sample_hosts,
    sample_overview,
    sample_run,
    sample_stats,
    sample_units,
    sensor_key,
)

UNITS = sample_units()
LON_1, LON_2, LON_3, LON_4, UPLOADER = (f"edge-01/docker/{name}" for name in (
    "sensor-LON_100001", "sensor-LON_100002", "sensor-LON_100003", "sensor-LON_100004", "uploader-london",
))  # fmt: skip
NYC_1 = "local/process/sensor-NYC_300001"
SERVICE = "local/process/sync"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(fleet, "REST_SECONDS", 0.0)
    monkeypatch.setattr(fleet, "AGAIN_SECONDS", 3600.0)


@pytest.fixture
def asked(monkeypatch):
    """What the screen asks of the app, instead of having it done."""
    calls = []
    from sensor_tui.app.app import DashboardApp

    for name in ("act", "show_logs", "show_sensor"):
        monkeypatch.setattr(DashboardApp, name, lambda _, *given, name=name: calls.append((name, *given)))
    return calls


def line(dash, text):
    """The line of the screen with this text."""
    return next(each for each in dash.text().splitlines() if text in each)


def pane(dash):
    return "\n".join(text.plain for text in dash.screen.detail._texts.values())


def words(dash):
    """The pane as one line, wherever its lines are broken."""
    return " ".join(pane(dash).split())


async def test_units_stand_under_their_city_sensors_first(make_dash):
    async with make_dash() as dash:
        shown = [each.strip() for each in dash.text().splitlines()]
        at = [shown.index(group) for group in ("London (5)", "Manila (4)", "New York (3)", "(no city) (1)")]
        assert at == sorted(at)
        assert shown[at[0] + 5].startswith("uploader-london")
        assert dash.screen.grid.cursor_key == LON_1


async def test_every_state_and_health_has_a_sign_and_a_word(make_dash):
    async with make_dash() as dash:
        for name, text in (
            ("LON_100001", "✓ healthy"),
            ("LON_100003", "✗ unhealthy"),
            ("LON_100004", "✗ failed"),
            ("MNL_200002", "↻ backoff"),
            ("MNL_200003", "○ stopped"),
            ("MNL_200004", "? unknown"),
            ("NYC_300003", "◐ starting"),
        ):
            assert text in line(dash, name)


async def test_a_row_says_what_a_unit_uses_and_how_far_behind_it_is(make_dash):
    async with make_dash(size=(200, 30)) as dash:
        cells = line(dash, "sensor-LON_100002").split()
        assert cells[:15] == [
            *("sensor-LON_100002", "●", "running", "2", "s", "120", "✓", "healthy", "2.0%", "31.0", "MiB"),
            *("0", "31", "h", "1.0"),
        ]
        assert "5" in line(dash, "LON_100004").split()


async def test_long_names_get_the_room_they_need(make_dash):
    units = {
        f"vm/process/sensor-sao-paulo-{number}": replace(
            UNITS[NYC_1], id=f"vm/process/sensor-sao-paulo-{number}", name=f"sensor-sao-paulo-north-{number}"
        )
        for number in (1, 2)
    }
    async with make_dash(sample_overview(units=units)) as dash:
        assert "sensor-sao-paulo-north-1 " in dash.text()
        assert "sensor-sao-paulo-north-2 " in dash.text()
        assert dash.screen.grid.columns[0].width == len("sensor-sao-paulo-north-1")


async def test_only_a_unit_that_is_up_is_marked_as_silent(make_dash):
    overview = sample_overview()
    sensor = overview.sensor_of(UNITS[LON_1])
    assert sensor is not None
    quiet = replace(sensor, newest=NOW - 900)
    for state, text in ((UnitState.RUNNING, "○ 15 min"), (UnitState.STOPPED, "15 min")):
        units = {LON_1: replace(UNITS[LON_1], state=state)}
        overview = sample_overview(units=units, sensors={quiet.key: quiet})
        async with make_dash(overview) as dash:
            assert dash.screen.grid.rows_shown[0].cells["fresh"].text == text


async def test_images_without_a_version_are_flagged_and_processes_are_named(make_dash):
    units = {
        **UNITS,
        LON_1: replace(UNITS[LON_1], image="registry.local:5000/sensor"),
        LON_3: replace(UNITS[LON_3], image="registry.local/sensor@sha256:0123456789abcdef"),
    }
    async with make_dash(sample_overview(units=units)) as dash:
        cells = {row.key: row.cells["image"].text for row in dash.screen.grid.rows_shown}
        assert cells[LON_1] == "▲ sensor (no tag)"
        assert cells[LON_2] == "▲ sensor:latest"
        assert cells[LON_3] == "sensor@0123456789ab"
        assert cells[UPLOADER] == "uploader:2.0.1"
        assert cells[NYC_1] == "process"
        await dash.press("slash", *"tag:loose", "enter")
        assert [row.key for row in dash.screen.grid.rows_shown] == [LON_1, LON_2]


# actions


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("s", ActionKind.START),
        ("x", ActionKind.STOP),
        ("r", ActionKind.RESTART),
        ("R", ActionKind.RESET),
        ("d", ActionKind.REMOVE),
    ],
)
async def test_actions_are_for_the_unit_under_the_cursor_or_all_marked(make_dash, asked, key, kind):
    async with make_dash() as dash:
        await dash.press(key)
        await dash.press("space", "down", "space", key)
        assert asked == [("act", kind, (LON_1,)), ("act", kind, (LON_1, LON_3))]
        assert "▌ 2 marked" in dash.text()
        await dash.press("escape")
        assert "marked" not in dash.text()


async def test_an_action_goes_through_the_app_to_the_port(make_dash, fake_port):
    async with make_dash() as dash:
        await dash.press("x")
        assert fake_port.called("plan")[0][:2] == (ActionKind.STOP, (LON_1,))


@pytest.mark.parametrize("key", ["s", "x", "r", "R", "d", "e"])
async def test_read_only_refuses_every_change(make_dash, fake_port, key):
    async with make_dash(look=Look(read_only=True)) as dash:
        await dash.press(key)
        assert fake_port.called("plan") == fake_port.called("act") == []
        assert "ead-only" in dash.notes()[0]


@pytest.mark.parametrize("key", ["s", "l", "v", "e"])
async def test_with_no_unit_a_key_says_so(make_dash, asked, key):
    async with make_dash("empty") as dash:
        await dash.press(key)
        assert dash.notes() == ["No unit is chosen."]
        assert asked == []


async def test_a_unit_at_work_shows_its_step(make_dash):
    async with make_dash(sample_overview(actions=(sample_run(), sample_run(running=True)))) as dash:
        assert "→ proving" in line(dash, "LON_100001")
        assert "→ draining" in line(dash, "LON_100002")
        assert "● running" in line(dash, "LON_100003")
        await dash.press("down", "i")
        assert "restart by alice, 10 s ago: draining, 34 unsent" in pane(dash)


async def test_what_became_of_an_action_is_in_the_pane(make_dash):
    async with make_dash(size=(140, 45)) as dash:
        assert "restart by alice, 5 min ago: done, proven" in pane(dash)
        await dash.press("down")
        assert "done, not proven: no reading was written since" in words(dash)
        await dash.press("down", "down")
        assert "failed, No such container" in pane(dash)


# other places


async def test_logs_are_of_all_marked(make_dash, asked):
    async with make_dash() as dash:
        await dash.press("l", "space", "space", "l")
        assert asked == [("show_logs", (LON_1,)), ("show_logs", (LON_1, LON_2))]


async def test_a_unit_leads_to_its_sensor(make_dash, asked):
    async with make_dash() as dash:
        await dash.press("v")
        assert asked == [("show_sensor", sensor_key("LON_100001", "London"))]
        dash.screen.grid.move_to(UPLOADER)
        await dash.press("v")
        assert dash.notes() == ["uploader-london is no sensor."]


async def test_a_sensor_that_was_not_seen_yet_leads_nowhere(make_dash, asked):
    async with make_dash(sample_overview(sensors={})) as dash:
        await dash.press("v")
        assert dash.notes() == ["No reading of LON_100001 was seen yet."]
        assert "no data" in line(dash, "LON_100001")
        assert asked == []


async def test_a_unit_that_is_asked_for_is_found_now_or_later(make_dash):
    async with make_dash() as dash:
        dash.screen.look_at([NYC_1])
        await dash.settle()
        assert dash.screen.grid.cursor_key == NYC_1
        assert "sensor-NYC_300001" in pane(dash)
        later = replace(UNITS[LON_1], id="edge-01/docker/new", name="new")
        dash.screen.look_at([later.id])
        await dash.settle()
        assert dash.screen.grid.cursor_key == NYC_1
        await dash.push(sample_overview(units={**UNITS, later.id: later}))
        assert dash.screen.grid.cursor_key == later.id


# the shell


@pytest.fixture
def shell(monkeypatch):
    """Shells that are opened, while the terminal is given away."""
    opened = []
    from sensor_tui.app.app import DashboardApp

    @contextmanager
    def suspend(_):
        opened.append("suspended")
        yield
        opened.append("resumed")

    def run(command, *, check, env):
        opened.append(tuple(command))
        opened.append({name: value for name, value in env.items() if name.startswith("DOCKER_")})
        return type("Done", (), {"returncode": 130})

    monkeypatch.setattr(DashboardApp, "suspend", suspend)
    monkeypatch.setattr(fleet_shell.subprocess, "run", run)
    monkeypatch.setattr(fleet_shell.shutil, "which", lambda name: f"/usr/bin/{name}")
    return opened


def with_container(*, hosts=(), **changes):
    unit = replace(UNITS[LON_1], **{"id": "local/docker/one", "name": "one", "host": "local", **changes})
    return sample_overview(units={unit.id: unit}, hosts=hosts)


async def test_a_container_elsewhere_gets_a_shell_through_its_host(make_dash, shell, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://another:1")
    host = HostState("edge-01", "docker", reachable=True, address="tcp://edge-01:2376", certificates="/c")
    async with make_dash(with_container(host="edge-01", hosts=[host])) as dash:
        await dash.press("e")
    assert shell[1][:4] == ("docker", "--host", "tcp://edge-01:2376", "exec")
    assert shell[2] == {"DOCKER_CERT_PATH": "/c", "DOCKER_TLS_VERIFY": "1"}


async def test_there_is_no_shell_on_a_host_that_does_not_answer(make_dash, shell):
    host = HostState("local", "docker", reachable=False, reason="no engine")
    async with make_dash(with_container(hosts=[host])) as dash:
        await dash.press("e")
        assert "local does not answer" in dash.notes()[0]
    assert shell == []


async def test_a_container_here_gets_a_shell_on_this_terminal(make_dash, shell):
    async with make_dash(with_container(name="--privileged")) as dash:
        await dash.press("e")
        assert shell[0] == "suspended"
        assert shell[1][:6] == ("docker", "exec", "--interactive", "--tty", "--", "--privileged")
        assert shell[3] == "resumed"
        assert "exit code 130" in dash.notes()[0]


@pytest.mark.parametrize(
    ("changes", "look", "told"),
    [
        ({"runtime": "process"}, Look(), "only containers have a shell"),
        ({}, Look(shell=False), "no shell in a browser"),
        ({"state": UnitState.STOPPED}, Look(), "Start it first with s"),
        ({"host": "edge-01"}, Look(), "docker exec -it one sh"),
    ],
)
async def test_where_there_is_no_shell_it_says_why(make_dash, shell, changes, look, told):
    async with make_dash(with_container(**changes), look=look) as dash:
        await dash.press("e")
        assert shell == []
        assert told in dash.notes()[0]


async def test_without_docker_or_a_terminal_there_is_no_shell(make_dash, shell, monkeypatch):
    from sensor_tui.app.app import DashboardApp

    def refuse(_):
        raise SuspendNotSupported

    async with make_dash(with_container()) as dash:
        monkeypatch.setattr(DashboardApp, "suspend", refuse)
        await dash.press("e")
        monkeypatch.setattr(fleet_shell.shutil, "which", lambda _: None)
        await dash.press("e")
        told = dash.notes()
        assert "cannot be given" in told[0]
        assert "no docker command" in told[1]
        assert shell == []


# groups and columns


async def test_units_are_grouped_by_what_is_wanted(make_dash):
    async with make_dash() as dash:
        for name, groups in (
            ("project", ["weather (9)", "(no project) (4)"]),
            ("host", ["edge-01 (8)", "local (4)", "manila-02 (1)"]),
            ("role", ["sensor (11)", "service (1)", "uploader (1)"]),
            ("nothing", []),
            ("city", ["London (5)", "Manila (4)", "New York (3)", "(no city) (1)"]),
        ):
            await dash.press("b")
            headings = [each.strip() for each in dash.text().splitlines() if each.rstrip().endswith(")")]
            assert headings == groups, name
            assert dash.screen._rows.group == name
        assert dash.screen.grid.cursor_key == LON_1


async def test_names_are_sorted_by_their_numbers(make_dash):
    units = {}
    for number in (10, 9, 100, 1):
        unit = replace(UNITS[LON_1], id=f"edge-01/docker/s-{number}", name=f"s-{number}")
        units[unit.id] = unit
    async with make_dash(sample_overview(units=units)) as dash:
        names = [row.cells["unit"].text for row in dash.screen.grid.rows_shown]
        assert names == ["s-1", "s-9", "s-10", "s-100"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("city:manila", 4),
        ("role:uploader", 1),
        ("state:=failed", 1),
        ("health:unhealthy", 1),
        ("host:edge", 8),
        ("runtime:process", 4),
        ("image:latest", 1),
        ("sensor:NYC", 3),
        ("project:weather", 9),
        ("backlog:>100", 2),
        ("cpu:>10", 4),
        ("verdict:silent", 2),
        ("why:137", 1),
        ("name:sync", 1),
        ("restarts:>=5", 2),
        ("nothing-like-this", 0),
    ],
)
async def test_filters_know_the_fields(make_dash, text, count):
    async with make_dash() as dash:
        from sensor_tui.app.filter import parse

        dash.screen.apply_filter(parse(text))
        await dash.settle()
        assert dash.screen.filter_counts() == (count, 13)
        if not count:
            assert "Press escape to see all again." in dash.text()


async def test_the_grid_is_what_export_and_copy_work_on(make_dash):
    async with make_dash() as dash:
        table = dash.screen.current_grid().table()
        assert table.columns[:4] == ("Unit", "State", "Fresh", "Backlog")
        assert len(table.rows) == 13


# hosts


async def test_a_host_that_does_not_answer_is_named_with_time_and_reason_and_its_units_are_dim(make_dash):
    async with make_dash(size=(140, 45)) as dash:
        top = dash.text().splitlines()[1]
        assert "✗ manila-02 unreachable since 15:02: Cannot connect to the Docker daem" in top
        assert "● edge-01 docker 27.3.1 8 units" in top
        assert "● local process 4 units" in top
        old = [row.key for row in dash.screen.grid.rows_shown if row.stale]
        assert old == ["manila-02/docker/sensor-MNL_200004"]
        dash.screen.grid.move_to(old[0])
        await dash.settle()
        assert "manila-02 unreachable since 15:02" in pane(dash)
        assert "What is shown here is from then." in pane(dash)


async def test_two_hosts_that_do_not_answer_are_both_named(make_dash):
    gone = replace(sample_hosts()[0], reachable=False, reason="Connection refused", seen=NOW - 130)
    async with make_dash(sample_overview(hosts=(gone, *sample_hosts()[1:])), size=(140, 45)) as dash:
        top = dash.text().splitlines()[1]
        assert (
            "✗ edge-01 unreachable since 15:07: Connection refused  ✗ manila-02 unreachable since 15:02"
            in top
        )
        assert "● local process 4 units" in top
        assert dash.screen.detail.has_class("-stale")


async def test_a_host_that_never_answered_says_so(make_dash):
    hosts = (HostState("far", "docker", reachable=False, reason="No route to host"),)
    async with make_dash(sample_overview(hosts=hosts)) as dash:
        assert "far unreachable, never answered: No route to host" in dash.text()


async def test_all_units_of_a_host_that_is_gone_are_dim(make_dash):
    hosts = (replace(sample_hosts()[0], reachable=False), *sample_hosts()[1:])
    async with make_dash(sample_overview(hosts=hosts)) as dash:
        old = {row.key.partition("/")[0] for row in dash.screen.grid.rows_shown if row.stale}
        assert old == {"edge-01", "manila-02"}


async def test_without_docker_it_says_so_and_it_is_no_error(make_dash):
    local = tuple(host for host in sample_hosts() if host.runtime == "process")
    async with make_dash(sample_overview(hosts=local), size=(140, 45)) as dash:
        assert "No Docker host is configured: processes only" in dash.text().splitlines()[1]
        assert "▲" not in dash.text().splitlines()[1]
        await dash.push(sample_overview())
        assert "No Docker host" not in dash.text()


# the pane


async def test_the_pane_is_shown_and_hidden_by_enter_where_there_is_little_room(make_dash):
    async with make_dash() as dash:
        assert not dash.screen.detail.display
        await dash.press("enter")
        assert dash.screen.detail.display
        assert dash.screen.grid.size.height >= 7
        assert "up 30 h" in dash.text()
        await dash.press("i")
        assert not dash.screen.detail.display


async def test_the_pane_stands_beside_the_grid_where_there_is_room(make_dash):
    async with make_dash(size=(120, 30)) as dash:
        assert dash.screen.detail.region.x > dash.screen.grid.region.x
        assert dash.screen.detail.region.y == dash.screen.grid.region.y
        await dash.pilot.resize_terminal(80, 24)
        await dash.settle()
        assert not dash.screen.detail.display


async def test_the_pane_turns(make_dash):
    async with make_dash() as dash:
        await dash.press("i")
        scroll = dash.screen.query_one("#unit-scroll")
        assert scroll.scroll_offset.y == 0
        await dash.press("J", "J")
        assert scroll.scroll_offset.y == 8
        await dash.press("K")
        assert scroll.scroll_offset.y == 4
        await dash.press("down")
        assert scroll.scroll_offset.y == 0


async def test_the_pane_says_what_a_unit_is_made_of_and_no_secret(make_dash):
    unit = replace(
        UNITS[LON_1],
        environment={
            "API_TOKEN": "abc", "DB_PASSWORD": "def", "MY_KEY": "ghi", "PLAIN": "yes", "EMPTY_TOKEN": "",
            "URL": "amqp://user:jkl@host/x", "DSN": "mno", "CONN": "AccountEndpoint=x;AccountKey=pqr==;",
        },
        labels={"owner": "ops", "auth.basic": "stu"},
        command=("run", "--api-key", "vwx", "--token=yza", "--city", "London"),
        mounts=("/srv -> /data", "/etc -> /etc"),
    )  # fmt: skip
    async with make_dash(sample_overview(units={unit.id: unit}), size=(140, 45)) as dash:
        text = words(dash)
        for secret in ("abc", "def", "ghi", "jkl", "mno", "pqr", "stu", "vwx", "yza"):
            assert secret not in text, secret
        for kept in (
            "PLAIN=yes", "EMPTY_TOKEN= ", "amqp://user:********@host/x", "owner=ops", "--city London",
            "--api-key ********", "--token=********", "/srv -> /data", "registry.local/sensor:1.4.2", "pid ",
            "edge-01, docker", "sensor, London, project weather", "AccountKey=********;",
        ):  # fmt: skip
            assert kept in text, kept


async def test_the_pane_says_how_a_unit_ended(make_dash):
    unit = replace(UNITS[LON_4], reason="", exit_code=-9, restarts=1)
    async with make_dash(sample_overview(units={unit.id: unit}), size=(140, 45)) as dash:
        assert "1 restart, ended by signal 9" in pane(dash)
        await dash.push(sample_overview(units={unit.id: replace(unit, exit_code=3)}))
        assert "exit code 3" in pane(dash)


async def test_the_pane_says_what_its_sensor_says(make_dash):
    async with make_dash(size=(140, 45)) as dash:
        dash.screen.grid.move_to(LON_4)
        await dash.settle()
        text = pane(dash)
        assert "LON_100004 ○ silent" in text
        assert "newest 2 h ago, one every 1 s" in text
        assert "Backlog  812, oldest 2 h" in text
        assert "temperature 26.10" in text


async def test_courses_grow_with_what_comes_and_are_bounded(make_dash):
    async with make_dash(size=(140, 45)) as dash:
        for step in range(1, 6):
            stats = {
                key: replace(used, at=NOW + step, cpu_percent=float(10 * step))
                for key, used in sample_stats(UNITS).items()
            }
            dash.clock.advance(1)
            await dash.push(sample_overview(stats=stats))
        course = dash.screen._courses.of(LON_1)
        assert list(course.cpu) == [0.7, 10.0, 20.0, 30.0, 40.0, 50.0]
        assert course.cpu.maxlen == 180
        assert "0.7% to 50%" in pane(dash)
        await dash.push(sample_overview(stats={}))
        assert not dash.screen._courses.of(LON_1).at
        assert "CPU and memory are not known yet." in pane(dash)


async def test_what_a_unit_uses_is_dim_when_it_is_old(make_dash):
    stats = {key: replace(used, at=NOW - 12) for key, used in sample_stats(UNITS).items()}
    async with make_dash(sample_overview(stats=stats), size=(140, 45)) as dash:
        cells = dash.screen.grid.cursor_row.cells
        assert cells["cpu"].tone == cells["memory"].tone == "dim"
        assert "10 s old: nothing newer is known." in pane(dash)
        await dash.push(sample_overview())
        assert dash.screen.grid.cursor_row.cells["cpu"].tone == "normal"


# the last log lines


async def test_the_last_lines_are_read_once_the_cursor_rests(make_dash, fake_port):
    async with make_dash(size=(140, 45)) as dash:
        assert fake_port.called("logs") == [((LON_1,), None, 8, False)]
        assert "Last lines of 15:09" in pane(dash)
        assert "reading 38 written to [/data]" in pane(dash)
        await dash.press("down", "down")
        assert fake_port.called("logs")[-1] == ((LON_3,), None, 8, False)
        assert "It has written nothing." in pane(dash)


async def test_no_lines_are_read_while_the_cursor_moves(make_dash, fake_port, monkeypatch):
    monkeypatch.setattr(fleet, "REST_SECONDS", 3600.0)
    async with make_dash(size=(140, 45)) as dash:
        before = len(fake_port.called("logs"))
        await dash.press(*["down"] * 6)
        assert len(fake_port.called("logs")) == before
        assert "Reading them." in pane(dash)
        assert dash.screen._timer is not None


async def test_lines_that_cannot_be_read_say_why_and_what_was_read_stays(make_dash, fake_port):
    async with make_dash(size=(140, 45)) as dash:
        fake_port.failures["logs"] = FleetError("its log is gone", fix="Start it again")
        dash.screen._read()
        await dash.settle()
        text = pane(dash)
        assert "They cannot be read: its log is gone. Start it again" in text
        assert "reading 38 written" in text
        await dash.press("down")
        assert "reading 38 written" not in pane(dash)


async def test_only_the_last_eight_lines_are_kept(make_dash, fake_port):
    fake_port.lines = [LogLine(LON_1, NOW, f"line {number}") for number in range(100)]
    async with make_dash(size=(140, 45)) as dash:
        assert "line 92\n" in pane(dash)
        assert "line 91\n" not in pane(dash)


async def test_nothing_is_read_behind_a_closed_pane_or_another_screen(make_dash, fake_port):
    async with make_dash() as dash:
        await dash.press("down", "down")
        assert fake_port.called("logs") == []
        await dash.press("i")
        assert fake_port.called("logs") == [((LON_3,), None, 8, False)]
        screen = dash.screen
        await dash.press("question_mark")
        assert dash.screen is not screen
        assert screen._timer is None
        await dash.press("escape")
        assert len(fake_port.called("logs")) == 2


# situations


async def test_with_no_unit_it_says_what_to_do(make_dash):
    async with make_dash("empty") as dash:
        for text in ("There are no units yet.", "sensor-tui units add", "sensor-tui demo"):
            assert text in dash.text()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("loading", "Connecting to the service."),
        ("refused", "COSMOS_ENDPOINT is not set; set it in config.yaml"),
    ],
)
async def test_with_no_service_it_says_why(make_dash, name, text):
    async with make_dash(name) as dash:
        assert text in dash.text()


async def test_a_stopped_service_with_nothing_known_says_how_to_start_one(make_dash):
    async with make_dash(replace(sample_overview(), units={}, hosts=(), link=Link.STOPPED)) as dash:
        assert "sensor-tui service start" in dash.text()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lost", "The service does not answer; trying again."),
        ("stopped", "The service is stopped: nobody uploads."),
    ],
)
async def test_what_is_from_before_is_dim_and_says_how_old_it_is(make_dash, name, text):
    async with make_dash(name, size=(140, 45)) as dash:
        assert text in dash.text().splitlines()[1]
        assert all(row.stale for row in dash.screen.grid.rows_shown)
        assert "nothing newer is known" in pane(dash)
        assert dash.screen.detail.has_class("-stale")
        assert "edge-01" not in dash.text().splitlines()[1]
        await dash.push(sample_overview())
        assert not dash.screen.detail.has_class("-stale")
        assert "nothing newer" not in pane(dash)


async def test_hostile_text_is_shown_plainly_everywhere(make_dash, fake_port, overviews):
    units = overviews["hostile"].units
    from tests.app.fake import HOSTILE

    fake_port.lines = [LogLine(key, NOW, HOSTILE, "err") for key in units]
    async with make_dash("hostile", size=(200, 60)) as dash:
        for _ in range(4):
            await dash.press("down", "b", "J")
        text = dash.text() + pane(dash)
        assert not [each for each in text if each != "\n" and not each.isprintable()]
        assert "\u202e" not in text
        assert "[@click=app.quit]x[/]" in text
        assert dash.app.is_running


async def test_plain_glyphs_where_they_are_asked_for(make_dash):
    async with make_dash(look=Look(ascii=True), size=(140, 45)) as dash:
        body = "\n".join(dash.text().splitlines()[2:-1])
        assert "* running" in body
        assert "x failed" in body
        assert not [each for each in body if each in "●✗○↻◐▲✓\u2013▄█"]


async def test_rows_that_say_the_same_stay_the_same_object(make_dash):
    async with make_dash() as dash:
        before = list(dash.screen.grid.rows_shown)
        await dash.push(sample_overview())
        assert all(a is b for a, b in zip(before, dash.screen.grid.rows_shown, strict=True))
        dash.clock.advance(1)
        await dash.push(sample_overview())
        changed = [a.key for a, b in zip(before, dash.screen.grid.rows_shown, strict=True) if a is not b]
        assert LON_1 in changed
        assert SERVICE not in changed


@pytest.mark.parametrize("theme", ["dark", "light", "high-contrast", "colour-blind-safe", "mono"])
async def test_it_is_right_in_every_theme(make_dash, theme):
    async with make_dash(size=(140, 45), theme=theme) as dash:
        assert "● running" in line(dash, "LON_100001")
        await dash.press("space", "J", "b")
        assert "▌ 1 marked" in dash.text()
