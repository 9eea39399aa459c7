import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { create } from "@bufbuild/protobuf";

import { ApprovalState } from "../src/gen/portcullis/v1/approval_pb.js";
import { OutcomeStatus } from "../src/gen/portcullis/v1/decision_pb.js";
import { Effect, HttpRequestSchema } from "../src/gen/portcullis/v1/types_pb.js";
import { ApprovalRequired, ArgumentsError, Denied, type Arguments, type RunOptions } from "../src/index.js";
import { answer, asking, fake, verdict, type Behaviour } from "./fake.js";

const never = (): never => assert.fail("it ran");

function deniedBy(reason: string, kind: typeof Denied = Denied): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof Denied, String(error));
    assert.equal(error.constructor, kind);
    assert.equal(error.reasons[0]?.code, reason);
    assert.equal(error.message.includes("ap1"), kind === ApprovalRequired);
    return true;
  };
}

describe("run", () => {
  test("runs what is allowed and reports it", async () => {
    const pdp = await fake();
    const result = await pdp.client().run({ tool: "x" }, (run) => {
      run.actual = { tokens: 5n };
      return "done";
    });
    assert.equal(result, "done");
    assert.deepEqual(pdp.reports.map((r) => [r.decisionId, r.status, r.actual?.tokens]), [["d1", OutcomeStatus.SUCCEEDED, 5n]]);
  });

  test("reports a failure and throws it on", async () => {
    const pdp = await fake();
    const boom = new Error("boom");
    await assert.rejects(
      pdp.client().run({ tool: "x" }, () => Promise.reject(boom)),
      (error) => error === boom,
    );
    assert.deepEqual(pdp.reports.map((r) => r.status), [OutcomeStatus.FAILED]);
  });

  const rows: [string, Behaviour, RunOptions, string, typeof Denied][] = [
    ["a deny", { decide: () => answer(Effect.DENY) }, {}, "BECAUSE", Denied],
    ["an ask, without waiting", { decide: asking }, {}, "BECAUSE", ApprovalRequired],
    ["rejected", { decide: asking, watch: verdict(ApprovalState.REJECTED) }, { waitMs: 60_000 }, "APPROVAL_REJECTED", Denied],
    ["nobody answers", { decide: asking, watch: verdict(ApprovalState.PENDING) }, { waitMs: 200 }, "APPROVAL_WAIT_TIMEOUT", ApprovalRequired],
    ["an unknown approval", { decide: asking }, { approvalId: "ap2" }, "APPROVAL_NOT_FOUND", Denied],
    ["asked twice", { decide: () => answer(Effect.REQUIRE_APPROVAL), watch: verdict(ApprovalState.APPROVED) }, { waitMs: 60_000 }, "BECAUSE", ApprovalRequired],
  ];
  for (const [name, behaviour, options, reason, kind] of rows) {
    test(`a no runs nothing: ${name}`, async () => {
      const pdp = await fake(behaviour);
      await assert.rejects(pdp.client().run({ tool: "x" }, never, options), deniedBy(reason, kind));
      assert.equal(pdp.reports.length, 0);
    });
  }

  test("waits and redeems", async () => {
    const pdp = await fake({ decide: asking, watch: verdict(ApprovalState.APPROVED) });
    assert.equal(await pdp.client().run({ tool: "x" }, () => 1, { waitMs: 60_000, requestId: "r" }), 1);
    assert.deepEqual(pdp.asked.map((a) => [a.requestId, a.approvalId]), [["r", ""], ["", "ap1"]]);
  });

  test("threat B1: arguments that change while a person thinks are not run", async () => {
    const args = { to: ["ann"] };
    const pdp = await fake({
      decide: asking,
      watch: async function* (request) {
        args.to.push("mallory");
        yield* verdict(ApprovalState.APPROVED)(request);
      },
    });
    await assert.rejects(pdp.client().run({ tool: "x", arguments: args }, never, { waitMs: 60_000 }), deniedBy("ARGUMENTS_CHANGED"));
  });

  test("threat B1: nor is a request that changes", async () => {
    const http = create(HttpRequestSchema, { method: "GET", url: "https://example.com" });
    const pdp = await fake({
      decide: () => {
        http.url = "https://example.net";
        return answer(Effect.ALLOW);
      },
    });
    await assert.rejects(pdp.client().run({ kind: "http_request", http }, never), deniedBy("ARGUMENTS_CHANGED"));
    assert.equal(pdp.asked[0]?.action?.http?.url, "https://example.com");
  });

  test("hands on what the PDP gives instead", async () => {
    const instead = { effectiveArgumentsJson: '{"n":0,"to":["redacted-1"]}', effectiveContent: "redacted-2", obligations: [{ type: "use_effective" }] };
    const pdp = await fake({ decide: () => answer(Effect.ALLOW, instead) });
    const action = { tool: "x", arguments: { to: ["secret"], n: 4111111111111111n }, content: "secret" };
    await assert.rejects(pdp.client().run(action, never), deniedBy("ARGUMENTS_CHANGED"));
    await pdp.client().run(
      action,
      (run) => {
        assert.deepEqual(run.arguments, { to: ["redacted-1"], n: 0 });
        assert.equal(run.content, "redacted-2");
      },
      { useEffective: true },
    );
    const send = (a: { to: string[]; n: bigint }): unknown => a;
    assert.deepEqual(await pdp.client().guard(send, { tool: "x", useEffective: true })(action.arguments), { to: ["redacted-1"], n: 0 });
    assert.throws(() => pdp.client().guard(send, { tool: "x", useEffective: true, arguments: (a) => a }), TypeError);
  });

  test("meets obligations first", async () => {
    const pdp = await fake({ decide: () => answer(Effect.ALLOW, { obligations: [{ id: "o1", type: "notice" }] }) });
    const met: string[] = [];
    await pdp.client({ obligations: { notice: (o) => void met.push(o.id) } }).run({ tool: "x" }, () => assert.deepEqual(met, ["o1"]));
    const failing = pdp.client({ obligations: { notice: () => Promise.reject(new Error("no printer")) } });
    await assert.rejects(failing.run({ tool: "x" }, never), deniedBy("OBLIGATION_UNMET"));
    await assert.rejects(pdp.client().run({ tool: "x" }, never), deniedBy("OBLIGATION_UNMET"));
  });

  test("threat C4: an allow that ran out is not used", async (t) => {
    const pdp = await fake({ decide: () => answer(Effect.ALLOW, { obligations: [{ type: "slow" }] }) });
    const now = Date.now;
    const slow = (): void => void t.mock.method(Date, "now", () => now() + 3_600_000);
    await assert.rejects(pdp.client({ obligations: { slow } }).run({ tool: "x" }, never), deniedBy("DECISION_EXPIRED"));
  });

  test("an outcome that can't be reported changes nothing", async () => {
    const pdp = await fake();
    const unreported: unknown[] = [];
    const client = pdp.client({
      token: "canary",
      onUnreported: (u) => {
        unreported.push(u);
        throw new Error("the caller's own mistake");
      },
    });
    const result = await client.run({ tool: "x", arguments: { a: "canary" } }, () => {
      client.close();
      return 1;
    });
    assert.equal(result, 1);
    assert.equal(unreported.length, 1);
    assert.ok(!JSON.stringify(unreported).includes("canary"));
  });
});

describe("guard", () => {
  test("names the arguments, keeps `this`, and learns the cost", async () => {
    const pdp = await fake();
    const client = pdp.client();
    const add = client.guard(({ a, b }: { a: number; b: number }) => a + b, { tool: "add", server: "srv", actual: (sum) => ({ tokens: BigInt(sum) }) });
    assert.equal(await add({ a: 1, b: 2 }), 3);
    const desk = {
      name: "desk",
      send: client.guard(
        function (this: unknown, to: string, _body: string): string {
          return `${(this as { name: string }).name} to ${to}`;
        },
        { tool: "send", arguments: (to, body) => ({ to, body }) },
      ),
    };
    assert.equal(await desk.send("ann", "Lunch?"), "desk to ann");
    assert.equal(await client.guard(() => 7, { tool: "now" })(), 7);
    assert.deepEqual(
      pdp.asked.map((a) => [a.action?.tool, a.action?.server, a.action?.args.value]),
      [
        ["add", "srv", '{"a":1,"b":2}'],
        ["send", "", '{"to":"ann","body":"Lunch?"}'],
        ["now", "", "{}"],
      ],
    );
    assert.deepEqual(pdp.reports.map((r) => r.actual?.tokens), [3n, undefined, undefined]);
  });

  test("threat B1: looks at the arguments again before it runs", async () => {
    const args = { to: "ann" };
    const pdp = await fake({
      decide: () => {
        args.to = "mallory";
        return answer(Effect.ALLOW);
      },
    });
    await assert.rejects(pdp.client().guard((_: { to: string }) => never(), { tool: "x" })(args), deniedBy("ARGUMENTS_CHANGED"));
  });

  test("what nobody could judge is not run", async () => {
    const pdp = await fake();
    const client = pdp.client();
    const two = client.guard((_a: Arguments, _b: Arguments) => never(), { tool: "x" });
    await assert.rejects(two({}, {}), ArgumentsError);
    const text = client.guard((_: string) => never(), { tool: "x" });
    await assert.rejects(text("x"), ArgumentsError);
    assert.equal(pdp.asked.length, 0);
  });

  test("generators are refused", async () => {
    const client = (await fake()).client();
    assert.throws(() => client.guard(function* () {}, { tool: "x" }), TypeError);
    assert.throws(() => client.guard(async function* () {}, { tool: "x" }), TypeError);
  });
});
