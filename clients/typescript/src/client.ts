// The client: it asks, waits, runs and reports.

import { setTimeout as sleep } from "node:timers/promises";

import { equals } from "@bufbuild/protobuf";
import { createClient, type Client as RpcClient } from "@connectrpc/connect";

import { ArgumentsError, isPlainObject, merged, type Arguments } from "./arguments.js";
import { connect, type Connection, type ConnectionOptions } from "./connection.js";
import { ActionSchema, DecisionService, type Action as ActionMessage } from "./gen/portcullis/v1/decision_pb.js";
import { Origin, type Obligation } from "./gen/portcullis/v1/types_pb.js";
import {
  ApprovalRequired,
  Denied,
  outcomes,
  toMessage,
  WAIT_TIMEOUT,
  type Action,
  type Decision,
  type Outcome,
  type Principal,
  type Run,
  type Usage,
  type Verdict,
} from "./model.js";
import { changed, codeName, explain, HEARTBEAT_TIMEOUT_MS, read, refused, USE_EFFECTIVE, Watch } from "./protocol.js";

export interface ClientOptions extends ConnectionOptions {
  /** Who acts; a function says who acts now. */
  principal: Principal | (() => Principal);
  /** Bounds each call that is no stream: 5,000. No answer by then is a deny. */
  timeoutMs?: number;
  /** How to meet each type of obligation. `run` and `guard` call them before the action; if one throws, the action is denied. An
   * allow with any other type is a deny. */
  obligations?: Readonly<Record<string, (obligation: Obligation) => void | Promise<void>>>;
  /** Hears of outcomes that could not be reported. Nothing else changes; the action stays charged in full. */
  onUnreported?: (unreported: { decisionId: string; outcome: Outcome; code: string; reason: string }) => void;
}

export interface DecideOptions {
  /** Redeem this approved approval. It covers exactly the action that was asked about, once. */
  approvalId?: string;
  /** Makes the call repeatable: the same id and action within 10 minutes give the same answer and charge once. */
  requestId?: string;
  principal?: Principal;
  signal?: AbortSignal;
  /** Where the PDP gives something else instead, with something taken out, that is carried out: `run` hands it to `act`, and `guard`
   * calls the function with it. Without this such an answer is a deny. */
  useEffective?: boolean;
}

export interface RunOptions extends DecideOptions {
  /** How long to wait for a person, where one has to say yes. Not at all by default. */
  waitMs?: number;
}

export interface GuardOptions<P extends unknown[], R> extends Omit<Action, "arguments"> {
  /** Names the arguments of a call. By default the function takes one plain object, or nothing. */
  arguments?: (...args: P) => Arguments;
  waitMs?: number;
  principal?: Principal;
  /** As for `run`; for a function whose arguments are named by the default. */
  useEffective?: boolean;
  /** What the action really cost, from its result. */
  actual?: (result: R) => Usage;
}

/** Asks one PDP. It does not wait for it: while the PDP is away, everything is denied. */
export class Client {
  readonly #connection: Connection;
  readonly #rpc: RpcClient<typeof DecisionService>;
  readonly #options: ClientOptions;
  readonly #timeoutMs: number;
  readonly #obligations: ReadonlyMap<string, (obligation: Obligation) => void | Promise<void>>;

  constructor(options: ClientOptions) {
    this.#connection = connect(options);
    this.#rpc = createClient(DecisionService, this.#connection.transport);
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? 5_000;
    if (!(this.#timeoutMs > 0)) throw new RangeError("the timeout must be positive");
    this.#obligations = new Map(Object.entries(options.obligations ?? {}));
  }

  /** Ends the connection. Until then it keeps the process alive. */
  close(): void {
    this.#connection.close();
  }

  /** Asks about one action, or redeems an approval for it. Never rejects for want of an answer: that is a deny. Rejects with
   * ArgumentsError if the arguments can't be written down exactly. */
  async decide(action: Action, options: DecideOptions = {}): Promise<Decision> {
    return await this.#decide(toMessage(action), options);
  }

  async #decide(action: ActionMessage, options: DecideOptions): Promise<Decision> {
    const principal = options.principal ?? this.#who();
    try {
      const answer = await this.#rpc.decide(
        { principal, action, requestId: options.requestId ?? "", approvalId: options.approvalId ?? "" },
        { timeoutMs: this.#timeoutMs, ...(options.signal && { signal: options.signal }) },
      );
      return read(answer, new Set(this.#obligations.keys()), options.useEffective);
    } catch (error) {
      return refused(error);
    }
  }

  #who(): Principal {
    const { principal } = this.#options;
    return typeof principal === "function" ? principal() : principal;
  }

  /** Listens until the approval is decided, at most for so long. A stream that breaks is resumed where it broke. */
  async wait(approvalId: string, options: { timeoutMs: number; signal?: AbortSignal }): Promise<Verdict> {
    const { timeoutMs, signal } = options;
    const watch = new Watch(approvalId, timeoutMs);
    for (;;) {
      if (signal?.aborted) return watch.over(WAIT_TIMEOUT, signal.reason);
      const followed = await this.#follow(watch, signal);
      if (typeof followed !== "number") return followed;
      await sleep(followed, undefined, signal && { signal }).catch(() => undefined);
    }
  }

  /** Reads one stream. The verdict, or how long to pause before the next. */
  async #follow(watch: Watch, outer: AbortSignal | undefined): Promise<Verdict | number> {
    const stop = new AbortController();
    const abort = (): void => stop.abort();
    outer?.addEventListener("abort", abort);
    const silence = setTimeout(abort, HEARTBEAT_TIMEOUT_MS);
    const end = setTimeout(abort, watch.remainingMs);
    try {
      for await (const message of this.#rpc.watchVerdict(watch.request, { signal: stop.signal })) {
        silence.refresh();
        const verdict = watch.heard(message);
        if (verdict) return verdict;
      }
      return watch.broke();
    } catch (error) {
      return watch.broke(error);
    } finally {
      clearTimeout(silence);
      clearTimeout(end);
      outer?.removeEventListener("abort", abort);
      stop.abort();
    }
  }

  /** Says what became of an allowed action, once. `run` and `guard` do it by themselves. Rejects if it can't be said. */
  async report(decisionId: string, outcome: Outcome, actual?: Usage): Promise<void> {
    await this.#rpc.reportOutcome(
      { decisionId, status: outcomes[outcome], ...(actual && { actual }) },
      { timeoutMs: this.#timeoutMs },
    );
  }

  /** Says what the user said, so that values in it vouch for those of later calls. Needs a credential that may observe as the user. */
  async observeUser(text: string): Promise<void> {
    await this.#observe({ origin: Origin.USER, text });
  }

  /** Tells of a text that reached the model without a tool, and that somebody else wrote. */
  async observeDocument(name: string, text: string): Promise<void> {
    await this.#observe({ origin: Origin.UNTRUSTED, name, text });
  }

  async #observe(span: { origin: Origin; name?: string; text: string }): Promise<void> {
    await this.#rpc.observe({ principal: this.#who(), spans: [span] }, { timeoutMs: this.#timeoutMs });
  }

  /** Asks, and calls `act` only if the answer is an allow that still stands. With `waitMs` it waits for a person where one is
   * needed, and redeems the approval. Reports the outcome: if `act` throws, FAILED, and the error is thrown on. If `act` was not
   * called, it rejects with Denied. The arguments must not change meanwhile: if they did, `act` is not called. */
  async run<R>(action: Action, act: (run: Run) => R | Promise<R>, options: RunOptions = {}): Promise<R> {
    const decision = await this.#permit(() => toMessage(action), options);
    const run = runOf(decision, action);
    let outcome: Outcome = "failed";
    try {
      const result = await act(run);
      outcome = "succeeded";
      return result;
    } finally {
      await this.#settle(run, outcome);
    }
  }

  /** The function, asking each time that it is called. */
  guard<P extends unknown[], R>(fn: (...args: P) => R | Promise<R>, options: GuardOptions<P, R>): (...args: P) => Promise<R> {
    if (/^(Async)?GeneratorFunction$/.test(fn.constructor.name)) {
      throw new TypeError("a generator can't be guarded: it runs when it is read, not when it is called");
    }
    const { arguments: named = onlyArgument, waitMs = 0, principal, actual, useEffective = false, ...action } = options;
    if (useEffective && options.arguments) {
      throw new TypeError("with arguments of another naming nobody knows which the PDP gives instead: use `run`");
    }
    const client = this;
    return async function (this: unknown, ...args: P): Promise<R> {
      const act = async (run: Run): Promise<R> => {
        const instead = useEffective && run.decision.response && changed(run.decision.response) && args.length > 0;
        const result = await fn.apply(this, instead ? ([run.arguments] as unknown as P) : args);
        if (actual) run.actual = actual(result);
        return result;
      };
      // A getter, so that the arguments are looked at again before the action runs.
      const question: Action = {
        ...action,
        get arguments() {
          return named(...args);
        },
      };
      return await client.run(question, act, { waitMs, useEffective, ...(principal && { principal }) });
    };
  }

  /** The allow of what is about to run, or Denied. */
  async #permit(now: () => ActionMessage, options: RunOptions): Promise<Decision> {
    const judged = now();
    const asker = { ...options, principal: options.principal ?? this.#who() };
    let decision = await this.#decide(judged, asker);
    if (decision.needsApproval && (options.waitMs ?? 0) > 0) {
      const verdict = await this.wait(decision.approvalId, { timeoutMs: options.waitMs ?? 0, ...(options.signal && { signal: options.signal }) });
      if (!verdict.approved) throw unapproved(decision, verdict);
      decision = await this.#decide(judged, { ...asker, approvalId: decision.approvalId, requestId: "" });
    }
    decision.require();
    for (const obligation of decision.response?.obligations ?? []) {
      if (obligation.type === USE_EFFECTIVE) continue; // the run has it
      try {
        await this.#obligations.get(obligation.type)?.(obligation);
      } catch (error) {
        throw new Denied(decision.turnedDown("OBLIGATION_UNMET", error));
      }
    }
    if (!equals(ActionSchema, now(), judged)) throw new Denied(decision.turnedDown("ARGUMENTS_CHANGED"));
    decision.require(); // time has passed
    return decision;
  }

  async #settle(run: Run, outcome: Outcome): Promise<void> {
    const decisionId = run.decision.id;
    try {
      await this.report(decisionId, outcome, run.actual);
    } catch (error) {
      const { code, reason } = explain(error);
      try {
        this.#options.onUnreported?.({ decisionId, outcome, code: codeName(code), reason });
      } catch {
        // The action was carried out: its result is what the caller must hear of.
      }
    }
  }
}

/** What to carry out on an allow. Without `useEffective` an answer that gives something else was a deny. */
function runOf(decision: Decision, action: Action): Run {
  const given = decision.response;
  return {
    decision,
    arguments: given?.effectiveArgumentsJson ? (merged(action.arguments, JSON.parse(given.effectiveArgumentsJson)) as Arguments) : action.arguments,
    content: given?.effectiveContent || (action.content ?? ""),
    http: given?.effectiveHttp ?? action.http,
  };
}

/** An ask that nobody said yes to. It stays open where that is only a matter of waiting. */
function unapproved(decision: Decision, verdict: Verdict): Denied {
  const turned = decision.turnedDown(verdict.reason, verdict.cause);
  return verdict.state === "pending" ? new ApprovalRequired(turned.as("require_approval"), verdict) : new Denied(turned, verdict);
}

/** With more than one argument, or one of another type, something would run that nobody has judged. */
function onlyArgument(...args: unknown[]): Arguments {
  if (args.length === 0) return {};
  if (args.length === 1 && isPlainObject(args[0])) return args[0] as Arguments;
  throw new ArgumentsError("a guarded function takes one plain object; otherwise say how its arguments are named");
}
