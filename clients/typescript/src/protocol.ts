// What answers, errors and streams mean. No input or output in here.

import { BinaryReader } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";

import type { DecideResponse, WatchVerdictResponse } from "./gen/portcullis/v1/decision_pb.js";
import { Effect } from "./gen/portcullis/v1/types_pb.js";
import { Decision, ends, localReason, UNREACHABLE, WAIT_TIMEOUT, type Verdict } from "./model.js";

/** Three of the server's heartbeats: a stream that is silent for longer is dead. */
export const HEARTBEAT_TIMEOUT_MS = 45_000;
/** So many breaks in a row, with nothing heard between, end a wait. With the pauses below that is about 20 s. */
export const MAX_BREAKS = 8;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;

/** The obligation to carry out what the answer gives instead of what was asked about. */
export const USE_EFFECTIVE = "use_effective";

/** Whether the answer gives something instead. */
export function changed(answer: DecideResponse): boolean {
  return answer.effectiveArgumentsJson !== "" || answer.effectiveContent !== "" || answer.effectiveHttp !== undefined;
}

/** Turns an answer into a decision. Whatever is missing or not understood makes it a deny. `useEffective` says that the caller
 * carries out what the answer gives instead of what was asked about. */
export function read(answer: DecideResponse, obligations: ReadonlySet<string>, useEffective = false, now: () => number = () => Date.now()): Decision {
  const expiresAt = answer.expiresAt && new Date(Number(answer.expiresAt.seconds) * 1000 + answer.expiresAt.nanos / 1e6);
  const whole = answer.decisionId !== "" && answer.actionDigest !== "";
  const d = new Decision({
    effect: "deny",
    reasons: answer.reasons.map(({ code, message, rule }) => ({ code, message, rule })),
    id: answer.decisionId,
    approvalId: answer.approval?.id ?? "",
    expiresAt,
    actionDigest: answer.actionDigest,
    response: answer,
    now,
  });
  switch (answer.effect) {
    case Effect.DENY:
      return d;
    case Effect.ALLOW:
      if (!whole || expiresAt === undefined || Number.isNaN(expiresAt.getTime())) return d.turnedDown(UNREACHABLE);
      // Who asked about one thing may not do it on an allow of another. `response` has the other.
      if (changed(answer) && !useEffective) return d.turnedDown("ARGUMENTS_CHANGED");
      if (!answer.obligations.every((o) => obligations.has(o.type) || (o.type === USE_EFFECTIVE && changed(answer)))) return d.turnedDown("OBLIGATION_UNMET");
      return d.as("allow");
    case Effect.REQUIRE_APPROVAL:
      if (!whole || !d.approvalId || answer.approval?.actionDigest !== answer.actionDigest) return d.turnedDown(UNREACHABLE);
      return d.as("require_approval");
    default:
      return d.turnedDown("EFFECT_UNKNOWN");
  }
}

/** The deny that a failed call stands for. */
export function refused(error: unknown): Decision {
  const { code, reason } = explain(error);
  return new Decision({ effect: "deny", reasons: [localReason(reason)], code: codeName(code), cause: error });
}

/** The gRPC code, and the PDP's own reason. An error without the PDP's mark is nobody's word: unreachable. */
export function explain(error: unknown): { code: Code; reason: string } {
  const failure = ConnectError.from(error);
  for (const detail of failure.details) {
    if ("type" in detail && detail.type === "google.rpc.ErrorInfo") {
      const info = errorInfo(detail.value);
      if (info.domain === "portcullis" && info.reason) return { code: failure.code, reason: info.reason };
    }
  }
  return { code: failure.code, reason: UNREACHABLE };
}

/** The first two fields of google.rpc.ErrorInfo: two texts are no reason for another dependency. */
function errorInfo(bytes: Uint8Array): { reason: string; domain: string } {
  const info = { reason: "", domain: "" };
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === 1) info.reason = reader.string();
      else if (field === 2) info.domain = reader.string();
      else reader.skip(wireType, field);
    }
  } catch {
    return { reason: "", domain: "" }; // what can't be read says nothing
  }
  return info;
}

/** The code as gRPC spells it: FAILED_PRECONDITION. */
export function codeName(code: Code): string {
  const name = code === Code.Canceled ? "Cancelled" : (Code[code] ?? "Unknown");
  return name.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}

/** Trying again may help. Everything else was said on purpose. */
const passing: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.Unknown,
  Code.Internal,
  Code.Canceled,
  Code.Aborted,
  Code.DeadlineExceeded,
  Code.ResourceExhausted,
]);

/** One wait for a verdict, over as many streams as it takes. The caller moves the bytes and sleeps. */
export class Watch {
  #sequence = 0n;
  #breaks = 0;
  readonly #until: number;

  constructor(
    readonly approvalId: string,
    timeoutMs: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#until = now() + timeoutMs;
  }

  get remainingMs(): number {
    return Math.max(0, this.#until - this.now());
  }

  get request(): { approvalId: string; afterSequence: bigint } {
    return { approvalId: this.approvalId, afterSequence: this.#sequence };
  }

  /** The verdict, if this is it. Whatever else a server sends is not a yes. */
  heard(message: WatchVerdictResponse): Verdict | undefined {
    this.#breaks = 0;
    if (message.heartbeat) return undefined;
    if (message.approvalId !== this.approvalId) return this.over(UNREACHABLE);
    if (message.sequence > this.#sequence) this.#sequence = message.sequence;
    const end = ends.get(message.state);
    if (!end) return undefined;
    return { approvalId: this.approvalId, ...end, approved: end.state === "approved", comment: message.comment, sequence: this.#sequence };
  }

  /** How many milliseconds to pause before the next stream, or the end of it. No error: the stream ended without a verdict. */
  broke(error?: unknown): Verdict | number {
    if (this.remainingMs === 0) return this.over(WAIT_TIMEOUT, error);
    const { code, reason } = error === undefined ? { code: Code.Unavailable, reason: UNREACHABLE } : explain(error);
    // The server does not know where we were: begin again.
    if (code === Code.OutOfRange) this.#sequence = 0n;
    else if (!passing.has(code)) return this.over(reason, error);
    if (this.#breaks >= MAX_BREAKS) return this.over(reason, error);
    const most = Math.min(FIRST_PAUSE_MS * 2 ** this.#breaks, MAX_PAUSE_MS);
    this.#breaks += 1;
    // Not in step with other clients, and not past the end.
    return Math.min(most * (0.5 + Math.random() / 2), this.remainingMs);
  }

  /** The end without a verdict. */
  over(reason: string, cause?: unknown): Verdict {
    return { approvalId: this.approvalId, state: "pending", approved: false, reason, comment: "", sequence: this.#sequence, cause };
  }
}
