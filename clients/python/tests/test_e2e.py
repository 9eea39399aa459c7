"""The whole story against the real binary, `PORTCULLIS_BIN`. Without it these tests fail: skipping them would look like passing."""

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from portcullis.v1 import approval_pb2, approval_pb2_grpc
from portcullis_client import Action, ApprovalRequired, AsyncClient, Client, Denied, Effect, Outcome, Principal, State

CALCULATOR = Action("calculator", {"sum": "2+2"})
SHELL = Action("shell_command", {"command": "ls"})
EMAIL = Action("send_email", {"to": "ann@example.com", "body": "Lunch?"})


class RealPDP:
    def __init__(self, folder: Path) -> None:
        binary = os.environ.get("PORTCULLIS_BIN")
        if not binary:
            pytest.fail("PORTCULLIS_BIN names no binary: `make build`, and set it to bin/portcullis")
        self.agent_token = folder / "data" / "agent.token"
        self.approver_token = folder / "operator" / "approver.token"
        address = folder / "address"
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [binary, "serve", "--dev", "--listen", "127.0.0.1:0", "--addr-file", str(address)]
                + ["--data-dir", str(folder / "data"), "--operator-dir", str(folder / "operator")],
                stdout=log,
                stderr=log,
            )
        self.address = self._said(address)

    def _said(self, file: Path) -> str:
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            if file.exists() and (address := file.read_text().strip()):
                return address
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.02)
        self.kill()
        pytest.fail(f"the server did not come up:\n{self.log.read_text()}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def options(self, **more: Any) -> dict[str, Any]:
        """How an agent that may send mail connects."""
        return {"principal": Principal(agent="demo-filtered", session="s1"), "token_file": self.agent_token, **more}

    @contextlib.contextmanager
    def person(self, token: Path) -> Iterator[tuple[Any, Any]]:
        """The approvals' service, and somebody's credential."""
        with grpc.insecure_channel(self.address) as channel:
            stub = approval_pb2_grpc.ApprovalServiceStub(channel)  # type: ignore[no-untyped-call]  # generated
            yield stub, (("authorization", f"Bearer {token.read_text().strip()}"),)

    def submit(self, approval_id: str, verdict: Any, token: Path | None = None) -> None:
        with self.person(token or self.approver_token) as (approvals, credential):
            said = approval_pb2.SubmitVerdictRequest(approval_id=approval_id, verdict=verdict, comment="seen")
            assert approvals.SubmitVerdict(said, metadata=credential, timeout=10).applied

    def answer_all(self, verdict: Any, ready: threading.Event) -> None:
        """A person who gives the same verdict to the first ask."""
        with self.person(self.approver_token) as (approvals, credential):
            stream = approvals.WatchApprovals(approval_pb2.WatchApprovalsRequest(), metadata=credential, timeout=60)
            ready.set()
            for change in stream:
                if change.approval.state == approval_pb2.APPROVAL_STATE_PENDING:
                    self.submit(change.approval.id, verdict)
                    stream.cancel()
                    return


@pytest.fixture
def real(tmp_path: Path) -> Iterator[RealPDP]:
    pdp = RealPDP(tmp_path)
    yield pdp
    pdp.kill()


@pytest.fixture
def agent(real: RealPDP) -> Iterator[Client]:
    with Client(real.address, **real.options()) as client:
        yield client


def test_allow_and_deny(agent: Client) -> None:
    @agent.guard(tool="calculator")
    def calculate(sum: str) -> int:
        return 4

    assert calculate(sum="2+2") == 4
    with agent.guard(tool="calculator", arguments={"sum": "2+2"}) as run:
        pass
    agent.report(run.decision.id, Outcome.SUCCEEDED)  # again: changes nothing
    with pytest.raises(grpc.RpcError) as unknown:
        agent.report("01890000-0000-7000-8000-000000000000", Outcome.SUCCEEDED)
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND

    decision = agent.decide(SHELL)
    assert (decision.effect, decision.code, decision.allowed) == (Effect.DENY, grpc.StatusCode.OK, False)
    with pytest.raises(Denied) as denied, agent.guard("shell_command", {"command": "ls"}):
        raise AssertionError("it ran")
    assert denied.value.reasons[0].code == decision.reasons[0].code


def test_ask_approve_hear_redeem_once(real: RealPDP, agent: Client) -> None:
    asked = agent.decide(EMAIL)
    assert asked.needs_approval and not asked
    with pytest.raises(ApprovalRequired):
        asked.require()
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(agent.wait, asked.approval_id, 60)

        with pytest.raises(grpc.RpcError) as itself:
            real.submit(asked.approval_id, approval_pb2.VERDICT_APPROVE, real.agent_token)
        assert itself.value.code() is grpc.StatusCode.PERMISSION_DENIED
        early = agent.decide(EMAIL, approval_id=asked.approval_id)
        assert (early.effect, early.code) == (Effect.DENY, grpc.StatusCode.FAILED_PRECONDITION)

        real.submit(asked.approval_id, approval_pb2.VERDICT_APPROVE)
        verdict = heard.result(30)
    assert (verdict.approved, verdict.state, verdict.comment) == (True, State.APPROVED, "seen")

    other = agent.decide(Action("send_email", {"to": "ann@example.com", "body": "Dinner?"}), approval_id=asked.approval_id)
    assert (other.effect, other.code) == (Effect.DENY, grpc.StatusCode.FAILED_PRECONDITION)
    first = agent.decide(EMAIL, approval_id=asked.approval_id)
    assert first.allowed and first.action_digest == asked.action_digest
    second = agent.decide(EMAIL, approval_id=asked.approval_id)
    assert (second.effect, second.code) == (Effect.DENY, grpc.StatusCode.FAILED_PRECONDITION)
    assert second.reasons[0].code == "APPROVAL_USED"


@pytest.mark.parametrize("verdict", [approval_pb2.VERDICT_APPROVE, approval_pb2.VERDICT_REJECT])
@pytest.mark.parametrize("flavour", ["sync", "asyncio"])
def test_a_guard_waits_for_a_person(real: RealPDP, agent: Client, flavour: str, verdict: Any) -> None:
    def send() -> str:
        @agent.guard(tool="send_email", wait=60)
        def send_email(to: str, body: str) -> str:
            return "sent"

        return send_email("ann@example.com", body="Lunch?")

    async def send_later() -> str:
        async with AsyncClient(real.address, **real.options()) as client:

            @client.guard(tool="send_email", wait=60)
            async def send_email(to: str, body: str) -> str:
                return "sent"

            return await send_email("ann@example.com", body="Lunch?")

    ready = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        person = pool.submit(real.answer_all, verdict, ready)
        ready.wait(10)
        if verdict == approval_pb2.VERDICT_APPROVE:
            assert (send() if flavour == "sync" else asyncio.run(send_later())) == "sent"
        else:
            with pytest.raises(Denied) as denied:
                send() if flavour == "sync" else asyncio.run(send_later())
            assert denied.value.reasons[0].code == "APPROVAL_REJECTED"
            assert denied.value.verdict is not None and denied.value.verdict.comment == "seen"
        person.result(30)


def test_threat_c6_stopped_and_killed_servers_deny(real: RealPDP) -> None:
    with Client(real.address, **real.options(timeout=1)) as client:
        assert client.decide(CALCULATOR)
        real.process.send_signal(signal.SIGSTOP)
        os.waitpid(real.process.pid, os.WUNTRACED)
        began = time.monotonic()
        stopped = client.decide(CALCULATOR)
        took = time.monotonic() - began
        real.process.send_signal(signal.SIGCONT)
        assert (stopped.effect, stopped.code) == (Effect.DENY, grpc.StatusCode.DEADLINE_EXCEEDED)
        assert stopped.reasons[0].code == "PDP_UNREACHABLE" and 0.9 < took < 4

        real.kill()
        gone = client.decide(CALCULATOR)
        assert (gone.effect, gone.reasons[0].code) == (Effect.DENY, "PDP_UNREACHABLE")
