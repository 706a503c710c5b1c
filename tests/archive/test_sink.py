"""The sink: what it refuses and how it says so, who holds a dataset, and what it loads."""

import asyncio
import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sensor_tui.errors import ConfigError, SinkRefused
from sensor_tui.sync.contract import RequestFailed, Verdict
from sensor_tui.sync.sinks.archive import files, lock
from sensor_tui.sync.sinks.archive import sink as module
from sensor_tui.sync.sinks.archive.options import ArchiveOptions
from sensor_tui.sync.sinks.archive.sink import ArchiveSink
from tests.archive.kit import document, documents, ids_in, opened
from tests.support.clock import JumpingClock


def make_sink(path, name="JSON lines", **more):
    return ArchiveSink(ArchiveOptions(path=path, format=name, **more), JumpingClock())


async def test_what_can_never_be_archived_is_rejected_alone(make, form):
    async with make(form) as archive:
        answer = await archive.send(
            [document(0), b"{", document(1)], [document(2, timestamp="never"), document(3)]
        )
        assert answer.already_there == 0
        assert {at: each.verdict for at, each in (answer.exceptions or {}).items()} == {
            1: Verdict.REJECTED,
            3: Verdict.REJECTED,
        }
        assert "not JSON" in answer.exceptions[1].reason
        assert "no usable time: 'never'" in answer.exceptions[3].reason
        assert len(ids_in(archive.parts()[0])) == 3


async def test_lanes_are_few_and_a_sensor_has_one(tmp_path):
    sink = make_sink(tmp_path)
    lanes = {sink.route(f"LON_{n:06}").lane for n in range(1000)} | {
        sink.route(key).lane for key in (None, 1, "\ud800")
    }
    assert lanes == {str(n + 1) for n in range(8)}
    assert sink.route("LON_1").lane == sink.route("LON_1").lane
    assert sink.key_field == "sensorId"
    assert sink.limits.documents >= 1000
    await sink.reroute()
    await sink.close()


async def test_the_folder_is_made_and_its_health_is_real(tmp_path):
    sink = make_sink(tmp_path / "deep" / "archive")
    health = await sink.health()
    assert not health.ok
    assert "cannot be used: No such file or directory" in health.message
    assert list(await sink.open()) == []
    health = await sink.health()
    assert health.ok
    assert "GB are free" in health.message
    (tmp_path / "deep" / "archive").rmdir()
    (tmp_path / "deep" / "archive").write_text("a file")
    health = await sink.health()
    assert not health.ok
    assert "Not a directory" in health.message
    with pytest.raises(SinkRefused, match="cannot be used"):
        await sink.open()
    await sink.close()


async def test_a_folder_that_goes_while_it_runs_is_refused_and_comes_back(make):
    async with make("JSON lines") as archive:
        await archive.send(documents(0, 2))
        moved = archive.folder.rename(archive.folder.with_name("elsewhere"))
        with pytest.raises(SinkRefused, match="No such file or directory") as caught:
            await archive.send(documents(2, 2))
        assert "archive.path" in caught.value.fix
        moved.rename(archive.folder)
        assert (await archive.send(documents(0, 4))).already_there == 2


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "its disk is full"),
        (errno.EDQUOT, "its disk is full"),
        (errno.EROFS, f"cannot be written by user {os.getuid()}:"),
        (errno.EACCES, "Permission denied"),
    ],
)
async def test_what_the_file_system_refuses_is_said_and_left_clean(make, monkeypatch, code, words):
    async with make("JSON lines") as archive:
        await archive.send(documents(0, 2))

        def fails(path):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(files, "publish", lambda hidden, path: fails(path))
        with pytest.raises(SinkRefused, match=words) as caught:
            await archive.send(documents(2, 2))
        assert "nothing is lost" in caught.value.fix
        assert len(list(archive.dataset().iterdir())) == 1
        monkeypatch.undo()
        answer = await archive.send(documents(0, 4))
        assert answer.already_there == 2


async def test_a_full_disk_is_refused_by_the_real_one(tmp_path):
    """A file may grow to a bound only, as on a full disk, in a process of its own."""
    code = (
        "import asyncio, resource, signal, sys\n"
        "from pathlib import Path\n"
        "from tests.archive.kit import opened, documents\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "async def main():\n"
        "    async with opened(Path(sys.argv[1]), 'CSV') as archive:\n"
        "        await archive.send(documents(0, 5))\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "        try:\n"
        "            await archive.send(documents(5, 500))\n"
        "        except Exception as error:\n"
        "            print(type(error).__name__, error)\n"
        "        print(sorted(path.name[:15] for path in archive.dataset().iterdir()))\n"
        "asyncio.run(main())\n"
    )
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", code, tmp_path / "a"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("SinkRefused the archive ")
    assert "File too large" in first
    assert second == "['0000000001-0-5-']"


async def test_a_passing_fault_is_tried_again(make, monkeypatch):
    async with make("JSON lines") as archive:

        def fails(*_):
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(files, "publish", fails)
        with pytest.raises(RequestFailed) as caught:
            await archive.send(documents(0, 2))
        assert caught.value.judgement.verdict is Verdict.TRANSIENT
        assert "Input/output error" in caught.value.judgement.reason


async def test_a_part_that_cannot_be_read_stops_that_sensor_alone(make, form, caplog):
    async with make(form) as archive:
        await archive.send(documents(0, 20) + documents(0, 5, sensor="B"))
    [part] = archive.parts()
    part.write_bytes(part.read_bytes()[:-150] + b"!")
    async with make(form) as archive:
        for _ in range(2):
            answer = await archive.send(documents(10, 20) + documents(0, 7, sensor="B"))
            assert len(answer.exceptions) == 20
            assert {each.verdict for each in answer.exceptions.values()} == {Verdict.TRANSIENT}
            assert "Move that file out of the archive" in answer.exceptions[0].reason
        assert sum("Move that file" in record.message for record in caplog.records) == 1
        health = await archive.sink.health()
        assert not health.ok
        assert part.name in health.message
        part.rename(archive.folder.parent / part.name)
        answer = await archive.send(documents(10, 20))
        assert answer.exceptions is None
        assert (await archive.sink.health()).ok


HOLDER = """\
import sys
from sensor_tui.sync.sinks.archive import lock
with lock.hold(sys.argv[1], lock.name_here(0.0)):
    print("held", flush=True)
    sys.stdin.read()
"""


async def test_a_dataset_that_another_process_writes_waits_and_names_it(make, tmp_path):
    async with make("JSON lines") as archive:
        await archive.send(documents(0, 2))
        path = archive.dataset().parent / ".LON_123456.jsonl.lock"
        other = await asyncio.to_thread(
            subprocess.Popen,
            [sys.executable, "-c", HOLDER, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with other:
            assert other.stdout.readline() == b"held\n"
            answer = await archive.send(documents(2, 2) + documents(0, 1, sensor="B"))
            assert set(answer.exceptions) == {0, 1}
            judgement = answer.exceptions[0]
            assert judgement.verdict is Verdict.TRANSIENT
            assert judgement.delay > 0
            assert f"is being written by process {other.pid} on " in judgement.reason
            other.stdin.close()
            other.wait(10)
        assert (await archive.send(documents(0, 4))).already_there == 2


def test_a_holder_without_a_name_is_said_so(tmp_path):
    path = tmp_path / "x.lock"
    path.write_bytes(b"\xff[1]")
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with (
            pytest.raises(lock.Busy, match=r"another process \(fuser /\S+/x\.lock names it\)"),
            lock.hold(str(path), b"me"),
        ):
            pass
    with lock.hold(str(path), b"me") as alone:
        assert not alone
    with lock.hold(str(path), b"me") as alone:
        assert alone


async def test_two_engines_on_one_archive_do_not_double(tmp_path, form):
    folder = tmp_path / "archive"
    async with opened(folder, form, compact_files=3) as one, opened(folder, form, compact_files=3) as two:
        two.sink._holder = lock.name_here(1.0)
        for first in range(0, 60, 6):
            for archive in (one, two):
                answer = await archive.send(documents(first, 6))
                while answer.exceptions:
                    answer = await archive.send(documents(first, 6))
        await one.settled()
        await two.settled()
        found = [each for part in one.parts() for each in ids_in(part)]
        assert len(found) == len(set(found)) == 60


async def test_a_request_that_is_given_up_is_finished_before_the_end(tmp_path, monkeypatch):
    async with opened(tmp_path / "archive", "JSON lines") as archive:
        started, real = asyncio.Event(), files.write_whole
        loop = asyncio.get_running_loop()

        def slow(*args):
            loop.call_soon_threadsafe(started.set)
            real(*args)

        monkeypatch.setattr(files, "write_whole", slow)
        request = asyncio.create_task(archive.send(documents(0, 3)))
        await started.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
    assert len(ids_in(archive.parts()[0])) == 3
    assert not [path for path in archive.dataset().iterdir() if path.name.startswith(".")]


async def test_compaction_that_fails_is_said_and_not_tried_at_once(make, monkeypatch, caplog):
    tries = []

    def fails(dataset, *_):
        tries.append(dataset)
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(module, "compact", fails)
    async with make("JSON lines", compact_files=3) as archive:
        for first in range(7):
            await archive.send(documents(first, 1))
            await archive.settled()
        assert len(tries) == 2
        assert "stays in small parts for now" in caplog.text


async def test_documents_of_the_folders_own_city_stand_right_in_it(tmp_path):
    async with opened(tmp_path, "JSON lines", own_city="São Paulo") as archive:
        await archive.send(documents(0, 1, city="São Paulo") + documents(0, 1))
        assert (tmp_path / "LON_123456.jsonl").is_dir()
        assert (tmp_path / "London" / "LON_123456.jsonl").is_dir()


async def test_few_datasets_are_kept_in_mind(make, monkeypatch):
    monkeypatch.setattr(module, "_MOST_DATASETS", 3)
    async with make("JSON lines") as archive:
        for turn in range(2):
            for number in range(6):
                answer = await archive.send(documents(0, 2, sensor=f"S{number}"))
                assert answer.already_there == 2 * turn
                assert len(archive.sink._kept) <= 3


async def test_leftovers_of_a_crash_are_cleared_when_it_opens(make, form):
    async with make(form) as archive:
        await archive.send(documents(0, 3))
    city, name = archive.dataset().parent, archive.dataset().name
    (archive.dataset() / ".part.tmp").write_bytes(b"half")
    for hidden in (f".{name}.new", f".{name}.gone-17"):
        (city / hidden).mkdir()
        (city / hidden / "x").touch()
    archive.dataset().rename(city / f".{name}.old")
    async with make(form):
        assert sorted(path.name for path in city.iterdir()) == [f".{name}.lock", name]
        assert [path.name for path in archive.dataset().iterdir()] == [archive.parts()[0].name]


async def test_a_folder_of_others_is_passed_by(make, monkeypatch):
    async with make("JSON lines") as archive:
        await archive.send(documents(0, 1))
        (archive.folder / "lost+found").mkdir()
    real = os.scandir

    def scandir(path):
        if str(path).endswith("lost+found"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    async with make("JSON lines") as archive:
        assert (await archive.send(documents(0, 1))).already_there == 1


def test_parquet_without_pyarrow_is_a_configuration_that_cannot_be_used(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        make_sink(tmp_path, "Parquet")
    assert "pip install 'sensor-tui[parquet]'" in caught.value.fix
    make_sink(tmp_path, "CSV")


async def test_pyarrow_that_cannot_be_loaded_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "sensor_tui.sync.sinks.archive.parquet", raising=False)
    monkeypatch.setattr(module, "find_spec", lambda name: name)
    sink = make_sink(tmp_path, "Parquet")
    with pytest.raises(SinkRefused, match="pyarrow cannot be loaded"):
        await sink.open()
    await sink.close()


def test_pyarrow_is_loaded_where_parquet_is_written_and_nowhere_else(tmp_path):
    code = (
        "import asyncio, sys; from pathlib import Path; import sensor_tui.service.archive\n"
        "from tests.archive.kit import opened, documents\n"
        "assert 'pyarrow' not in sys.modules\n"
        "async def main():\n"
        "    for name in ('CSV', 'JSON lines'):\n"
        "        async with opened(Path(sys.argv[1]), name) as archive:\n"
        "            await archive.send(documents(0, 5))\n"
        "asyncio.run(main())\n"
        "print('pyarrow' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert done.stdout == "False\n", done.stderr


def test_the_package_is_the_only_one_that_names_pyarrow_early():
    package = Path(module.__file__).parent
    found = [path.name for path in package.glob("*.py") if "\nimport pyarrow" in path.read_text()]
    assert found == ["parquet.py"]
