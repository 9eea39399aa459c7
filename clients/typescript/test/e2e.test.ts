// The whole story against the real binary, PORTCULLIS_BIN. Without it these tests fail: skipping them would look like passing.

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, openSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { Code, ConnectError, createClient, type Client as RpcClient } from "@connectrpc/connect";

import { connect } from "../src/connection.js";
import { ApprovalService, ApprovalState, Verdict as Said } from "../src/gen/portcullis/v1/approval_pb.js";
import { Denied, type Client } from "../src/index.js";
import { clientOf } from "./fake.js";

interface Real {
  address: string;
  process: ChildProcess;
  agentToken: string;
  approverToken: string;
  /** A client with the agents' token, on the profile that may send mail. */
  agent(timeoutMs?: number): Client;
  /** The approvals' service with somebody's token. */
  person(tokenFile: string): RpcClient<typeof ApprovalService>;
}

async function startReal(): Promise<Real> {
  const binary = process.env["PORTCULLIS_BIN"];
  if (!binary) assert.fail("PORTCULLIS_BIN names no binary: `make build`, and set it to bin/portcullis");
  const folder = await mkdtemp(join(tmpdir(), "portcullis-"));
  const [file, log] = [join(folder, "address"), join(folder, "log")];
  const out = openSync(log, "w");
  const directories = ["--data-dir", join(folder, "data"), "--operator-dir", join(folder, "operator")];
  const server = spawn(binary, ["serve", "--dev", "--listen", "127.0.0.1:0", "--addr-file", file, ...directories], { stdio: ["ignore", out, out] });
  const ended = once(server, "exit");
  after(async () => {
    server.kill("SIGKILL");
    await ended;
    await rm(folder, { recursive: true });
  });
  const address = (): string => (existsSync(file) ? readFileSync(file, "utf8").trim() : "");
  for (const until = Date.now() + 60_000; address() === ""; await sleep(20)) {
    assert.ok(server.exitCode === null && Date.now() < until, `the server did not come up:\n${readFileSync(log, "utf8")}`);
  }
  const agentToken = join(folder, "data", "agent.token");
  return {
    address: address(),
    process: server,
    agentToken,
    approverToken: join(folder, "operator", "approver.token"),
    agent: (timeoutMs = 5_000) => clientOf(address(), { tokenFile: agentToken, timeoutMs, principal: { agent: "demo-filtered", session: "s1" } }),
    person: (tokenFile) => {
      const connection = connect({ address: address(), tokenFile });
      after(() => connection.close());
      return createClient(ApprovalService, connection.transport);
    },
  };
}

const never = (): never => assert.fail("it ran");
const email = (body: string) => ({ tool: "send_email", arguments: { to: "ann@example.com", body } });
const withCode = (code: Code) => (error: unknown) => error instanceof ConnectError && error.code === code;

test("allow and deny", async () => {
  const agent = (await startReal()).agent();
  const calculate = agent.guard(({ sum }: { sum: string }) => sum.length, { tool: "calculator" });
  assert.equal(await calculate({ sum: "2+2" }), 3);
  const id = await agent.run({ tool: "calculator", arguments: { sum: "2+2" } }, (run) => run.decision.id);
  await agent.report(id, "succeeded"); // again: changes nothing
  await assert.rejects(agent.report("01890000-0000-7000-8000-000000000000", "succeeded"), withCode(Code.NotFound));

  const shell = { tool: "shell_command", arguments: { command: "ls" } };
  const decision = await agent.decide(shell);
  assert.deepEqual([decision.effect, decision.code, decision.allowed], ["deny", "OK", false]);
  assert.ok(decision.reasons.length > 0);
  await assert.rejects(agent.run(shell, never), Denied);
});

test("ask, approve, hear it, redeem once", async () => {
  const real = await startReal();
  const agent = real.agent();
  const asked = await agent.decide(email("Lunch?"));
  const { approvalId } = asked;
  assert.deepEqual([asked.effect, asked.allowed, approvalId !== ""], ["require_approval", false, true]);
  const heard = agent.wait(approvalId, { timeoutMs: 60_000 });

  const itself = real.person(real.agentToken).submitVerdict({ approvalId, verdict: Said.APPROVE });
  await assert.rejects(itself, withCode(Code.PermissionDenied));
  const early = await agent.decide(email("Lunch?"), { approvalId });
  assert.deepEqual([early.effect, early.code], ["deny", "FAILED_PRECONDITION"]);

  const said = await real.person(real.approverToken).submitVerdict({ approvalId, verdict: Said.APPROVE, comment: "seen" });
  assert.equal(said.applied, true);
  const verdict = await heard;
  assert.deepEqual([verdict.approved, verdict.state, verdict.comment], [true, "approved", "seen"]);

  const other = await agent.decide(email("Dinner?"), { approvalId });
  assert.deepEqual([other.effect, other.code], ["deny", "FAILED_PRECONDITION"]);
  const first = await agent.decide(email("Lunch?"), { approvalId });
  assert.deepEqual([first.allowed, first.actionDigest], [true, asked.actionDigest]);
  const second = await agent.decide(email("Lunch?"), { approvalId });
  assert.deepEqual([second.effect, second.code, second.reasons[0]?.code], ["deny", "FAILED_PRECONDITION", "APPROVAL_USED"]);
});

test("a guard waits for a person", async () => {
  const real = await startReal();
  const approver = real.person(real.approverToken);
  const verdicts = [Said.APPROVE, Said.REJECT];
  const stop = new AbortController();
  const person = (async () => {
    for await (const { approval } of approver.watchApprovals({}, { signal: stop.signal })) {
      if (approval?.state !== ApprovalState.PENDING) continue;
      const verdict = verdicts.shift();
      assert.ok(verdict !== undefined);
      await approver.submitVerdict({ approvalId: approval.id, verdict, comment: "seen" });
      if (verdicts.length === 0) return;
    }
  })();
  const send = real.agent().guard((_: { to: string; body: string }) => "sent", { tool: "send_email", waitMs: 60_000 });
  assert.equal(await send({ to: "ann@example.com", body: "Lunch?" }), "sent");
  await assert.rejects(
    send({ to: "ann@example.com", body: "Dinner?" }),
    (error) => error instanceof Denied && error.reasons[0]?.code === "APPROVAL_REJECTED" && error.verdict?.comment === "seen",
  );
  await person;
  stop.abort();
});

test("threat C6: a killed server denies", async () => {
  const real = await startReal();
  const agent = real.agent();
  const calculator = { tool: "calculator", arguments: { sum: "2+2" } };
  assert.equal((await agent.decide(calculator)).allowed, true);
  const ended = once(real.process, "exit");
  real.process.kill("SIGKILL");
  await ended;
  const gone = await agent.decide(calculator);
  assert.deepEqual([gone.effect, gone.reasons[0]?.code], ["deny", "PDP_UNREACHABLE"]);
});
