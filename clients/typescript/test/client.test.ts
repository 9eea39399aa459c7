import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, mock, test } from "node:test";
import { inspect } from "node:util";

import { Code, ConnectError } from "@connectrpc/connect";

import { ApprovalState } from "../src/gen/portcullis/v1/approval_pb.js";
import { OutcomeStatus } from "../src/gen/portcullis/v1/decision_pb.js";
import { Effect } from "../src/gen/portcullis/v1/types_pb.js";
import { ArgumentsError, Client, type ClientOptions } from "../src/index.js";
import { HEARTBEAT_TIMEOUT_MS } from "../src/protocol.js";
import { answer, blackHole, clientOf, fake, nobody, refusal, verdict, WHO } from "./fake.js";

const x = { tool: "x" };
const seconds = (from: number): number => (performance.now() - from) / 1000;

describe("decide", () => {
  test("an allow", async () => {
    const decision = await (await fake()).client().decide(x);
    assert.equal(decision.allowed, true);
    assert.equal(decision.code, "OK");
  });

  for (const [name, error, code, reason] of [
    ["the PDP's refusal", refusal(Code.FailedPrecondition, "APPROVAL_USED"), "FAILED_PRECONDITION", "APPROVAL_USED"],
    ["somebody's refusal", refusal(Code.PermissionDenied, "FREE_LUNCH", "somebody.else"), "PERMISSION_DENIED", "PDP_UNREACHABLE"],
    ["no reason", new ConnectError("x", Code.Unavailable), "UNAVAILABLE", "PDP_UNREACHABLE"],
  ] as const) {
    test(`a failed call is a deny: ${name}`, async () => {
      const pdp = await fake({
        decide: () => {
          throw error;
        },
      });
      const decision = await pdp.client().decide(x);
      assert.deepEqual([decision.effect, decision.code, decision.reasons[0]?.code], ["deny", code, reason]);
    });
  }

  for (const [name, tls] of [["plain text", false], ["TLS", true]] as const) {
    test(`threat C6: a silent PDP denies at the deadline: ${name}`, async () => {
      const client = clientOf(await blackHole(), { timeoutMs: 300, tls });
      const began = performance.now();
      const decision = await client.decide(x);
      assert.deepEqual([decision.effect, decision.code, decision.reasons[0]?.code], ["deny", "DEADLINE_EXCEEDED", "PDP_UNREACHABLE"]);
      assert.ok(seconds(began) > 0.25 && seconds(began) < 3, `took ${seconds(began)} s`);
    });
  }

  test("threat C6: a stuck answer denies at the deadline", async () => {
    const pdp = await fake({ decide: async (_, { signal }) => await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error))) });
    const decision = await pdp.client({ timeoutMs: 300 }).decide(x);
    assert.deepEqual([decision.effect, decision.code], ["deny", "DEADLINE_EXCEEDED"]);
  });

  test("nobody there is a deny", async () => {
    const decision = await clientOf(await nobody()).decide(x);
    assert.deepEqual([decision.effect, decision.reasons[0]?.code], ["deny", "PDP_UNREACHABLE"]);
  });

  test("being aborted is a deny", async () => {
    const began = performance.now();
    const decision = await clientOf(await blackHole()).decide(x, { signal: AbortSignal.timeout(50) });
    assert.ok(seconds(began) < 3);
    assert.deepEqual([decision.effect, decision.reasons[0]?.code], ["deny", "PDP_UNREACHABLE"]);
  });

  test("a request carries everything", async () => {
    const folder = await mkdtemp(join(tmpdir(), "portcullis-"));
    const tokenFile = join(folder, "token");
    await writeFile(tokenFile, "first\n");
    const pdp = await fake();
    const client = pdp.client({ tokenFile, principal: () => ({ agent: "b", session: "s2", user: "u" }) });
    const action = { tool: "t", server: "srv", arguments: { n: 2n ** 53n + 1n }, estimate: { tokens: 7n, model: "m/1", inputTokens: 5n, outputTokens: 2n } };
    await client.decide(action, { approvalId: "ap", requestId: "r" });
    await writeFile(tokenFile, "second");
    await client.decide(action, { principal: { agent: "c", session: "s3" } });
    await writeFile(tokenFile, "\n");
    assert.equal((await client.decide(action)).reasons[0]?.code, "PDP_UNREACHABLE");
    await rm(folder, { recursive: true });

    const [first, second] = pdp.asked;
    assert.deepEqual([first?.requestId, first?.approvalId, first?.principal?.agent, first?.principal?.user], ["r", "ap", "b", "u"]);
    assert.deepEqual(first?.action?.args, { case: "argumentsJson", value: '{"n":9007199254740993}' });
    const estimate = first?.action?.estimate;
    assert.deepEqual([first?.action?.server, estimate?.tokens, estimate?.model, estimate?.inputTokens, estimate?.outputTokens], ["srv", 7n, "m/1", 5n, 2n]);
    assert.equal(second?.principal?.agent, "c");
    assert.deepEqual(pdp.tokens, ["Bearer first", "Bearer second"]);
  });

  test("threat E16: a decision prints no arguments", async () => {
    const pdp = await fake({ decide: () => answer(Effect.ALLOW, { effectiveArgumentsJson: '{"a":"canary"}' }) });
    const decision = await pdp.client().decide({ ...x, arguments: { a: "canary" } });
    assert.ok(!inspect(decision, { depth: 9, showHidden: true }).includes("canary"));
  });

  test("arguments that are not exact are refused before anything is asked", async () => {
    const pdp = await fake();
    await assert.rejects(pdp.client().decide({ tool: "x", arguments: { n: NaN } }), ArgumentsError);
    assert.equal(pdp.asked.length, 0);
  });
});

test("a report", async () => {
  const pdp = await fake();
  await pdp.client().report("d1", "failed", { costMicroUsd: 3n });
  const [report] = pdp.reports;
  assert.deepEqual([report?.decisionId, report?.status, report?.actual?.costMicroUsd], ["d1", OutcomeStatus.FAILED, 3n]);
});

describe("wait", () => {
  test("outlives broken streams", async () => {
    const after: bigint[] = [];
    const pdp = await fake({
      watch: async function* (request) {
        after.push(request.afterSequence);
        if (after.length === 1) throw new ConnectError("x", Code.Unavailable);
        if (after.length === 2) {
          yield { approvalId: "ap1", sequence: 1n, state: ApprovalState.PENDING };
          yield { heartbeat: true };
          return;
        }
        yield* verdict(ApprovalState.APPROVED)(request);
      },
    });
    const heard = await pdp.client().wait("ap1", { timeoutMs: 60_000 });
    assert.deepEqual([heard.approved, heard.comment], [true, "hm"]);
    assert.deepEqual(after, [0n, 0n, 1n]);
  });

  test("opens a stream that went silent again", async () => {
    let streams = 0;
    let opened = (): void => undefined;
    const first = new Promise<void>((resolve) => (opened = resolve));
    const pdp = await fake({
      watch: async function* (request, { signal }) {
        streams += 1;
        if (streams > 1) return yield* verdict(ApprovalState.APPROVED)(request);
        opened();
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    });
    const client = pdp.client();
    const real = globalThis.setTimeout;
    // The heartbeat's time-out, but for its length.
    mock.method(globalThis, "setTimeout", (act: () => void, ms: number) => real(act, ms === HEARTBEAT_TIMEOUT_MS ? 200 : ms));
    const began = performance.now();
    try {
      const heard = client.wait("ap1", { timeoutMs: 30_000 });
      await first;
      assert.equal((await heard).approved, true);
    } finally {
      mock.restoreAll();
    }
    assert.equal(streams, 2);
    assert.ok(seconds(began) < 5, `took ${seconds(began)} s`);
  });

  test("ends with a rejection", async () => {
    const heard = await (await fake({ watch: verdict(ApprovalState.REJECTED) })).client().wait("ap1", { timeoutMs: 60_000 });
    assert.deepEqual([heard.approved, heard.state, heard.reason], [false, "rejected", "APPROVAL_REJECTED"]);
  });

  test("silence is a no", async () => {
    const began = performance.now();
    const heard = await clientOf(await blackHole()).wait("ap1", { timeoutMs: 300 });
    assert.deepEqual([heard.approved, heard.reason], [false, "APPROVAL_WAIT_TIMEOUT"]);
    assert.ok(seconds(began) < 3);
  });

  test("heeds its signal", async () => {
    const began = performance.now();
    const heard = await clientOf(await blackHole()).wait("ap1", { timeoutMs: 60_000, signal: AbortSignal.timeout(100) });
    assert.equal(heard.approved, false);
    assert.ok(seconds(began) < 3);
  });
});

describe("threat C5: a configuration that gives the token away is refused", () => {
  const bad: Record<string, Partial<ClientOptions>> = {
    "plain text off loopback": { address: "192.0.2.1:7070", token: "t" },
    "plain text to a name": { address: "localhost.example.com:7070", token: "t" },
    "a name that looks like loopback": { address: "127.0.0.1.example.com:1", token: "t" },
    "a URL": { address: "https://example.com", token: "t" },
    "a user in the address": { address: "127.0.0.1:7070@example.com:1", token: "t" },
    "a path in the address": { address: "127.0.0.1:7070/x", token: "t" },
    "no credential": {},
    "two credentials": { token: "t", tokenFile: "f" },
    "no such file": { tokenFile: "no/such/file" },
    "header injection": { token: "admin\nx: y" },
    "an empty token": { token: "" },
    "no time at all": { token: "t", timeoutMs: 0 },
  };
  for (const [name, options] of Object.entries(bad)) {
    test(name, () => {
      assert.throws(
        () => new Client({ principal: WHO, ...options }),
        (error) => error instanceof Error && !error.message.includes("admin"),
      );
    });
  }
  test("loopback by name and number is fine", () => {
    for (const address of ["localhost:1", "127.0.0.1:1", "127.8.8.8:1", "[::1]:1"]) clientOf(address);
  });
});
