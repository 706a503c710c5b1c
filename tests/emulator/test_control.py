"""The controls over HTTP, for tests whose endpoint is another process."""

import asyncio

import pytest


@pytest.fixture
async def wired(start):
    return await start(control=True, ru_per_second=4000)


async def control(wire, verb, path, body=None, **headers):
    given = {"x-emulator-key": wire.emulator.key} | headers
    async with wire.session.request(
        verb, f"{wire.emulator.url}/_control{path}", json=body, headers=given
    ) as answer:
        return answer.status, await answer.json()


async def test_the_controls_are_closed_unless_asked_for(wire):
    status, body = await control(wire, "GET", "")
    assert (status, body["code"]) == (404, "NotFound")


async def test_the_controls_want_the_key(wired):
    for key in ("", "wrong", wired.emulator.key[:-1]):
        assert (await control(wired, "GET", "", **{"x-emulator-key": key}))[0] == 401


async def test_an_overview(wired):
    status, body = await control(wired, "GET", "")
    assert status == 200
    assert body == {"url": wired.emulator.url, "databases": ["d"], "containers": ["d/c"]}


async def test_budgets_are_changed_and_shown(wired):
    assert await control(wired, "POST", "/ru", {"ru_per_second": 80.0, "range_id": "1"}) == (
        200,
        {"changed": 1},
    )
    assert await control(
        wired, "POST", "/ru", {"ru_per_second": None, "range_id": "2", "db": "d", "coll": "c"}
    ) == (200, {"changed": 1})
    assert await control(wired, "POST", "/ru", {"ru_per_second": 5, "db": "other"}) == (200, {"changed": 0})
    _, body = await control(wired, "GET", "/ranges/d/c")
    assert [one["ru_per_second"] for one in body["ranges"]] == [1000, 80, None, 1000]


async def test_a_split(wired):
    assert await control(wired, "POST", "/split", {"db": "d", "coll": "c", "range_id": "0"}) == (
        200,
        {"ranges": ["4", "5"]},
    )
    assert (await control(wired, "POST", "/split", {"db": "d", "coll": "c", "range_id": "0"}))[0] == 404
    assert (await control(wired, "POST", "/split", {"db": "d", "coll": "x", "range_id": "0"}))[0] == 404
    _, body = await control(wired, "GET", "/ranges/d/c")
    assert [(one["id"], one["parents"]) for one in body["ranges"]][:2] == [("4", ["0"]), ("5", ["0"])]


async def test_statistics(wired, cities_of):
    city = cities_of(wired)["2"][0]
    await wired.create({"id": "1", "city": city})
    _, body = await control(wired, "GET", "/stats")
    assert body["total"]["accepted"] == 1
    (second,) = body["containers"]["d/c"]["2"].values()
    assert second == {
        "requests": 1,
        "ops": 1,
        "accepted": 1,
        "throttled": 0,
        "request_units": pytest.approx(5.33),
    }


async def test_faults_are_scripted_counted_and_forgotten(wired):
    status, fault = await control(
        wired, "POST", "/faults", {"action": "answer", "status": 449, "kind": "create", "times": 2}
    )
    assert (status, fault["number"], fault["hits"]) == (200, 1, 0)
    codes = [(await wired.create({"id": "1", "city": "London"})).status for _ in range(3)]
    assert codes == [449, 449, 201]
    _, shown = await control(wired, "GET", "/faults/1")
    assert (shown["hits"], shown["reached"]) == (2, True)
    _, listed = await control(wired, "GET", "/faults")
    assert [one["number"] for one in listed["faults"]] == [1]
    assert await control(wired, "DELETE", "/faults") == (200, {"faults": []})


async def test_a_held_request_is_awaited_and_released(wired):
    await control(wired, "POST", "/faults", {"action": "hold", "kind": "create", "when": "after"})
    request = asyncio.create_task(wired.create({"id": "1", "city": "London"}))
    _, shown = await control(wired, "GET", "/faults/1?reached=10")
    assert shown["reached"] is True
    assert not request.done()
    assert (await control(wired, "POST", "/faults/1/release"))[0] == 200
    assert (await request).status == 201


async def test_waiting_for_a_fault_ends(wired):
    await control(wired, "POST", "/faults", {"action": "reset"})
    _, shown = await control(wired, "GET", "/faults/1?reached=0.01")
    assert shown["reached"] is False


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/ru", {}), ("/ru", {"ru_per_second": 0}), ("/ru", {"ru_per_second": "5"}),
        ("/ru", {"ru_per_second": 5, "x": 1}),
        ("/split", {"db": "d"}), ("/faults", {"action": "explode"}), ("/faults", {"action": "answer",
        "status": 99}),
        ("/faults", {"action": "answer", "nth": 0}), ("/faults", []), ("/ru", None),
    ],
)  # fmt: skip
async def test_a_wrong_control_is_400(wired, path, body):
    status, answer = await control(wired, "POST", path, body)
    assert (status, answer["code"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("verb", "path"),
    [("GET", "/nothing"), ("PUT", "/ru"), ("GET", "/ranges/d/none"), ("GET", "/faults/9"), ("GET",
    "/faults/x"), ("POST", "/faults/9/release")],
)  # fmt: skip
async def test_an_unknown_control_is_404(wired, verb, path):
    assert (await control(wired, verb, path))[0] == 404


async def test_waiting_needs_seconds(wired):
    await control(wired, "POST", "/faults", {"action": "reset"})
    assert (await control(wired, "GET", "/faults/1?reached=soon"))[0] == 400
