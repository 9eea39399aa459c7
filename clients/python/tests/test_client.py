import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from portcullis.v1 import approval_pb2, decision_pb2
from portcullis_client import TLS, Action, AsyncClient, Client, Decision, Effect, Kind, Outcome, Principal, Usage, Verdict, protocol

from .conftest import ALLOW, WHO, FakePDP, answer, refuse, verdict

X = Action("x")


def decide(flavour: str, address: str, action: Action = X, timeout: float = 5.0) -> Decision:
    """One question by either client."""
    if flavour == "sync":
        with Client(address, principal=WHO, token="t", timeout=timeout) as client:
            return client.decide(action)

    async def ask() -> Decision:
        async with AsyncClient(address, principal=WHO, token="t", timeout=timeout) as client:
            return await client.decide(action)

    return asyncio.run(ask())


def wait(flavour: str, address: str, timeout: float) -> Verdict:
    if flavour == "sync":
        with Client(address, principal=WHO, token="t") as client:
            return client.wait("ap1", timeout)

    async def listen() -> Verdict:
        async with AsyncClient(address, principal=WHO, token="t") as client:
            return await client.wait("ap1", timeout)

    return asyncio.run(listen())


either = pytest.mark.parametrize("flavour", ["sync", "asyncio"])


@either
def test_an_allow(flavour: str, pdp: FakePDP) -> None:
    assert decide(flavour, pdp.address)


@either
@pytest.mark.parametrize(
    ("domain", "code", "reason"),
    [
        ("portcullis", grpc.StatusCode.FAILED_PRECONDITION, "APPROVAL_USED"),
        ("somebody.else", grpc.StatusCode.PERMISSION_DENIED, "PDP_UNREACHABLE"),
        (None, grpc.StatusCode.UNAVAILABLE, "PDP_UNREACHABLE"),
    ],
)
def test_failed_calls_are_denies(flavour: str, pdp: FakePDP, domain: str | None, code: grpc.StatusCode, reason: str) -> None:
    pdp.decide = lambda _, context: refuse(context, code, "APPROVAL_USED", domain) if domain else context.abort(code, "x")
    decision = decide(flavour, pdp.address)
    assert (decision.effect, decision.code, decision.reasons[0].code) == (Effect.DENY, code, reason)


@either
def test_an_answer_that_is_no_message_is_a_deny(flavour: str, pdp: FakePDP, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "read", lambda *_: decision_pb2.DecideResponse.FromString(b"\xff"))
    decision = decide(flavour, pdp.address)
    assert not decision and decision.reasons[0].code == "PDP_UNREACHABLE"


@pytest.fixture
def hole() -> Iterator[str]:
    """Accepts connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield "127.0.0.1:%d" % server.getsockname()[1]


@either
def test_threat_c6_a_silent_pdp_denies_at_the_deadline(flavour: str, hole: str) -> None:
    began = time.monotonic()
    decision = decide(flavour, hole, timeout=0.3)
    assert (decision.effect, decision.code) == (Effect.DENY, grpc.StatusCode.DEADLINE_EXCEEDED)
    assert decision.reasons[0].code == "PDP_UNREACHABLE"
    assert 0.25 < time.monotonic() - began < 3


@either
def test_threat_c6_a_stuck_answer_denies_at_the_deadline(flavour: str, pdp: FakePDP) -> None:
    release = threading.Event()

    def stuck(_: Any, context: Any) -> Any:
        release.wait(10)
        return answer(ALLOW)

    pdp.decide = stuck
    decision = decide(flavour, pdp.address, timeout=0.3)
    release.set()
    assert (decision.effect, decision.code) == (Effect.DENY, grpc.StatusCode.DEADLINE_EXCEEDED)


@either
def test_nobody_there_is_a_deny(flavour: str, hole: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = "127.0.0.1:%d" % server.getsockname()[1]
    assert decide(flavour, address).reasons[0].code == "PDP_UNREACHABLE"


def test_a_request_carries_everything(pdp: FakePDP, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    now = Principal(agent="b", session="s2", user="u")
    action = Action("t", {"n": 2**53 + 1}, kind=Kind.TOOL_CALL, server="srv", estimate=Usage(tokens=7, model="m/1", input_tokens=5, output_tokens=2))
    with Client(pdp.address, principal=lambda: now, token_file=file) as client:
        client.decide(action, approval_id="ap", request_id="r")
        file.write_text("second")
        client.decide(action, principal=Principal(agent="c", session="s3"))
        file.write_text("\n")
        assert client.decide(action).reasons[0].code == "PDP_UNREACHABLE"
    asked = pdp.asked[0]
    assert (asked.request_id, asked.approval_id, asked.principal.agent, asked.principal.user) == ("r", "ap", "b", "u")
    assert asked.action.arguments_json == '{"n":9007199254740993}'
    estimate = asked.action.estimate
    assert (asked.action.server, estimate.tokens, estimate.model, estimate.input_tokens, estimate.output_tokens) == ("srv", 7, "m/1", 5, 2)
    assert pdp.asked[1].principal.agent == "c"
    assert pdp.tokens == ["Bearer first", "Bearer second"]


def test_a_report(pdp: FakePDP) -> None:
    with Client(pdp.address, principal=WHO, token="t") as client:
        client.report("d1", Outcome.FAILED, Usage(cost_micro_usd=3))
    report = pdp.reports.get()
    assert (report.decision_id, report.status, report.actual.cost_micro_usd) == ("d1", Outcome.FAILED.value, 3)


@either
def test_a_wait_outlives_broken_streams(flavour: str, pdp: FakePDP) -> None:
    after = []

    def watch(request: Any, context: Any) -> Iterator[Any]:
        after.append(request.after_sequence)
        match len(after):
            case 1:
                context.abort(grpc.StatusCode.UNAVAILABLE, "x")
            case 2:
                yield decision_pb2.WatchVerdictResponse(approval_id="ap1", sequence=1, state=approval_pb2.APPROVAL_STATE_PENDING)
                yield decision_pb2.WatchVerdictResponse(heartbeat=True)
            case _:
                yield from verdict(approval_pb2.APPROVAL_STATE_APPROVED)(request, context)

    pdp.watch = watch
    heard = wait(flavour, pdp.address, 60)
    assert heard and heard.comment == "hm"
    assert after == [0, 0, 1]


@either
def test_a_stream_that_went_silent_is_opened_again(flavour: str, pdp: FakePDP, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEARTBEAT_TIMEOUT", 0.2)
    streams = []

    def watch(request: Any, context: Any) -> Iterator[Any]:
        streams.append(request)
        if len(streams) == 1:
            silent = threading.Event()
            context.add_callback(silent.set)
            silent.wait(20)
            return
        yield from verdict(approval_pb2.APPROVAL_STATE_APPROVED)(request, context)

    pdp.watch = watch
    began = time.monotonic()
    assert wait(flavour, pdp.address, 60)
    assert len(streams) == 2 and time.monotonic() - began < 5


@either
def test_a_rejection_ends_the_wait(flavour: str, pdp: FakePDP) -> None:
    pdp.watch = verdict(approval_pb2.APPROVAL_STATE_REJECTED)
    heard = wait(flavour, pdp.address, 60)
    assert not heard and heard.reason == "APPROVAL_REJECTED"


@either
def test_silence_is_a_no(flavour: str, pdp: FakePDP, hole: str) -> None:
    heard = wait(flavour, hole, 0.3)
    assert not heard and heard.reason == "APPROVAL_WAIT_TIMEOUT"


def test_being_cancelled_is_no_answer(hole: str) -> None:
    async def ask() -> None:
        async with AsyncClient(hole, principal=WHO, token="t") as client:
            await asyncio.wait_for(client.decide(X), 0.1)

    with pytest.raises(TimeoutError):
        asyncio.run(ask())


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    "options",
    [
        {"address": "192.0.2.1:7070", "token": "t"},
        {"address": "localhost.example.com:7070", "token": "t"},
        {"address": "dns:///example.com:7070", "token": "t"},
        {"address": "127.0.0.1.example.com:1", "token": "t"},
        {"token": "admin\nx: y"},
        {"token": "admin x"},
        {"token": ""},
        {"token": "t", "token_file": "f"},
        {"token_file": "no/such/file"},
        {},
        {"token": "t", "tls": TLS(ca_file="no/such/file")},
        {"token": "t", "tls": TLS(cert_file="f")},
    ],
)
def test_threat_c5_a_configuration_that_gives_the_token_away_is_refused(kind: Any, options: dict[str, Any]) -> None:
    with pytest.raises((ValueError, OSError)) as refused:
        client = kind(principal=WHO, **options)
        asyncio.run(client.decide(X)) if kind is AsyncClient else client.decide(X)
    assert "admin" not in str(refused.value)


def test_threat_c5_the_token_goes_through_no_proxy(pdp: FakePDP, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert decide("sync", pdp.address)
