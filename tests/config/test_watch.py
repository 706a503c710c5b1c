"""Picking up changes while running, and what a change means."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from sensor_tui.config import (
    LIVE_KEYS,
    RECONNECT_KEYS,
    ConfigWatcher,
    Loaded,
    Settings,
    diff,
    needs_reconnect,
    needs_restart,
)
from sensor_tui.config.catalogue import leaves
from sensor_tui.config.watch import SETTLE_SECONDS
from sensor_tui.errors import ConfigError


class SteppedClock:
    """Waits are over at once; a wait may carry something that happens meanwhile."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.meanwhile: list = []

    def now(self) -> float:
        return 0.0

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        if self.meanwhile:
            self.meanwhile.pop(0)()
        await asyncio.sleep(0)


@pytest.fixture
def clock():
    return SteppedClock()


@pytest.fixture
def watch(read, clock):
    def watch(text: str, **kwargs) -> ConfigWatcher:
        return ConfigWatcher(read(text, **kwargs), clock=clock)

    return watch


async def test_nothing_changed_is_nothing(watch):
    watcher = watch("region: A")
    assert await watcher.check() is None
    assert await watcher.check() is None


async def test_a_good_change_is_given_and_kept(watch, write):
    watcher = watch("region: A")
    write("region: B")
    change = await watcher.check()
    assert isinstance(change, Loaded)
    assert change.settings.region == "B"
    assert watcher.current is change
    assert await watcher.check() is None


async def test_a_change_between_reading_and_watching_is_found(read, write, clock):
    loaded = read("region: A")
    write("region: B")
    assert (await ConfigWatcher(loaded, clock=clock).check()).settings.region == "B"


async def test_a_broken_change_is_told_once_and_the_old_one_stays(watch, write):
    watcher = watch("region: A")
    write("regio: B")
    change = await watcher.check()
    assert isinstance(change, ConfigError)
    assert "Did you mean 'region'" in change.message
    assert watcher.current.settings.region == "A"
    assert await watcher.check() is None


async def test_mending_it_is_told_even_if_nothing_differs(watch, write):
    watcher = watch("region: A")
    write("regio: B")
    await watcher.check()
    write("region: A")
    assert isinstance(await watcher.check(), Loaded)


async def test_another_error_is_told_again(watch, write):
    watcher = watch("region: A")
    write("regio: B")
    await watcher.check()
    write("bogus: B")
    assert "bogus" in (await watcher.check()).message


async def test_a_comment_is_no_change(watch, write):
    watcher = watch("region: A")
    write("region: A  # the same")
    assert await watcher.check() is None


async def test_a_file_replaced_by_rename_with_the_same_size_and_time(watch, write):
    watcher = watch("region: A")
    await watcher.check()
    old = watcher.current.path
    stamp = old.stat()
    new = write("region: B", "new.yaml")
    os.utime(new, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    new.replace(old)
    assert (await watcher.check()).settings.region == "B"


async def test_a_swapped_link(read, write, clock, tmp_path):
    """As Kubernetes does it: the folder behind the link is swapped."""
    write("region: A", "v1/file.yaml")
    write("region: B", "v2/file.yaml")
    (tmp_path / "now").symlink_to("v1")
    watcher = ConfigWatcher(read(path=tmp_path / "now" / "file.yaml"), clock=clock)
    (tmp_path / "next").symlink_to("v2")
    (tmp_path / "next").replace(tmp_path / "now")
    assert (await watcher.check()).settings.region == "B"


async def test_a_half_written_file_is_not_read(watch, write, clock):
    watcher = watch("region: A")
    await watcher.check()
    write("region: B\ncosmos: {data")
    clock.meanwhile = [lambda: write("region: C\n")]
    assert (await watcher.check()).settings.region == "C"


async def test_a_file_that_is_away_for_a_moment(watch, write, clock):
    watcher = watch("region: A")
    await watcher.check()
    watcher.current.path.unlink()
    clock.meanwhile = [lambda: None, lambda: None, lambda: write("region: B")]
    assert (await watcher.check()).settings.region == "B"


async def test_a_file_that_is_gone_is_told_and_found_again(watch, write):
    watcher = watch("region: A")
    watcher.current.path.unlink()
    change = await watcher.check()
    assert isinstance(change, ConfigError)
    assert "gone" in change.message
    assert watcher.current.settings.region == "A"
    write("region: B")
    assert (await watcher.check()).settings.region == "B"


async def test_the_key_file_is_watched(watch, write, key):
    path = write(key, "cosmos.key")
    watcher = watch("cosmos: {key_file: cosmos.key}")
    path.write_text("b3RoZXI=")
    change = await watcher.check()
    assert change.settings.cosmos.key.get_secret_value() == "b3RoZXI="
    path.write_text("not a key")
    assert isinstance(await watcher.check(), ConfigError)
    assert watcher.current.settings.cosmos.key.get_secret_value() == "b3RoZXI="


async def test_a_key_file_that_comes_later_mends_the_change(watch, write, key):
    watcher = watch("region: A")
    write("cosmos: {key_file: cosmos.key}")
    assert isinstance(await watcher.check(), ConfigError)
    write(key, "cosmos.key")
    assert (await watcher.check()).settings.cosmos.key.get_secret_value() == key


async def test_dotenv_is_watched(watch, write):
    watcher = watch("{}")
    assert await watcher.check() is None
    write("REGION=B\n", ".env")
    assert (await watcher.check()).settings.region == "B"


async def test_options_stay_stronger_than_a_changed_file(watch, write):
    watcher = watch("region: A", overrides={"region": "given"})
    write("region: B\nno_color: true")
    change = await watcher.check()
    assert (change.settings.region, change.settings.no_color) == ("given", True)


async def _take(changes: AsyncIterator, count: int) -> list:
    return [await anext(changes) for _ in range(count)]


async def test_changes_follow_the_poll_interval_of_the_configuration_itself(watch, write, clock):
    watcher = watch("config_watch: {poll_interval_seconds: 2}")
    clock.meanwhile = [lambda: write("config_watch: {poll_interval_seconds: 9}")]
    changes = watcher.changes()
    await _take(changes, 1)
    clock.meanwhile = [lambda: write("bogus: 1")]
    [broken] = await _take(changes, 1)
    assert isinstance(broken, ConfigError)
    assert [wait for wait in clock.waits if wait != SETTLE_SECONDS] == [2, 9]


async def test_watching_that_is_off_ends_at_once(watch, clock):
    watcher = watch("config_watch: {enabled: false}")
    assert [change async for change in watcher.changes()] == []
    assert clock.waits == []


async def test_watching_that_is_turned_off_ends_after_that_change(watch, write, clock):
    watcher = watch("region: A")
    clock.meanwhile = [lambda: write("config_watch: {enabled: false}")]
    changes = [change async for change in watcher.changes()]
    assert [change.settings.config_watch.enabled for change in changes] == [False]


async def test_no_secret_is_logged_about_a_refused_change(watch, write, caplog):
    watcher = watch("region: A")
    write("cosmos: {key: my-secret-key}")
    await watcher.check()
    assert "refused" in caplog.text
    assert "my-secret-key" not in caplog.text


def test_diff_names_keys_and_never_values(read):
    old = read("cosmos: {key: b2xk, database: A}").settings
    new = read("cosmos: {key: bmV3, database: A}\nperformance: {batch_size: 5}").settings
    assert diff(old, new) == ["cosmos.key", "performance.batch_size"]
    assert diff(old, old) == []


@pytest.mark.parametrize(
    ("changed", "reconnect", "restart"),
    [
        ([], False, False),
        (["performance.batch_size", "logging.level", "performance.upload_interval_seconds"], False, False),
        (["cosmos.endpoint"], True, False),
        (["cosmos.key"], True, False),
        (["cosmos.database", "logging.level"], True, False),
        (["data_dir"], False, True),
        (["cosmos.key", "service.listen"], True, True),
        (["processing.processors"], False, True),
        (["fleet.max_cities", "cities"], False, False),
    ],
)
def test_what_a_change_needs(changed, reconnect, restart):
    assert needs_reconnect(changed) is reconnect
    assert needs_restart(changed) is restart


def test_key_sets_name_keys_of_the_schema():
    assert RECONNECT_KEYS < LIVE_KEYS < set(leaves())


def test_equal_settings_have_no_difference():
    assert diff(Settings(), Settings()) == []
