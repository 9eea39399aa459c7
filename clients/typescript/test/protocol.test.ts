import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";

import { ApprovalState } from "../src/gen/portcullis/v1/approval_pb.js";
import { DecideResponseSchema, WatchVerdictResponseSchema, type WatchVerdictResponse } from "../src/gen/portcullis/v1/decision_pb.js";
import { Effect } from "../src/gen/portcullis/v1/types_pb.js";
import { Decision, Denied } from "../src/index.js";
import { codeName, MAX_BREAKS, read, Watch } from "../src/protocol.js";
import { answer, type AnswerChange } from "./fake.js";

describe("only an allow is allowed", () => {
  type Row = [string, AnswerChange, boolean, string, string?];
  const rows: Row[] = [
    ["allow", {}, true, "allow"],
    ["known obligation", { obligations: [{ type: "known" }] }, true, "allow"],
    ["deny", { effect: Effect.DENY }, false, "deny"],
    ["unset effect", { effect: 0 }, false, "deny", "EFFECT_UNKNOWN"],
    ["new effect", { effect: 9 as Effect }, false, "deny", "EFFECT_UNKNOWN"],
    ["ask without approval", { effect: Effect.REQUIRE_APPROVAL }, false, "deny", "PDP_UNREACHABLE"],
    ["unknown obligation", { obligations: [{ type: "known" }, { type: "new" }] }, false, "deny", "OBLIGATION_UNMET"],
    ["changed content", { effectiveContent: "x" }, false, "deny", "ARGUMENTS_CHANGED"],
    ["nothing to use", { obligations: [{ type: "use_effective" }] }, false, "deny", "OBLIGATION_UNMET"],
    ["changed arguments", { effectiveArgumentsJson: "{}" }, false, "deny", "ARGUMENTS_CHANGED"],
    ["no id", { decisionId: "" }, false, "deny", "PDP_UNREACHABLE"],
    ["no digest", { actionDigest: "" }, false, "deny", "PDP_UNREACHABLE"],
    ["no expiry", { expiresAt: undefined as never }, false, "deny", "PDP_UNREACHABLE"],
    ["no time", { expiresAt: { seconds: 2n ** 62n } }, false, "deny", "PDP_UNREACHABLE"],
    ["expired", { expiresAt: { seconds: BigInt(Math.floor(Date.now() / 1000) - 1) } }, false, "allow", "DECISION_EXPIRED"],
  ];
  for (const [name, change, allowed, effect, reason] of rows) {
    test(name, () => {
      const decision = read(answer(Effect.ALLOW, change), new Set(["known"]));
      assert.equal(decision.allowed, allowed);
      assert.equal(decision.effect, effect);
      if (allowed) return decision.require();
      assert.throws(
        () => decision.require(),
        (error) => error instanceof Denied && (reason === undefined || (error.reasons[0]?.code === reason && error.message.includes(reason))),
      );
      return undefined;
    });
  }
  test("an empty answer", () => assert.equal(read(create(DecideResponseSchema), new Set()).effect, "deny"));
  test("an allow without an end", () => assert.equal(new Decision({ effect: "allow", reasons: [] }).allowed, false));
});

test("codes are spelt as gRPC spells them", () => {
  assert.deepEqual([Code.FailedPrecondition, Code.Canceled, Code.Unavailable].map(codeName), ["FAILED_PRECONDITION", "CANCELLED", "UNAVAILABLE"]);
});

describe("a wait", () => {
  const unavailable = new ConnectError("x", Code.Unavailable);
  const { PENDING, APPROVED, REJECTED, EXPIRED, CANCELLED } = ApprovalState;

  function message(sequence: bigint, state: number, more: MessageInitShape<typeof WatchVerdictResponseSchema> = {}): WatchVerdictResponse {
    return create(WatchVerdictResponseSchema, { approvalId: "ap", sequence, state, ...more });
  }

  /** A wait whose time stands still until the test moves it. */
  function watching(timeoutMs: number): { watch: Watch; clock: { now: number } } {
    const clock = { now: 1000 };
    return { watch: new Watch("ap", timeoutMs, () => clock.now), clock };
  }

  test("threat B11: resumes where the stream broke", () => {
    const { watch } = watching(3_600_000);
    assert.equal(watch.request.afterSequence, 0n);
    assert.equal(typeof watch.broke(unavailable), "number");
    assert.equal(watch.heard(message(2n, PENDING)), undefined);
    assert.equal(watch.heard(message(1n, PENDING)), undefined);
    assert.equal(typeof watch.broke(), "number");
    assert.equal(watch.request.afterSequence, 2n);
    const verdict = watch.heard(message(3n, APPROVED, { comment: "fine" }));
    assert.deepEqual(verdict, { approvalId: "ap", state: "approved", reason: "", approved: true, comment: "fine", sequence: 3n });
  });

  for (const [state, name] of [[REJECTED, "rejected"], [EXPIRED, "expired"], [CANCELLED, "cancelled"]] as const) {
    test(`ends with a no: ${name}`, () => {
      const verdict = watching(60_000).watch.heard(message(2n, state));
      assert.equal(verdict?.approved, false);
      assert.equal(verdict?.reason, `APPROVAL_${name.toUpperCase()}`);
    });
  }

  for (const [name, sent] of Object.entries({
    pending: message(1n, PENDING),
    "a state of the future": message(2n, 77),
    "no state": message(2n, 0),
    "a heartbeat that says yes": message(2n, APPROVED, { heartbeat: true }),
  })) {
    test(`goes on: ${name}`, () => assert.equal(watching(60_000).watch.heard(sent), undefined));
  }

  test("takes no verdict on another approval", () => {
    const verdict = watching(60_000).watch.heard(message(2n, APPROVED, { approvalId: "other" }));
    assert.equal(verdict?.approved, false);
  });

  test("that times out is a no", () => {
    const { watch, clock } = watching(60_000);
    clock.now += 60_000;
    const over = watch.broke(new ConnectError("x", Code.Canceled));
    assert.ok(typeof over === "object" && !over.approved && over.reason === "APPROVAL_WAIT_TIMEOUT");
  });

  test("bears a bounded number of breaks, with growing pauses", () => {
    const { watch } = watching(3_600_000);
    const pauses: number[] = [];
    let over = watch.broke(unavailable);
    for (; typeof over === "number"; over = watch.broke(unavailable)) pauses.push(over);
    assert.ok(!over.approved && over.reason === "PDP_UNREACHABLE");
    assert.equal(pauses.length, MAX_BREAKS);
    assert.ok((pauses[0] ?? 0) <= 100 && (pauses.at(-1) ?? 0) >= 2_500 && pauses.reduce((a, b) => a + b) < 30_000);
  });

  test("forgives breaks once something is heard", () => {
    const { watch } = watching(3_600_000);
    for (let i = 0; i < 3 * MAX_BREAKS; i++) {
      assert.equal(typeof watch.broke(unavailable), "number");
      watch.heard(message(0n, PENDING, { heartbeat: true }));
    }
  });

  test("ends at once with a refusal", () => {
    const over = watching(60_000).watch.broke(new ConnectError("x", Code.NotFound));
    assert.ok(typeof over === "object" && !over.approved);
  });

  test("begins again where the server forgot", () => {
    const { watch } = watching(60_000);
    watch.heard(message(5n, PENDING));
    assert.equal(typeof watch.broke(new ConnectError("x", Code.OutOfRange)), "number");
    assert.equal(watch.request.afterSequence, 0n);
  });
});
