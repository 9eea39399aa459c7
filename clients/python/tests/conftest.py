import concurrent.futures
import datetime
import queue
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from portcullis.v1 import decision_pb2, decision_pb2_grpc, types_pb2
from portcullis_client import Principal, protocol

ALLOW, DENY, ASK = types_pb2.EFFECT_ALLOW, types_pb2.EFFECT_DENY, types_pb2.EFFECT_REQUIRE_APPROVAL
WHO = Principal(agent="a", session="s")


def answer(effect: Any, /, **change: Any) -> decision_pb2.DecideResponse:
    """A whole answer, as a server would send it."""
    out = decision_pb2.DecideResponse(
        decision_id="d1",
        effect=effect,
        action_digest="pc1:00",
        expires_at=datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=1),
    )
    if effect == ASK:
        out.approval.id, out.approval.action_digest = "ap1", "pc1:00"
    if effect != ALLOW:
        out.reasons.add(code="BECAUSE", message="Because.")
    for name, value in change.items():
        out.ClearField(name)
        out.MergeFrom(decision_pb2.DecideResponse(**{name: value}))
    return out


def refuse(context: grpc.ServicerContext, code: grpc.StatusCode, reason: str, domain: str = "portcullis") -> None:
    """An error as the PDP sends it."""
    rich = protocol._Status()
    rich.details.add().Pack(protocol._ErrorInfo(reason=reason, domain=domain))
    context.set_trailing_metadata((("grpc-status-details-bin", rich.SerializeToString()),))
    context.abort(code, "no")


class FakePDP(decision_pb2_grpc.DecisionServiceServicer):
    """Answers what a test tells it to, over real gRPC on loopback."""

    address = ""

    def __init__(self) -> None:
        self.decide: Callable[[Any, Any], Any] = lambda request, context: answer(ALLOW)
        self.watch: Callable[[Any, Any], Iterator[Any]] = lambda request, context: iter(())
        self.asked: list[decision_pb2.DecideRequest] = []
        self.tokens: list[str] = []
        self.reports: queue.SimpleQueue[decision_pb2.ReportOutcomeRequest] = queue.SimpleQueue()

    def Decide(self, request: Any, context: Any) -> Any:
        self.asked.append(request)
        self.tokens.append(dict(context.invocation_metadata()).get("authorization", ""))
        return self.decide(request, context)

    def WatchVerdict(self, request: Any, context: Any) -> Any:
        return self.watch(request, context)

    def ReportOutcome(self, request: Any, context: Any) -> Any:
        self.reports.put(request)
        return decision_pb2.ReportOutcomeResponse(applied=True)


@pytest.fixture
def pdp() -> Iterator[FakePDP]:
    fake = FakePDP()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
    decision_pb2_grpc.add_DecisionServiceServicer_to_server(fake, server)  # type: ignore[no-untyped-call]  # generated
    fake.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield fake
    server.stop(None).wait()


def asking(request: Any, context: Any) -> Any:
    """Wants an approval for what comes without one, and allows what comes with the right one."""
    if request.approval_id == "":
        return answer(ASK)
    if request.approval_id == "ap1":
        return answer(ALLOW)
    return refuse(context, grpc.StatusCode.NOT_FOUND, "APPROVAL_NOT_FOUND")


def verdict(state: Any) -> Callable[[Any, Any], Iterator[Any]]:
    def watch(request: Any, context: Any) -> Iterator[Any]:
        yield decision_pb2.WatchVerdictResponse(approval_id=request.approval_id, state=state, sequence=2, comment="hm")

    return watch
