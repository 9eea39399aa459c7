"""The asyncio client. Like the synchronous one, for one event loop."""

import asyncio
import functools
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

import grpc
import grpc.aio

from portcullis.v1 import decision_pb2, decision_pb2_grpc, types_pb2

from . import protocol
from .connection import TLS, Connection
from .guarding import Arguments, Question, check_function, outcome_of, unreported
from .model import ARGUMENTS_CHANGED, OBLIGATION_UNMET, Action, Decision, Denied, Outcome, Principal, Run, Usage, Verdict

P = ParamSpec("P")
R = TypeVar("R")
Obligation = types_pb2.Obligation


class AsyncClient:
    """Asks one PDP. It may be made before there is a loop, and belongs to the one in which it is used first."""

    def __init__(
        self,
        address: str = "127.0.0.1:7070",
        *,
        principal: Principal | Callable[[], Principal],
        token: str | None = None,
        token_file: str | os.PathLike[str] | None = None,
        tls: TLS | None = None,
        timeout: float = 5.0,
        obligations: Mapping[str, Callable[[Obligation], Awaitable[None]]] | None = None,
    ) -> None:
        """As Client; the functions for obligations are coroutine functions."""
        self._connection = Connection(address, token, token_file, tls)
        self._principal = principal
        self._timeout = timeout
        self._obligations = dict(obligations or {})

    @functools.cached_property
    def _channel(self) -> grpc.aio.Channel:
        return self._connection.open(grpc.aio)

    @functools.cached_property
    def _stub(self) -> Any:
        return decision_pb2_grpc.DecisionServiceStub(self._channel)  # type: ignore[no-untyped-call]  # generated

    async def close(self) -> None:
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def decide(self, action: Action, *, approval_id: str = "", request_id: str = "", principal: Principal | None = None, use_effective: bool = False) -> Decision:
        """As Client.decide. Being cancelled is no answer: it is raised."""
        return await self._decide(action.proto(), principal or self._who(), approval_id, request_id, use_effective)

    def _who(self) -> Principal:
        return self._principal() if callable(self._principal) else self._principal

    async def _decide(self, action: decision_pb2.Action, principal: Principal, approval_id: str, request_id: str, use_effective: bool) -> Decision:
        asked = protocol.request(principal, action, approval_id, request_id)
        try:
            answer = await self._stub.Decide(asked, timeout=self._timeout, metadata=self._connection.metadata())
            return protocol.read(answer, self._obligations, use_effective)
        except Exception as error:
            return protocol.refused(error)

    async def wait(self, approval_id: str, timeout: float) -> Verdict:
        """As Client.wait."""
        watch = protocol.Watch(approval_id, timeout)
        while True:
            followed = await self._follow(watch)
            if isinstance(followed, Verdict):
                return followed
            await asyncio.sleep(followed)

    async def _follow(self, watch: protocol.Watch) -> Verdict | float:
        call = None
        try:
            call = self._stub.WatchVerdict(watch.request(), timeout=watch.remaining(), metadata=self._connection.metadata())
            while True:
                message = await asyncio.wait_for(call.read(), protocol.HEARTBEAT_TIMEOUT)
                if message is grpc.aio.EOF:
                    return watch.broke(None)
                if (verdict := watch.heard(message)) is not None:
                    return verdict
        except TimeoutError:
            return watch.broke(None)
        except Exception as error:
            return watch.broke(error)
        finally:
            if call:
                call.cancel()

    async def report(self, decision_id: str, outcome: Outcome, actual: Usage | None = None) -> None:
        """As Client.report."""
        said = decision_pb2.ReportOutcomeRequest(decision_id=decision_id, status=outcome.value, actual=actual.proto() if actual else None)
        await self._stub.ReportOutcome(said, timeout=self._timeout, metadata=self._connection.metadata())

    async def observe_user(self, text: str) -> None:
        """As Client.observe_user."""
        await self._observe(decision_pb2.ObservedSpan(origin=types_pb2.ORIGIN_USER, text=text))

    async def observe_document(self, name: str, text: str) -> None:
        """As Client.observe_document."""
        await self._observe(decision_pb2.ObservedSpan(origin=types_pb2.ORIGIN_UNTRUSTED, name=name, text=text))

    async def _observe(self, span: decision_pb2.ObservedSpan) -> None:
        said = decision_pb2.ObserveRequest(principal=self._who().proto(), spans=[span])
        await self._stub.Observe(said, timeout=self._timeout, metadata=self._connection.metadata())

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
    ) -> "AsyncGuard":
        """As Client.guard, for coroutine functions and `async with`."""
        return AsyncGuard(self, Question(tool, arguments, wait, approval_id, request_id, principal, action, use_effective))


class AsyncGuard:
    """As Guard."""

    def __init__(self, client: AsyncClient, question: Question) -> None:
        self._client = client
        self._question = question
        self._run: Run | None = None

    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        check_function(function, coroutine=True)
        question, call = self._question.about(function), self._question.call(function)

        @functools.wraps(function)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            async with AsyncGuard(self._client, question(*args, **kwargs)) as run:
                args, kwargs = call(run, *args, **kwargs)  # type: ignore[assignment]  # the same parameters
                return await function(*args, **kwargs)

        return guarded

    async def __aenter__(self) -> Run:
        if self._run is not None:
            raise RuntimeError("this guard is in use: make another")
        client, question = self._client, self._question
        principal = question.principal or client._who()
        action = question.action()
        judged = action.proto()
        decision = await client._decide(judged, principal, question.approval_id, question.request_id, question.use_effective)
        if decision.needs_approval and question.wait > 0:
            verdict = await client.wait(decision.approval_id, question.wait)
            if not verdict:
                raise protocol.unapproved(decision, verdict) from verdict.cause
            decision = await client._decide(judged, principal, decision.approval_id, "", question.use_effective)
        decision.require()
        for obligation in decision.response.obligations if decision.response else ():
            if obligation.type == protocol.USE_EFFECTIVE:
                continue  # the run has it
            try:
                await client._obligations[obligation.type](obligation)
            except Exception as error:
                raise Denied(decision.turned_down(OBLIGATION_UNMET, error)) from error
        if question.action().proto() != judged:
            raise Denied(decision.turned_down(ARGUMENTS_CHANGED))
        decision.require()  # time has passed
        self._run = question.run(decision, action)
        return self._run

    async def __aexit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        run, self._run = self._run, None
        if run is None:
            return
        outcome = outcome_of(error)
        try:
            await self._client.report(run.decision.id, outcome, run.actual)
        except Exception as failure:
            unreported(run.decision.id, outcome, failure)
