import datetime
from typing import Any

import grpc
import pytest

from portcullis.v1 import approval_pb2, decision_pb2
from portcullis_client import Decision, Denied, Effect, State, Verdict, protocol

from .conftest import ALLOW, ASK, DENY, answer

PAST = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=1)


@pytest.mark.parametrize(
    ("change", "allowed", "effect", "reason"),
    [
        ({}, True, Effect.ALLOW, None),
        ({"obligations": [{"type": "known"}]}, True, Effect.ALLOW, None),
        ({"effect": DENY}, False, Effect.DENY, None),
        ({"effect": 0}, False, Effect.DENY, "EFFECT_UNKNOWN"),
        ({"effect": 9}, False, Effect.DENY, "EFFECT_UNKNOWN"),
        ({"effect": ASK}, False, Effect.DENY, "PDP_UNREACHABLE"),
        ({"obligations": [{"type": "known"}, {"type": "new"}]}, False, Effect.DENY, "OBLIGATION_UNMET"),
        ({"effective_arguments_json": "{}"}, False, Effect.DENY, "ARGUMENTS_CHANGED"),
        ({"effective_content": "x"}, False, Effect.DENY, "ARGUMENTS_CHANGED"),
        ({"effective_http": {"url": "x"}}, False, Effect.DENY, "ARGUMENTS_CHANGED"),
        ({"obligations": [{"type": "use_effective"}]}, False, Effect.DENY, "OBLIGATION_UNMET"),
        ({"decision_id": ""}, False, Effect.DENY, "PDP_UNREACHABLE"),
        ({"action_digest": ""}, False, Effect.DENY, "PDP_UNREACHABLE"),
        ({"expires_at": None}, False, Effect.DENY, "PDP_UNREACHABLE"),
        ({"expires_at": PAST}, False, Effect.ALLOW, "DECISION_EXPIRED"),
    ],
)
def test_only_an_allow_is_allowed(change: dict[str, Any], allowed: bool, effect: Effect, reason: str | None) -> None:
    decision = protocol.read(answer(ALLOW, **change), {"known"})
    assert (decision.allowed, bool(decision), decision.effect) == (allowed, allowed, effect)
    if allowed:
        decision.require()
        return
    with pytest.raises(Denied) as denied:
        decision.require()
    if reason:
        assert denied.value.reasons[0].code == reason
        assert reason in str(denied.value)


def test_an_empty_answer_is_a_deny() -> None:
    assert protocol.read(decision_pb2.DecideResponse(), ()).effect is Effect.DENY


def test_an_allow_without_an_end_is_none() -> None:
    assert not Decision(effect=Effect.ALLOW)


class Clock:
    """Time that stands still until a test moves it."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Broken(grpc.RpcError):  # type: ignore[misc]  # grpc has no types
    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code

    def trailing_metadata(self) -> Any:
        return (("grpc-status-details-bin", b"\xff\xff"),)  # unreadable: says nothing


UNAVAILABLE = Broken(grpc.StatusCode.UNAVAILABLE)
PENDING, APPROVED = approval_pb2.APPROVAL_STATE_PENDING, approval_pb2.APPROVAL_STATE_APPROVED


def message(sequence: int, state: int, **more: Any) -> decision_pb2.WatchVerdictResponse:
    return decision_pb2.WatchVerdictResponse(**{"approval_id": "ap", "sequence": sequence, "state": state, **more})


def test_threat_b11_a_wait_resumes_where_the_stream_broke() -> None:
    watch = protocol.Watch("ap", 3600, Clock())
    assert watch.request().after_sequence == 0
    assert isinstance(watch.broke(UNAVAILABLE), float)
    assert watch.heard(message(2, PENDING)) is None
    assert watch.heard(message(1, PENDING)) is None
    assert isinstance(watch.broke(None), float)
    assert watch.request().after_sequence == 2
    verdict = watch.heard(message(3, APPROVED, comment="fine"))
    assert verdict and (verdict.state, verdict.sequence, verdict.comment) == (State.APPROVED, 3, "fine")


@pytest.mark.parametrize(
    ("state", "expected", "reason"),
    [
        (approval_pb2.APPROVAL_STATE_REJECTED, State.REJECTED, "APPROVAL_REJECTED"),
        (approval_pb2.APPROVAL_STATE_EXPIRED, State.EXPIRED, "APPROVAL_EXPIRED"),
        (approval_pb2.APPROVAL_STATE_CANCELLED, State.CANCELLED, "APPROVAL_CANCELLED"),
    ],
)
def test_a_wait_ends_with_a_no(state: int, expected: State, reason: str) -> None:
    verdict = protocol.Watch("ap", 60, Clock()).heard(message(2, state))
    assert verdict is not None and not verdict and not verdict.approved
    assert (verdict.state, verdict.reason) == (expected, reason)


@pytest.mark.parametrize("sent", [message(1, PENDING), message(2, 77), message(2, 0), message(2, APPROVED, heartbeat=True)])
def test_a_wait_goes_on(sent: Any) -> None:
    assert protocol.Watch("ap", 60, Clock()).heard(sent) is None


def test_a_verdict_on_another_approval_is_none() -> None:
    verdict = protocol.Watch("ap", 60, Clock()).heard(message(2, APPROVED, approval_id="other"))
    assert verdict is not None and not verdict and verdict.reason == "PDP_UNREACHABLE"


def test_a_wait_that_times_out_is_a_no() -> None:
    clock = Clock()
    watch = protocol.Watch("ap", 60, clock)
    clock.now += 60
    over = watch.broke(Broken(grpc.StatusCode.DEADLINE_EXCEEDED))
    assert isinstance(over, Verdict) and not over and over.reason == "APPROVAL_WAIT_TIMEOUT"


def test_breaks_are_bounded_and_pauses_grow() -> None:
    watch = protocol.Watch("ap", 3600, Clock())
    pauses = []
    while not isinstance(over := watch.broke(UNAVAILABLE), Verdict):
        pauses.append(over)
    assert not over and over.reason == "PDP_UNREACHABLE"
    assert len(pauses) == protocol.MAX_BREAKS and pauses[0] <= 0.1 and 2.5 <= pauses[-1] <= 5 and sum(pauses) < 30


def test_what_is_heard_forgives_breaks() -> None:
    watch = protocol.Watch("ap", 3600, Clock())
    for _ in range(3 * protocol.MAX_BREAKS):
        assert isinstance(watch.broke(UNAVAILABLE), float)
        watch.heard(message(0, PENDING, heartbeat=True))


def test_a_refusal_ends_the_wait_at_once() -> None:
    over = protocol.Watch("ap", 60, Clock()).broke(Broken(grpc.StatusCode.NOT_FOUND))
    assert isinstance(over, Verdict) and not over


def test_a_wait_begins_again_where_the_server_forgot() -> None:
    watch = protocol.Watch("ap", 60, Clock())
    watch.heard(message(5, PENDING))
    assert isinstance(watch.broke(Broken(grpc.StatusCode.OUT_OF_RANGE)), float)
    assert watch.request().after_sequence == 0
