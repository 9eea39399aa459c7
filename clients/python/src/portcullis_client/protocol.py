"""What answers, errors and streams mean. No input or output in here: the synchronous and the asyncio client share it."""

import random
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC
from typing import Any

import grpc
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

from portcullis.v1 import decision_pb2

from .model import (
    ARGUMENTS_CHANGED,
    EFFECT_UNKNOWN,
    OBLIGATION_UNMET,
    UNREACHABLE,
    WAIT_TIMEOUT,
    ApprovalRequired,
    Decision,
    Denied,
    Effect,
    Principal,
    Reason,
    State,
    Verdict,
)

# Three of the server's heartbeats: a stream that is silent for longer is dead.
HEARTBEAT_TIMEOUT = 45.0
# So many breaks in a row, with nothing heard between, end a wait. With the pauses below that is about 20 s.
MAX_BREAKS = 8
FIRST_PAUSE, MAX_PAUSE = 0.1, 5.0

clock = time.time

_Code = grpc.StatusCode
# Trying again may help. Everything else was said on purpose.
_PASSING = {
    _Code.UNAVAILABLE,
    _Code.UNKNOWN,
    _Code.INTERNAL,
    _Code.CANCELLED,
    _Code.ABORTED,
    _Code.DEADLINE_EXCEEDED,
    _Code.RESOURCE_EXHAUSTED,
}
_ENDS = {State.APPROVED: "", State.REJECTED: "APPROVAL_REJECTED", State.EXPIRED: "APPROVAL_EXPIRED", State.CANCELLED: "APPROVAL_CANCELLED"}


def request(principal: Principal, action: decision_pb2.Action, approval_id: str, request_id: str) -> decision_pb2.DecideRequest:
    return decision_pb2.DecideRequest(request_id=request_id, principal=principal.proto(), action=action, approval_id=approval_id)


USE_EFFECTIVE = "use_effective"
"""The obligation to carry out what the answer gives instead of what was asked about."""


def changed(answer: decision_pb2.DecideResponse) -> bool:
    return bool(answer.effective_arguments_json or answer.effective_content or answer.HasField("effective_http"))


def read(answer: decision_pb2.DecideResponse, obligations: Collection[str], use_effective: bool = False) -> Decision:
    """Turns an answer into a decision. Whatever is missing or not understood makes it a deny. use_effective says that the caller
    carries out what the answer gives instead of what was asked about."""
    try:
        effect = Effect(answer.effect)
    except ValueError:
        effect = None
    expires = answer.expires_at.ToDatetime(tzinfo=UTC) if answer.HasField("expires_at") else None
    d = Decision(
        effect=effect or Effect.DENY,
        reasons=tuple(Reason(r.code, r.message, r.rule) for r in answer.reasons),
        id=answer.decision_id,
        approval_id=answer.approval.id,
        expires_at=expires,
        action_digest=answer.action_digest,
        response=answer,
        now=lambda: clock(),
    )
    match effect:
        case Effect.DENY:
            return d
        case Effect.ALLOW:
            if not (d.id and d.action_digest and expires):
                return d.turned_down(UNREACHABLE)
            known = set(obligations)
            if changed(answer):
                known.add(USE_EFFECTIVE)
            if changed(answer) and not use_effective:
                # Who asked about one thing may not do it on an allow of another. `response` has the other.
                return d.turned_down(ARGUMENTS_CHANGED)
            if not {o.type for o in answer.obligations} <= known:
                return d.turned_down(OBLIGATION_UNMET)
            return d
        case Effect.REQUIRE_APPROVAL:
            if not (d.id and d.approval_id) or answer.approval.action_digest != d.action_digest:
                return d.turned_down(UNREACHABLE)
            return d
    return d.turned_down(EFFECT_UNKNOWN)


def refused(error: Exception) -> Decision:
    """The deny that a failed call stands for."""
    code, reason = explain(error)
    return Decision(effect=Effect.DENY, reasons=(Reason.local(reason),), code=code, cause=error)


def explain(error: Exception) -> tuple[grpc.StatusCode, str]:
    """The gRPC code, and the PDP's own reason. An error without the PDP's mark is nobody's word: unreachable."""
    if not isinstance(error, grpc.RpcError):
        return _Code.UNKNOWN, UNREACHABLE
    code = error.code() or _Code.UNKNOWN
    try:
        for key, value in error.trailing_metadata() or ():
            if key == "grpc-status-details-bin":
                return code, _reason(value) or UNREACHABLE
    except Exception:  # what can't be read says nothing
        pass
    return code, UNREACHABLE


def _reason(status: bytes) -> str:
    for detail in _Status.FromString(status).details:
        info = _ErrorInfo()
        if detail.Is(_ErrorInfo.DESCRIPTOR) and detail.Unpack(info) and info.domain == "portcullis":
            return str(info.reason)
    return ""


def _rich_errors() -> tuple[Any, Any]:
    """google.rpc.Status and ErrorInfo, in a pool of their own: two small messages are no reason for another dependency."""
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(any_pb2.DESCRIPTOR.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(name="status.proto", package="google.rpc", syntax="proto3", dependency=[any_pb2.DESCRIPTOR.name])
    field = descriptor_pb2.FieldDescriptorProto
    status = file.message_type.add(name="Status")
    status.field.add(name="details", number=3, type=field.TYPE_MESSAGE, type_name=".google.protobuf.Any", label=field.LABEL_REPEATED)
    info = file.message_type.add(name="ErrorInfo")
    for number, name in enumerate(("reason", "domain"), start=1):
        info.field.add(name=name, number=number, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    pool.Add(file)
    found = [message_factory.GetMessageClass(pool.FindMessageTypeByName(f"google.rpc.{name}")) for name in ("Status", "ErrorInfo")]
    return found[0], found[1]


_Status, _ErrorInfo = _rich_errors()


class Watch:
    """One wait for a verdict, over as many streams as it takes. The caller moves the bytes and sleeps."""

    def __init__(self, approval_id: str, timeout: float, now: Callable[[], float] = time.monotonic) -> None:
        self._id = approval_id
        self._now = now
        self._until = now() + timeout
        self._sequence = 0
        self._breaks = 0

    def remaining(self) -> float:
        return max(0.0, self._until - self._now())

    def request(self) -> decision_pb2.WatchVerdictRequest:
        return decision_pb2.WatchVerdictRequest(approval_id=self._id, after_sequence=self._sequence)

    def heard(self, message: decision_pb2.WatchVerdictResponse) -> Verdict | None:
        """The verdict, if this is it. Whatever else a server sends is not a yes."""
        self._breaks = 0
        if message.heartbeat:
            return None
        if message.approval_id != self._id:
            return self._over(UNREACHABLE)
        self._sequence = max(self._sequence, message.sequence)
        try:
            state = State(message.state)
        except ValueError:
            return None
        if state not in _ENDS:
            return None
        return Verdict(approval_id=self._id, state=state, reason=_ENDS[state], comment=message.comment, sequence=self._sequence)

    def broke(self, error: Exception | None) -> Verdict | float:
        """How long to pause before the next stream, or the end of it. None: the stream ended without a verdict."""
        if not self.remaining():
            return self._over(WAIT_TIMEOUT, error)
        code, reason = (_Code.UNAVAILABLE, UNREACHABLE) if error is None else explain(error)
        if code is _Code.OUT_OF_RANGE:
            self._sequence = 0  # the server does not know where we were: begin again
        elif code not in _PASSING:
            return self._over(reason, error)
        if self._breaks >= MAX_BREAKS:
            return self._over(reason, error)
        most = min(FIRST_PAUSE * 2**self._breaks, MAX_PAUSE)
        self._breaks += 1
        # Not in step with other clients, and not past the end.
        return min(random.uniform(most / 2, most), self.remaining())

    def _over(self, reason: str, cause: Exception | None = None) -> Verdict:
        return Verdict(approval_id=self._id, state=State.PENDING, reason=reason, sequence=self._sequence, cause=cause)


def unapproved(decision: Decision, verdict: Verdict) -> Denied:
    """An ask that nobody said yes to. It stays open where that is only a matter of waiting."""
    turned = decision.turned_down(verdict.reason, verdict.cause)
    if verdict.state is not State.PENDING:
        return Denied(turned, verdict)
    return ApprovalRequired(replace(turned, effect=decision.effect), verdict)
