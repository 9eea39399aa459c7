"""The synchronous client. It may be used by many threads at once."""

import functools
import os
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

import grpc

from portcullis.v1 import decision_pb2, decision_pb2_grpc, types_pb2

from . import protocol
from .connection import TLS, Connection
from .guarding import Arguments, Question, check_function, outcome_of, unreported
from .model import ARGUMENTS_CHANGED, OBLIGATION_UNMET, Action, Decision, Denied, Outcome, Principal, Run, Usage, Verdict

P = ParamSpec("P")
R = TypeVar("R")
Obligation = types_pb2.Obligation


class Client:
    """Asks one PDP. It does not wait for it: while the PDP is away, everything is denied."""

    def __init__(
        self,
        address: str = "127.0.0.1:7070",
        *,
        principal: Principal | Callable[[], Principal],
        token: str | None = None,
        token_file: str | os.PathLike[str] | None = None,
        tls: TLS | None = None,
        timeout: float = 5.0,
        obligations: Mapping[str, Callable[[Obligation], None]] | None = None,
    ) -> None:
        """principal may be a function that says who acts now. obligations says how to meet each type of obligation; guards call it
        before the action, an exception denies, and so does a type without a function. timeout is in seconds, per call."""
        self._connection = Connection(address, token, token_file, tls)
        self._channel = self._connection.open(grpc)
        self._stub = decision_pb2_grpc.DecisionServiceStub(self._channel)  # type: ignore[no-untyped-call]  # generated
        self._principal = principal
        self._timeout = timeout
        self._obligations = dict(obligations or {})

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def decide(self, action: Action, *, approval_id: str = "", request_id: str = "", principal: Principal | None = None, use_effective: bool = False) -> Decision:
        """Asks about one action, or redeems an approval for it. Never raises for want of an answer: that is a deny. Raises
        ArgumentsError if the arguments can't be written down exactly."""
        return self._decide(action.proto(), principal or self._who(), approval_id, request_id, use_effective)

    def _who(self) -> Principal:
        return self._principal() if callable(self._principal) else self._principal

    def _decide(self, action: decision_pb2.Action, principal: Principal, approval_id: str, request_id: str, use_effective: bool) -> Decision:
        asked = protocol.request(principal, action, approval_id, request_id)
        try:
            answer = self._stub.Decide(asked, timeout=self._timeout, metadata=self._connection.metadata())
            return protocol.read(answer, self._obligations, use_effective)
        except Exception as error:
            return protocol.refused(error)

    def wait(self, approval_id: str, timeout: float) -> Verdict:
        """Listens until the approval is decided, at most for timeout seconds. A stream that breaks is resumed where it broke."""
        watch = protocol.Watch(approval_id, timeout)
        while True:
            followed = self._follow(watch)
            if isinstance(followed, Verdict):
                return followed
            time.sleep(followed)

    def _follow(self, watch: protocol.Watch) -> Verdict | float:
        """Reads one stream. The verdict, or how long to pause before the next."""
        silence = None
        call = None
        try:
            call = self._stub.WatchVerdict(watch.request(), timeout=watch.remaining(), metadata=self._connection.metadata())
            silence = _Silence(protocol.HEARTBEAT_TIMEOUT, call.cancel)
            for message in call:
                silence.broken()
                if (verdict := watch.heard(message)) is not None:
                    return verdict
            return watch.broke(None)
        except Exception as error:
            return watch.broke(error)
        finally:
            if silence:
                silence.stop()
            if call:
                call.cancel()

    def report(self, decision_id: str, outcome: Outcome, actual: Usage | None = None) -> None:
        """Says what became of an allowed action, once. Guards do it by themselves. Raises grpc.RpcError if it can't be said."""
        said = decision_pb2.ReportOutcomeRequest(decision_id=decision_id, status=outcome.value, actual=actual.proto() if actual else None)
        self._stub.ReportOutcome(said, timeout=self._timeout, metadata=self._connection.metadata())

    def observe_user(self, text: str) -> None:
        """Says what the user said, so that values in it vouch for those of later calls. Needs a credential that may observe as the user. Raises grpc.RpcError if it can't be said."""
        self._observe(decision_pb2.ObservedSpan(origin=types_pb2.ORIGIN_USER, text=text))

    def observe_document(self, name: str, text: str) -> None:
        """Tells of a text that reached the model without a tool, and that somebody else wrote. Raises grpc.RpcError if it can't be said."""
        self._observe(decision_pb2.ObservedSpan(origin=types_pb2.ORIGIN_UNTRUSTED, name=name, text=text))

    def _observe(self, span: decision_pb2.ObservedSpan) -> None:
        said = decision_pb2.ObserveRequest(principal=self._who().proto(), spans=[span])
        self._stub.Observe(said, timeout=self._timeout, metadata=self._connection.metadata())

    def guard(
        self,
        tool: str = "",
        arguments: Arguments = None,
        *,
        wait: float = 0,
        approval_id: str = "",
        request_id: str = "",
        principal: Principal | None = None,
        use_effective: bool = False,
        **action: Any,
    ) -> "Guard":
        """A decorator for functions, or a context manager (then with the arguments as a mapping). Further keywords are those of
        Action. wait: how many seconds to wait for a person, where one has to say yes. use_effective: where the PDP gives other
        arguments instead, with something taken out, a decorated function is called with those, and the run of a `with` has them;
        without it such an answer is a deny."""
        return Guard(self, Question(tool, arguments, wait, approval_id, request_id, principal, action, use_effective))


class Guard:
    """Runs what it guards only on an allow that still stands, and reports the outcome. Raises Denied otherwise."""

    def __init__(self, client: Client, question: Question) -> None:
        self._client = client
        self._question = question
        self._run: Run | None = None

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        check_function(function, coroutine=False)
        question, call = self._question.about(function), self._question.call(function)

        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            with Guard(self._client, question(*args, **kwargs)) as run:
                args, kwargs = call(run, *args, **kwargs)  # type: ignore[assignment]  # the same parameters
                return function(*args, **kwargs)

        return guarded

    def __enter__(self) -> Run:
        if self._run is not None:
            raise RuntimeError("this guard is in use: make another")
        client, question = self._client, self._question
        principal = question.principal or client._who()
        action = question.action()
        judged = action.proto()
        decision = client._decide(judged, principal, question.approval_id, question.request_id, question.use_effective)
        if decision.needs_approval and question.wait > 0:
            verdict = client.wait(decision.approval_id, question.wait)
            if not verdict:
                raise protocol.unapproved(decision, verdict) from verdict.cause
            decision = client._decide(judged, principal, decision.approval_id, "", question.use_effective)
        decision.require()
        for obligation in decision.response.obligations if decision.response else ():
            if obligation.type == protocol.USE_EFFECTIVE:
                continue  # the run has it
            try:
                client._obligations[obligation.type](obligation)
            except Exception as error:
                raise Denied(decision.turned_down(OBLIGATION_UNMET, error)) from error
        if question.action().proto() != judged:
            raise Denied(decision.turned_down(ARGUMENTS_CHANGED))
        decision.require()  # time has passed
        self._run = question.run(decision, action)
        return self._run

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        run, self._run = self._run, None
        if run is None:
            return
        outcome = outcome_of(error)
        try:
            self._client.report(run.decision.id, outcome, run.actual)
        except Exception as failure:
            unreported(run.decision.id, outcome, failure)


class _Silence:
    """Calls a function once nothing was heard for so long. A blocking read can't be given a time of its own."""

    def __init__(self, seconds: float, then: Callable[[], object]) -> None:
        self._seconds, self._then = seconds, then
        self._timer = self._start()

    def _start(self) -> threading.Timer:
        timer = threading.Timer(self._seconds, self._then)
        timer.daemon = True
        timer.start()
        return timer

    def broken(self) -> None:
        self.stop()
        self._timer = self._start()

    def stop(self) -> None:
        self._timer.cancel()
