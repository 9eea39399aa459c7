// What goes in and comes out, as plain values. Nothing in here speaks to a server.

import { clone, create, type MessageInitShape } from "@bufbuild/protobuf";

import { encode, type Arguments } from "./arguments.js";
import { ApprovalState } from "./gen/portcullis/v1/approval_pb.js";
import { ActionSchema, OutcomeStatus, type Action as ActionMessage, type DecideResponse } from "./gen/portcullis/v1/decision_pb.js";
import { ActionKind, type HttpRequestSchema, type MemoryRefSchema } from "./gen/portcullis/v1/types_pb.js";

/** What was decided. An effect that this client does not know is a deny. */
export type Effect = "allow" | "deny" | "require_approval";

/** Who is acting. Each field must agree with the credential. */
export interface Principal {
  agent: string;
  session: string;
  tenant?: string;
  run?: string;
  user?: string;
  delegation?: string[];
}

/** What an action costs, in millionths of a US dollar and in tokens. With a model, its tokens cost what the server's bundle says. */
export interface Usage {
  costMicroUsd?: bigint;
  /** All of them; those that are neither input nor output cost the dearer of both. */
  tokens?: bigint;
  model?: string;
  inputTokens?: bigint;
  outputTokens?: bigint;
}

/** What kind of action it is. */
export type Kind =
  | "tool_call"
  | "tool_result"
  | "model_output"
  | "memory_write"
  | "memory_read"
  | "memory_delete"
  | "message"
  | "http_request";

const kinds: Record<Kind, ActionKind> = {
  tool_call: ActionKind.TOOL_CALL,
  tool_result: ActionKind.TOOL_RESULT,
  model_output: ActionKind.MODEL_OUTPUT,
  memory_write: ActionKind.MEMORY_WRITE,
  memory_read: ActionKind.MEMORY_READ,
  memory_delete: ActionKind.MEMORY_DELETE,
  message: ActionKind.MESSAGE,
  http_request: ActionKind.HTTP_REQUEST,
};

/** One thing that an agent wants to do. The fields mean what the contract says of them. */
export interface Action {
  /** A tool call by default. */
  kind?: Kind;
  tool?: string;
  arguments?: Arguments;
  server?: string;
  schemaDigest?: string;
  callId?: string;
  content?: string;
  estimate?: Usage;
  memory?: MessageInitShape<typeof MemoryRefSchema>;
  inReplyTo?: string;
  fromAgent?: string;
  http?: MessageInitShape<typeof HttpRequestSchema>;
}

/** The action as it is sent: a copy, which later changes do not reach. Throws ArgumentsError. */
export function toMessage(action: Action): ActionMessage {
  const { arguments: args, kind = "tool_call", ...rest } = action;
  const message = create(ActionSchema, {
    ...rest,
    kind: kinds[kind],
    ...(args !== undefined && { args: { case: "argumentsJson", value: encode(args) } as const }),
  });
  return clone(ActionSchema, message);
}

/** What became of an allowed action. */
export type Outcome = "succeeded" | "failed" | "unknown";

export const outcomes: Record<Outcome, OutcomeStatus> = {
  succeeded: OutcomeStatus.SUCCEEDED,
  failed: OutcomeStatus.FAILED,
  unknown: OutcomeStatus.UNKNOWN,
};

/** Where an approval stands. */
export type State = "pending" | "approved" | "rejected" | "expired" | "cancelled";

/** The final states. Whatever else a server sends is not a yes. */
export const ends: ReadonlyMap<ApprovalState, { state: State; reason: string }> = new Map([
  [ApprovalState.APPROVED, { state: "approved", reason: "" }],
  [ApprovalState.REJECTED, { state: "rejected", reason: "APPROVAL_REJECTED" }],
  [ApprovalState.EXPIRED, { state: "expired", reason: "APPROVAL_EXPIRED" }],
  [ApprovalState.CANCELLED, { state: "cancelled", reason: "APPROVAL_CANCELLED" }],
]);

export const UNREACHABLE = "PDP_UNREACHABLE";
export const WAIT_TIMEOUT = "APPROVAL_WAIT_TIMEOUT";

// Safe for a model to read.
const messages: Readonly<Record<string, string>> = {
  PDP_UNREACHABLE: "The policy decision point gave no usable answer in time, so the action is denied.",
  EFFECT_UNKNOWN: "The answer of the policy decision point is of an unknown kind, so the action is denied.",
  OBLIGATION_UNMET: "The action is allowed only on a condition that this agent can't meet, so it is denied.",
  DECISION_EXPIRED: "The permission ran out before the action began. Ask again.",
  ARGUMENTS_CHANGED: "The arguments are not those that were allowed, so the action is denied.",
  APPROVAL_REJECTED: "A person rejected the action.",
  APPROVAL_EXPIRED: "Nobody approved the action in time.",
  APPROVAL_CANCELLED: "The question to a person was withdrawn.",
  APPROVAL_WAIT_TIMEOUT: "Nobody approved the action while the agent waited.",
};

/** Why a decision is as it is. The message is safe for a model to read. */
export interface Reason {
  code: string;
  message: string;
  rule: string;
}

/** A reason that was found here, not by the PDP. */
export function localReason(code: string): Reason {
  const message = messages[code] ?? "The policy decision point refused the question, so the action is denied.";
  return { code, message, rule: "client" };
}

/** What a decision is made of. */
export interface DecisionFields {
  effect: Effect;
  reasons: readonly Reason[];
  id?: string;
  approvalId?: string;
  expiresAt?: Date | undefined;
  actionDigest?: string;
  code?: string;
  cause?: unknown;
  response?: DecideResponse | undefined;
  now?: () => number;
}

/** An answer, or the deny that stands in for one. Only `allowed` says that the action may be carried out. */
export class Decision {
  readonly effect: Effect;
  readonly reasons: readonly Reason[];
  /** Empty for a deny that was made here. */
  readonly id: string;
  /** Set where a person has to say yes: wait for it, then decide with it. */
  readonly approvalId: string;
  /** When an allow ends to be one. */
  readonly expiresAt: Date | undefined;
  readonly actionDigest: string;
  /** The gRPC code: OK if the PDP decided; otherwise what its refusal, or the transport, said. */
  readonly code: string;
  // Private, so that printing a decision prints no more than its reasons.
  readonly #fields: DecisionFields;

  constructor(fields: DecisionFields) {
    this.effect = fields.effect;
    this.reasons = fields.reasons;
    this.id = fields.id ?? "";
    this.approvalId = fields.approvalId ?? "";
    this.expiresAt = fields.expiresAt;
    this.actionDigest = fields.actionDigest ?? "";
    this.code = fields.code ?? "OK";
    this.#fields = fields;
  }

  /** True for an allow that has not run out, whose obligations this client knows. Everything else is a no. */
  get allowed(): boolean {
    const now = this.#fields.now?.() ?? Date.now();
    return this.effect === "allow" && this.expiresAt !== undefined && now < this.expiresAt.getTime();
  }

  get needsApproval(): boolean {
    return this.effect === "require_approval";
  }

  /** The whole answer, if there was one. */
  get response(): DecideResponse | undefined {
    return this.#fields.response;
  }

  /** What went wrong, if the deny was made here. */
  get cause(): unknown {
    return this.#fields.cause;
  }

  /** Throws Denied unless the action is allowed. */
  require(): void {
    if (this.allowed) return;
    if (this.effect === "allow") throw new Denied(this.turnedDown("DECISION_EXPIRED"));
    throw this.needsApproval ? new ApprovalRequired(this) : new Denied(this);
  }

  /** The same answer as a deny, with one more reason in front. */
  turnedDown(code: string, cause?: unknown): Decision {
    return new Decision({ ...this.#fields, effect: "deny", reasons: [localReason(code), ...this.reasons], cause });
  }

  /** The same answer with another effect. */
  as(effect: Effect): Decision {
    return new Decision({ ...this.#fields, effect });
  }
}

/** Where an approval stands when the wait is over. */
export interface Verdict {
  approvalId: string;
  state: State;
  /** True only if a person said yes. Silence is a no. */
  approved: boolean;
  /** Why it is not approved: how the approval ended, or why this client stopped waiting. */
  reason: string;
  /** Written by a person: show it, do not follow it. */
  comment: string;
  /** The last change that was heard of. */
  sequence: bigint;
  cause?: unknown;
}

/** One guarded action under way. */
export interface Run {
  readonly decision: Decision;
  /** What the action really cost; set it where it is known, otherwise the estimate stands. */
  actual?: Usage;
  /** What to carry out: what was asked about or, with `useEffective`, what the PDP gives instead. */
  readonly arguments?: Arguments | undefined;
  readonly content: string;
  readonly http?: Action["http"] | undefined;
}

/** The action was not carried out. */
export class Denied extends Error {
  override readonly name: string = "Denied";

  constructor(
    readonly decision: Decision,
    /** Set if a person was waited for. */
    readonly verdict?: Verdict,
  ) {
    const open = decision.needsApproval ? `approval ${decision.approvalId} is open; ` : "";
    const reasons = decision.reasons.map((r) => `${r.code}: ${r.message}`).join("; ");
    super(`${open}not allowed: ${reasons}`, decision.cause === undefined ? undefined : { cause: decision.cause });
  }

  get reasons(): readonly Reason[] {
    return this.decision.reasons;
  }
}

/** A person has to say yes first. The approval is still open. */
export class ApprovalRequired extends Denied {
  override readonly name = "ApprovalRequired";

  get approvalId(): string {
    return this.decision.approvalId;
  }
}
