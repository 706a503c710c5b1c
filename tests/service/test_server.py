import asyncio
import getpass
import json
import os

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from sensor_tui.errors import ServiceError, StorageError, UsageError
from sensor_tui.model.progress import EngineState
from sensor_tui.service.server import Server
from sensor_tui.service.wire import PROTOCOL, PROTOCOL_HEADER, VERSION_HEADER

TOKEN = SecretStr("a-token-that-nobody-guesses")


@pytest.fixture
async def listen(actions):
    """Serve on TCP; gives a client of it."""
    server, clients = Server(actions), []

    async def listening(token=None, host="127.0.0.1", **headers):
        name, port = await server.serve_tcp((host, 0), token)
        client = httpx.AsyncClient(base_url=f"http://{name}:{port}", headers=headers, trust_env=False)
        clients.append(client)
        return client

    yield listening
    for client in clients:
        await client.aclose()
    await server.close()


@pytest.mark.parametrize(
    ("state", "status"),
    [(EngineState.RUNNING, 200), (EngineState.IDLE, 200), (EngineState.PAUSED, 200),
     (EngineState.STARTING, 503), (EngineState.REFUSED, 503), (EngineState.UNREACHABLE, 503),
     (EngineState.DRAINING, 503)],
)  # fmt: skip
async def test_the_healthcheck_says_whether_readings_flow(http, actions, state, status):
    actions.engine = actions.engine.model_copy(update={"state": state, "reason": "why"})

    answer = await http.get("/healthcheck")

    assert answer.status_code == status
    assert (answer.json()["ok"], answer.json()["state"], answer.json()["reason"]) == (
        status == 200,
        state,
        "why",
    )


async def test_metrics_are_prometheus_text(http):
    answer = await http.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {
        sample.name: sample
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert samples["sensor_tui_readings_accepted_total"].value == 7
    assert samples["sensor_tui_backlog"].value == 2
    assert samples["sensor_tui_dead_letters"].value == 4
    assert samples["sensor_tui_in_flight"].value == 3
    assert samples["sensor_tui_lag_seconds"].value > 0
    assert samples["sensor_tui_sensor_backlog"].labels == {
        "sensor_id": 'LON_"1\n',
        "city": "London",
        "source": "a.db",
    }
    names = set(samples)
    for counter in ("rejected", "retried", "throttled"):
        assert f"sensor_tui_readings_{counter}_total" in names
    assert "sensor_tui_request_units_total" in names


async def test_a_status_is_a_snapshot_with_protocol_and_sequence(http):
    report = (await http.get("/v1/status")).json()

    assert (report["protocol"], report["backlog"], report["dead_letters"]) == (PROTOCOL, 2, 4)
    assert report["sequence"] > 0
    broken = report["sensors"][1]
    assert (broken["backlog"], broken["newest"], broken["problem"]) == (None, None, "broken")


async def test_an_action_is_done_by_the_user_at_the_other_end(http, actions):
    for name in ("pause", "resume", "sync"):
        assert (await http.post(f"/v1/{name}")).status_code == 200

    assert [name for name, _ in actions.asked] == ["pause", "resume", "sync"]
    assert all(getpass.getuser() in who and str(os.getpid()) in who for _, who in actions.asked)


async def test_events_are_lines_of_json_that_end_with_the_service(http, actions):
    async with http.stream("GET", "/v1/events") as answer:
        assert answer.headers["content-type"] == "application/x-ndjson"
        lines = answer.aiter_lines()
        assert json.loads(await anext(lines))["kind"] == "snapshot"
        actions.board.close()
        assert [json.loads(line)["kind"] async for line in lines] == ["goodbye"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/", None, 404),
        ("GET", "/v1/../../etc/passwd", None, 404),
        ("POST", "/v1/status", None, 405),
        ("GET", "/v1/pause", None, 405),
        ("GET", "/v1/events?since=-1", None, 400),
        ("GET", "/v1/events?since=99999999999999999999", None, 400),
        ("GET", "/v1/events?since=%D9%A3", None, 400),
        ("GET", "/v1/deadletters?limit=0", None, 400),
        ("GET", "/v1/deadletters?limit=100000", None, 400),
        ("GET", "/v1/deadletters?offset=x", None, 400),
        ("GET", "/v1/deadletters/abc", None, 400),
        ("GET", "/v1/deadletters/99999999999999999999", None, 400),
        ("GET", "/v1/deadletters/1", None, 404),
        ("GET", "/v1/throughput?since=yesterday", None, 400),
        ("POST", "/v1/deadletters/retry", b"", 400),
        ("POST", "/v1/deadletters/retry", b"{", 400),
        ("POST", "/v1/deadletters/retry", b"\xff", 400),
        ("POST", "/v1/deadletters/retry", b"[" * 5000, 400),
        ("POST", "/v1/deadletters/retry", b'{"ids": [0]}', 400),
        ("POST", "/v1/deadletters/retry", b'{"ids": [1], "all": true}', 400),
        ("POST", "/v1/deadletters/retry", b'{"ids": ["1; drop"]}', 400),
        ("POST", "/v1/deadletters/drop", b'{"everything": true}', 400),
        ("POST", "/v1/drain", b'{"stop": "maybe"}', 400),
        ("POST", "/v1/drain", b" " * 300_000, 413),
    ],
)
async def test_hostile_input_is_answered_in_json_and_reaches_nothing(
    http, actions, method, path, body, status
):
    answer = await http.request(method, path, content=body)

    assert answer.status_code == status
    assert answer.json()["error"]
    assert answer.json()["protocol"] == PROTOCOL
    assert [words for words in actions.asked if words[0] != "letter"] == []


async def test_what_is_no_http_is_refused(socket_path):
    reader, writer = await asyncio.open_unix_connection(socket_path)
    writer.write(b"\x16\x03\x01 hello\r\n\r\n")

    answer = await reader.read()

    assert b"400" in answer.split(b"\r\n")[0]
    writer.close()
    await writer.wait_closed()


async def test_the_choice_of_letters_reaches_the_action(http, actions):
    await http.post("/v1/deadletters/retry", json={"ids": [3, 4]})
    await http.post("/v1/deadletters/drop", json={"all": True})
    await http.post("/v1/drain", json={"stop": True})

    assert actions.asked == [("retry", (3, 4)), ("drop", None), ("drain", True, False)]


async def test_another_protocol_is_refused_with_both_versions(http, actions):
    answer = await http.post("/v1/pause", headers={PROTOCOL_HEADER: "99", VERSION_HEADER: "9.9.9"})

    assert answer.status_code == 426
    assert all(word in answer.json()["error"] for word in ("9.9.9", "99", f"protocol {PROTOCOL}"))
    assert actions.asked == []


async def test_every_answer_names_its_version(http):
    for path in ("/healthcheck", "/metrics", "/v1/status", "/nowhere"):
        answer = await http.get(path)
        assert answer.headers[PROTOCOL_HEADER] == str(PROTOCOL)
        assert answer.headers[VERSION_HEADER]


async def test_a_web_page_is_not_answered(http, actions):
    answer = await http.post("/v1/pause", headers={"Origin": "http://evil.example"})

    assert answer.status_code == 403
    assert actions.asked == []


async def test_an_error_of_ours_keeps_message_and_fix(http, actions):
    actions.fails = StorageError("the ledger is full", fix="Make room")

    answer = await http.post("/v1/pause")

    assert answer.status_code == 409
    assert (answer.json()["error"], answer.json()["fix"], answer.json()["exit_code"]) == (
        "the ledger is full", "Make room", 1,
    )  # fmt: skip


async def test_a_bug_is_a_500_that_tells_nothing(http, actions, caplog):
    actions.fails = RuntimeError("secret detail")

    answer = await http.post("/v1/pause")

    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "secret detail" in caplog.text


async def test_a_token_is_asked_for_on_tcp(listen, actions):
    client = await listen(TOKEN)

    for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN.get_secret_value()},
                  {"Authorization": "Bearer"}, {"Authorization": "Bearer \u00fc".encode()}):  # fmt: skip
        answer = await client.post("/v1/pause", headers=given)
        assert answer.status_code == 401
        assert TOKEN.get_secret_value() not in answer.text
    assert actions.asked == []
    right = {"Authorization": f"bearer {TOKEN.get_secret_value()}"}
    assert (await client.post("/v1/pause", headers=right)).status_code == 200
    assert actions.asked[0][1] == "tcp 127.0.0.1"


async def test_a_port_that_others_reach_needs_a_token(listen):
    with pytest.raises(UsageError, match="token"):
        await listen(None, host="0.0.0.0")


async def test_loopback_without_a_token_answers_to_its_own_name_alone(listen):
    client = await listen()

    assert (await client.get("/healthcheck")).status_code == 200
    assert (await client.get("/healthcheck", headers={"Host": "rebound.example"})).status_code == 403


async def test_a_port_in_use_is_named(listen, actions):
    client = await listen()
    server = Server(actions)

    with pytest.raises(ServiceError, match=str(client.base_url.port)):
        await server.serve_tcp(("127.0.0.1", client.base_url.port), None)
    await server.close()
