import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from portcullis.v1 import approval_pb2
from portcullis_client import ApprovalRequired, ArgumentsError, AsyncClient, Client, Denied, Outcome, Run, Usage

from .conftest import ALLOW, ASK, DENY, WHO, FakePDP, answer, asking, verdict

APPROVED = verdict(approval_pb2.APPROVAL_STATE_APPROVED)
REJECTED = verdict(approval_pb2.APPROVAL_STATE_REJECTED)


def pending_forever(request: Any, context: Any) -> Iterator[Any]:
    yield from verdict(approval_pb2.APPROVAL_STATE_PENDING)(request, context)


def guarded(flavour: str, pdp: FakePDP, arguments: Any = None, fail: BaseException | None = None, obligations: Any = None, **options: Any) -> list[Run]:
    """Enters one guard by either client, and says what ran."""
    ran: list[Run] = []

    def body(run: Run) -> None:
        run.actual = Usage(tokens=5)
        ran.append(run)
        if fail:
            raise fail

    if flavour == "sync":
        with Client(pdp.address, principal=WHO, token="t", obligations=obligations) as client, client.guard("x", arguments, **options) as run:
            body(run)
        return ran

    async def enter() -> None:
        def later(meet: Any) -> Any:
            async def met(obligation: Any) -> None:
                meet(obligation)

            return met

        known = {name: later(meet) for name, meet in (obligations or {}).items()}
        async with AsyncClient(pdp.address, principal=WHO, token="t", obligations=known) as client:
            async with client.guard("x", arguments, **options) as run:
                body(run)

    asyncio.run(enter())
    return ran


either = pytest.mark.parametrize("flavour", ["sync", "asyncio"])


@either
@pytest.mark.parametrize(
    ("error", "outcome"),
    [(None, Outcome.SUCCEEDED), (RuntimeError("boom"), Outcome.FAILED), (KeyboardInterrupt(), Outcome.UNKNOWN)],
)
def test_what_is_allowed_runs_and_is_reported(flavour: str, pdp: FakePDP, error: BaseException | None, outcome: Outcome) -> None:
    if error is None:
        assert len(guarded(flavour, pdp)) == 1
    else:
        with pytest.raises(type(error)) as raised:
            guarded(flavour, pdp, fail=error)
        assert raised.value is error or isinstance(error, KeyboardInterrupt)
    report = pdp.reports.get(timeout=5)
    assert (report.decision_id, report.status, report.actual.tokens) == ("d1", outcome.value, 5)


@either
@pytest.mark.parametrize(
    ("decide", "watch", "options", "error", "reason"),
    [
        (lambda *_: answer(DENY), None, {}, Denied, "BECAUSE"),
        (asking, None, {}, ApprovalRequired, "BECAUSE"),
        (asking, REJECTED, {"wait": 60}, Denied, "APPROVAL_REJECTED"),
        (asking, pending_forever, {"wait": 0.2}, ApprovalRequired, "APPROVAL_WAIT_TIMEOUT"),
        (asking, None, {"approval_id": "ap2"}, Denied, "APPROVAL_NOT_FOUND"),
        (lambda *_: answer(ASK), APPROVED, {"wait": 60}, ApprovalRequired, "BECAUSE"),
    ],
)
def test_a_no_runs_nothing(flavour: str, pdp: FakePDP, decide: Any, watch: Any, options: Any, error: type[Denied], reason: str) -> None:
    pdp.decide = decide
    pdp.watch = watch
    with pytest.raises(Denied) as denied:
        guarded(flavour, pdp, fail=AssertionError("it ran"), **options)
    assert type(denied.value) is error
    assert denied.value.reasons[0].code == reason
    assert ("ap1" in str(denied.value)) == (error is ApprovalRequired)
    assert pdp.reports.empty()


@either
def test_a_guard_waits_and_redeems(flavour: str, pdp: FakePDP) -> None:
    pdp.decide, pdp.watch = asking, APPROVED
    assert len(guarded(flavour, pdp, wait=60, request_id="r")) == 1
    assert [(a.request_id, a.approval_id) for a in pdp.asked] == [("r", ""), ("", "ap1")]


@either
def test_threat_b1_arguments_that_change_while_a_person_thinks_are_not_run(flavour: str, pdp: FakePDP) -> None:
    arguments = {"to": ["ann"]}

    def watch(request: Any, context: Any) -> Iterator[Any]:
        arguments["to"].append("mallory")
        yield from APPROVED(request, context)

    pdp.decide, pdp.watch = asking, watch
    with pytest.raises(Denied) as denied:
        guarded(flavour, pdp, arguments, fail=AssertionError("it ran"), wait=60)
    assert denied.value.reasons[0].code == "ARGUMENTS_CHANGED"


@either
def test_obligations_are_met_first(flavour: str, pdp: FakePDP) -> None:
    pdp.decide = lambda *_: answer(ALLOW, obligations=[{"id": "o1", "type": "notice"}])
    met: list[str] = []
    assert guarded(flavour, pdp, obligations={"notice": lambda o: met.append(o.id)})
    assert met == ["o1"]

    def fails(_: Any) -> None:
        raise RuntimeError("no printer")

    with pytest.raises(Denied) as denied:
        guarded(flavour, pdp, fail=AssertionError("it ran"), obligations={"notice": fails})
    assert denied.value.reasons[0].code == "OBLIGATION_UNMET"
    assert isinstance(denied.value.__cause__, RuntimeError)


@either
def test_threat_c4_an_allow_that_ran_out_is_not_used(flavour: str, pdp: FakePDP, monkeypatch: pytest.MonkeyPatch) -> None:
    pdp.decide = lambda *_: answer(ALLOW, obligations=[{"type": "slow"}])
    late = {"by": 0}
    real = __import__("time").time
    monkeypatch.setattr("portcullis_client.protocol.clock", lambda: real() + late["by"])
    with pytest.raises(Denied) as denied:
        guarded(flavour, pdp, fail=AssertionError("it ran"), obligations={"slow": lambda _: late.update(by=3600)})
    assert denied.value.reasons[0].code == "DECISION_EXPIRED"


def test_threat_b1_the_outcome_that_cannot_be_reported_changes_nothing(pdp: FakePDP, caplog: pytest.LogCaptureFixture) -> None:
    pdp.ReportOutcome = None  # type: ignore[assignment, method-assign]
    with Client(pdp.address, principal=WHO, token="canary", timeout=1) as client:

        @client.guard(tool="x")
        def add(text: str) -> str:
            client._channel.close()
            return text

        with caplog.at_level(logging.WARNING):
            assert add("canary") == "canary"
    assert "outcome not reported: decision d1" in caplog.text
    assert "canary" not in caplog.text


def test_a_decorator_names_the_arguments(pdp: FakePDP) -> None:
    with Client(pdp.address, principal=WHO, token="t") as client:

        @client.guard(tool="add", server="srv")
        def add(a: int, b: int = 2, *rest: int, **more: int) -> int:
            """Adds."""
            return a + b + sum(rest) + sum(more.values())

        class Desk:
            @client.guard("send", lambda self, to: {"to": to})
            def send(self, to: str) -> str:
                return to

        assert add(1, c=4) == 7
        assert add(1, 2, 3) == 6
        assert Desk().send("ann") == "ann"
        assert add.__doc__ == "Adds."
    sent = [(a.action.tool, a.action.server, a.action.arguments_json) for a in pdp.asked]
    assert sent == [
        ("add", "srv", '{"a":1,"b":2,"rest":[],"c":4}'),
        ("add", "srv", '{"a":1,"b":2,"rest":[3]}'),
        ("send", "", '{"to":"ann"}'),
    ]


def test_a_decorator_of_coroutine_functions(pdp: FakePDP) -> None:
    client = AsyncClient(pdp.address, principal=WHO, token="t")  # before there is a loop

    @client.guard(tool="add")
    async def add(a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    async def main() -> tuple[int, int]:
        async with client:
            first, second = await asyncio.gather(add(1, 2), add(3, b=4))
            return first, second

    assert asyncio.run(main()) == (3, 7)
    assert sorted(a.action.arguments_json for a in pdp.asked) == ['{"a":1,"b":2}', '{"a":3,"b":4}']


def test_what_can_not_be_asked_about_is_not_run(pdp: FakePDP) -> None:
    with Client(pdp.address, principal=WHO, token="t") as client:

        @client.guard(tool="x")
        def positional(a: int, /, **more: int) -> None:
            raise AssertionError("it ran")

        @client.guard(tool="x")
        def anything(a: object) -> None:
            raise AssertionError("it ran")

        with pytest.raises(ArgumentsError):
            positional(1, a=2)
        with pytest.raises(ArgumentsError):
            anything(object())
        with pytest.raises(TypeError):
            anything()  # type: ignore[call-arg]
    assert not pdp.asked


def test_misuse_shows_at_once(pdp: FakePDP) -> None:
    async def coroutine() -> None: ...

    def generator() -> Iterator[int]:
        yield 1

    def plain() -> None: ...

    with Client(pdp.address, principal=WHO, token="t") as client:
        asyncio_client: Any = AsyncClient(pdp.address, principal=WHO, token="t")
        for misuse in (
            lambda: client.guard("x")(coroutine),
            lambda: client.guard("x")(generator),
            lambda: asyncio_client.guard("x")(plain),
            lambda: client.guard("x", {"a": 1})(plain),
            lambda: client.guard("x", approval_id="ap")(plain),
            lambda: client.guard("x", request_id="r")(plain),
            lambda: client.guard("x", tol="y"),
        ):
            with pytest.raises(TypeError):
                misuse()
        guard = client.guard("x")
        with guard, pytest.raises(RuntimeError), guard:
            raise AssertionError("it ran")


REDACTED = {
    "effective_arguments_json": '{"n":0,"names":["a"],"ratio":2.5,"to":"redacted-1"}',
    "effective_content": "redacted-2",
    "obligations": [{"type": "use_effective"}],
}


@either
def test_a_guard_hands_on_what_the_pdp_gives_instead(flavour: str, pdp: FakePDP) -> None:
    pdp.decide = lambda *_: answer(ALLOW, **REDACTED)
    given = {"to": "secret", "n": 4111111111111111, "ratio": 2.5, "names": ("a",)}
    with pytest.raises(Denied) as denied:
        guarded(flavour, pdp, given)
    assert denied.value.reasons[0].code == "ARGUMENTS_CHANGED"
    (run,) = guarded(flavour, pdp, given, use_effective=True, content="secret")
    assert run.arguments == {"to": "redacted-1", "n": 0, "ratio": 2.5, "names": ("a",)}
    assert (run.content, run.http) == ("redacted-2", None)
    assert "secret" not in repr(run) and "redacted-1" not in repr(run)
    pdp.decide = lambda *_: answer(ALLOW)
    (run,) = guarded(flavour, pdp, given, use_effective=True)
    assert run.arguments == given


def test_a_decorated_function_is_called_with_what_the_pdp_gives_instead(pdp: FakePDP) -> None:
    pdp.decide = lambda *_: answer(ALLOW, effective_arguments_json='{"body":"b","more":"redacted-2","to":"redacted-1"}')
    with Client(pdp.address, principal=WHO, token="t") as client:

        @client.guard("x", use_effective=True)
        def send(to: str, body: str = "b", **rest: str) -> tuple[str, str, dict[str, str]]:
            return to, body, rest

        assert send("secret", more="secret") == ("redacted-1", "b", {"more": "redacted-2"})
        with pytest.raises(TypeError):
            client.guard("x", lambda to: {"to": to}, use_effective=True)(send)

    async def later() -> tuple[str, str]:
        async with AsyncClient(pdp.address, principal=WHO, token="t") as client:

            @client.guard("x", use_effective=True)
            async def post(to: str, *, body: str, more: str) -> tuple[str, str]:
                return to, more

            return await post("secret", body="b", more="secret")

    assert asyncio.run(later()) == ("redacted-1", "redacted-2")
