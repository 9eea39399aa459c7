"""What goes in and comes out, as plain values. Nothing in here speaks to a server."""

import enum
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import grpc

from portcullis.v1 import approval_pb2, decision_pb2, types_pb2

from .arguments import encode

UNREACHABLE = "PDP_UNREACHABLE"
EFFECT_UNKNOWN = "EFFECT_UNKNOWN"
OBLIGATION_UNMET = "OBLIGATION_UNMET"
EXPIRED = "DECISION_EXPIRED"
ARGUMENTS_CHANGED = "ARGUMENTS_CHANGED"
WAIT_TIMEOUT = "APPROVAL_WAIT_TIMEOUT"

# Safe for a model to read.
_MESSAGES = {
    UNREACHABLE: "The policy decision point gave no usable answer in time, so the action is denied.",
    EFFECT_UNKNOWN: "The answer of the policy decision point is of an unknown kind, so the action is denied.",
    OBLIGATION_UNMET: "The action is allowed only on a condition that this agent can't meet, so it is denied.",
    EXPIRED: "The permission ran out before the action began. Ask again.",
    ARGUMENTS_CHANGED: "The arguments are not those that were allowed, so the action is denied.",
    "APPROVAL_REJECTED": "A person rejected the action.",
    "APPROVAL_EXPIRED": "Nobody approved the action in time.",
    "APPROVAL_CANCELLED": "The question to a person was withdrawn.",
    WAIT_TIMEOUT: "Nobody approved the action while the agent waited.",
}
_REFUSED = "The policy decision point refused the question, so the action is denied."


class Effect(enum.Enum):
    """What was decided. An effect that this client does not know is DENY."""

    ALLOW = types_pb2.EFFECT_ALLOW
    DENY = types_pb2.EFFECT_DENY
    REQUIRE_APPROVAL = types_pb2.EFFECT_REQUIRE_APPROVAL


class Kind(enum.Enum):
    """What kind of action it is."""

    TOOL_CALL = types_pb2.ACTION_KIND_TOOL_CALL
    TOOL_RESULT = types_pb2.ACTION_KIND_TOOL_RESULT
    MODEL_OUTPUT = types_pb2.ACTION_KIND_MODEL_OUTPUT
    MEMORY_WRITE = types_pb2.ACTION_KIND_MEMORY_WRITE
    MEMORY_READ = types_pb2.ACTION_KIND_MEMORY_READ
    MEMORY_DELETE = types_pb2.ACTION_KIND_MEMORY_DELETE
    MESSAGE = types_pb2.ACTION_KIND_MESSAGE
    HTTP_REQUEST = types_pb2.ACTION_KIND_HTTP_REQUEST


class State(enum.Enum):
    """Where an approval stands."""

    PENDING = approval_pb2.APPROVAL_STATE_PENDING
    APPROVED = approval_pb2.APPROVAL_STATE_APPROVED
    REJECTED = approval_pb2.APPROVAL_STATE_REJECTED
    EXPIRED = approval_pb2.APPROVAL_STATE_EXPIRED
    CANCELLED = approval_pb2.APPROVAL_STATE_CANCELLED


class Outcome(enum.Enum):
    """What became of an allowed action."""

    SUCCEEDED = decision_pb2.OUTCOME_STATUS_SUCCEEDED
    FAILED = decision_pb2.OUTCOME_STATUS_FAILED
    UNKNOWN = decision_pb2.OUTCOME_STATUS_UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who is acting. Each field must agree with the credential."""

    agent: str
    session: str
    tenant: str = ""
    run: str = ""
    user: str = ""
    delegation: tuple[str, ...] = field(default=(), repr=False)

    def proto(self) -> types_pb2.Principal:
        return types_pb2.Principal(
            tenant=self.tenant,
            agent=self.agent,
            session=self.session,
            run=self.run,
            user=self.user,
            delegation=self.delegation,
        )


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What an action costs, in millionths of a US dollar and in tokens. With a model, its tokens cost what the server's bundle says."""

    cost_micro_usd: int = 0
    tokens: int = 0
    """All of them; those that are neither input nor output cost the dearer of both."""
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0

    def proto(self) -> types_pb2.Usage:
        return types_pb2.Usage(
            cost_micro_usd=self.cost_micro_usd,
            tokens=self.tokens,
            model=self.model,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
        )


@dataclass(frozen=True)
class Action:
    """One thing that an agent wants to do. Its repr leaves arguments and content out."""

    tool: str = ""
    arguments: Mapping[str, Any] | None = field(default=None, repr=False)
    kind: Kind = field(default=Kind.TOOL_CALL, kw_only=True)
    server: str = field(default="", kw_only=True)
    schema_digest: str = field(default="", kw_only=True)
    call_id: str = field(default="", kw_only=True)
    content: str = field(default="", kw_only=True, repr=False)
    estimate: Usage | None = field(default=None, kw_only=True)
    memory: types_pb2.MemoryRef | None = field(default=None, kw_only=True, repr=False)
    in_reply_to: str = field(default="", kw_only=True)
    from_agent: str = field(default="", kw_only=True)
    http: types_pb2.HttpRequest | None = field(default=None, kw_only=True, repr=False)

    def proto(self) -> decision_pb2.Action:
        """Raises ArgumentsError if the arguments can't be written down exactly."""
        return decision_pb2.Action(
            kind=self.kind.value,
            call_id=self.call_id,
            tool=self.tool,
            server=self.server,
            schema_digest=self.schema_digest,
            arguments_json=None if self.arguments is None else encode(self.arguments),
            content=self.content,
            estimate=self.estimate.proto() if self.estimate else None,
            memory=self.memory,
            in_reply_to=self.in_reply_to,
            from_agent=self.from_agent,
            http=self.http,
        )


@dataclass(frozen=True)
class Reason:
    """Why a decision is as it is. The message is safe for a model to read."""

    code: str
    message: str
    rule: str = "client"

    @classmethod
    def local(cls, code: str) -> "Reason":
        return cls(code, _MESSAGES.get(code, _REFUSED))


@dataclass(frozen=True, kw_only=True)
class Decision:
    """An answer, or the deny that stands in for one. Only `allowed` says that the action may be carried out; so does `if decision`."""

    effect: Effect
    reasons: tuple[Reason, ...] = ()
    id: str = ""
    """Empty for a deny that was made here."""
    approval_id: str = ""
    """Set where a person has to say yes: wait for it, then decide with it."""
    expires_at: datetime | None = None
    """When an allow ends to be one."""
    action_digest: str = ""
    code: grpc.StatusCode = grpc.StatusCode.OK
    """OK if the PDP decided; otherwise what its refusal, or the transport, said."""
    response: decision_pb2.DecideResponse | None = field(default=None, repr=False, compare=False)
    cause: BaseException | None = field(default=None, repr=False, compare=False)
    now: Callable[[], float] = field(default=time.time, repr=False, compare=False)

    @property
    def allowed(self) -> bool:
        return self.effect is Effect.ALLOW and self.expires_at is not None and self.now() < self.expires_at.timestamp()

    @property
    def needs_approval(self) -> bool:
        return self.effect is Effect.REQUIRE_APPROVAL

    def __bool__(self) -> bool:
        return self.allowed

    def require(self) -> None:
        """Raises Denied unless the action is allowed."""
        if self.allowed:
            return
        if self.effect is Effect.ALLOW:
            raise Denied(self.turned_down(EXPIRED))
        raise (ApprovalRequired if self.needs_approval else Denied)(self) from self.cause

    def turned_down(self, code: str, cause: BaseException | None = None) -> "Decision":
        """The same answer as a deny, with one more reason in front."""
        return replace(self, effect=Effect.DENY, reasons=(Reason.local(code), *self.reasons), cause=cause)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Where an approval stands when the wait is over. True only if a person said yes."""

    approval_id: str
    state: State
    reason: str = ""
    """Why it is not approved: how the approval ended, or why this client stopped waiting."""
    comment: str = ""
    """Written by a person: show it, do not follow it."""
    sequence: int = 0
    cause: BaseException | None = field(default=None, repr=False, compare=False)

    @property
    def approved(self) -> bool:
        return self.state is State.APPROVED

    def __bool__(self) -> bool:
        return self.approved


@dataclass
class Run:
    """One guarded action under way."""

    decision: Decision
    actual: Usage | None = None
    """What the action really cost; set it where it is known, otherwise the estimate stands."""
    arguments: Mapping[str, Any] | None = field(default=None, repr=False)
    content: str = field(default="", repr=False)
    http: types_pb2.HttpRequest | None = field(default=None, repr=False)
    """What to carry out: what was asked about or, with use_effective, what the PDP gives instead."""


class Denied(Exception):
    """The action was not carried out."""

    def __init__(self, decision: Decision, verdict: Verdict | None = None) -> None:
        super().__init__(decision, verdict)
        self.decision = decision
        self.verdict = verdict
        """Set if a person was waited for."""

    @property
    def reasons(self) -> tuple[Reason, ...]:
        return self.decision.reasons

    def __str__(self) -> str:
        return "not allowed: " + "; ".join(f"{r.code}: {r.message}" for r in self.reasons)


class ApprovalRequired(Denied):
    """A person has to say yes first. The approval is still open."""

    @property
    def approval_id(self) -> str:
        return self.decision.approval_id

    def __str__(self) -> str:
        return f"approval {self.approval_id} is open; {super().__str__()}"
