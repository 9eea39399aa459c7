// A PDP that answers what a test tells it to, over real gRPC on loopback.

import { createServer as createHttp2Server } from "node:http2";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { after } from "node:test";

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";

import {
  DecideResponseSchema,
  DecisionService,
  type DecideRequest,
  type DecideResponse,
  type ReportOutcomeRequest,
  type WatchVerdictRequest,
  type WatchVerdictResponseSchema,
} from "../src/gen/portcullis/v1/decision_pb.js";
import { Effect } from "../src/gen/portcullis/v1/types_pb.js";
import { Client, type ClientOptions } from "../src/index.js";

export const WHO = { agent: "a", session: "s" };

type Change = MessageInitShape<typeof WatchVerdictResponseSchema>;

export interface Behaviour {
  decide?: (request: DecideRequest, context: HandlerContext) => DecideResponse | Promise<DecideResponse>;
  watch?: (request: WatchVerdictRequest, context: HandlerContext) => AsyncIterable<Change>;
}

export interface Fake {
  address: string;
  asked: DecideRequest[];
  tokens: (string | null)[];
  reports: ReportOutcomeRequest[];
  client(options?: Partial<ClientOptions>): Client;
}

/** Serves until the tests of the file are over. */
export async function fake(behaviour: Behaviour = {}): Promise<Fake> {
  const seen: Pick<Fake, "asked" | "tokens" | "reports"> = { asked: [], tokens: [], reports: [] };
  const handler = connectNodeAdapter({
    routes: (router) =>
      router.service(DecisionService, {
        decide: async (request, context) => {
          seen.asked.push(request);
          seen.tokens.push(context.requestHeader.get("authorization"));
          return await (behaviour.decide ?? (() => answer(Effect.ALLOW)))(request, context);
        },
        watchVerdict: (request, context) => (behaviour.watch ?? nothing)(request, context),
        reportOutcome: (request) => {
          seen.reports.push(request);
          return { applied: true };
        },
      }),
  });
  const server = createHttp2Server(handler);
  const address = await listen(server);
  return { ...seen, address, client: (options) => clientOf(address, options) };
}

async function* nothing(): AsyncGenerator<Change> {}

/** Accepts connections, and never says a word. */
export async function blackHole(): Promise<string> {
  return await listen(createServer());
}

/** An address at which nobody listens. */
export async function nobody(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}

async function listen(server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket.on("error", () => undefined)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export function clientOf(address: string, options: Partial<ClientOptions> = {}): Client {
  const client = new Client({ address, principal: WHO, ...(options.tokenFile === undefined && { token: "t" }), ...options });
  after(() => client.close());
  return client;
}

export type AnswerChange = Exclude<MessageInitShape<typeof DecideResponseSchema>, DecideResponse>;

/** A whole answer, as a server would send it. */
export function answer(effect: Effect, change: AnswerChange = {}): DecideResponse {
  return create(DecideResponseSchema, {
    decisionId: "d1",
    effect,
    actionDigest: "pc1:00",
    expiresAt: { seconds: BigInt(Math.ceil(Date.now() / 1000) + 60) },
    ...(effect !== Effect.ALLOW && { reasons: [{ code: "BECAUSE", message: "Because." }] }),
    ...(effect === Effect.REQUIRE_APPROVAL && { approval: { id: "ap1", actionDigest: "pc1:00" } }),
    ...change,
  });
}

/** An error as the PDP sends it. */
export function refusal(code: Code, reason: string, domain = "portcullis"): ConnectError {
  const error = new ConnectError("no", code);
  const value = new BinaryWriter().tag(1, 2).string(reason).tag(2, 2).string(domain).tag(9, 2).string("more").finish();
  error.details.push({ type: "google.rpc.ErrorInfo", value });
  return error;
}

/** Wants an approval for what comes without one, and allows what comes with the right one. */
export function asking(request: DecideRequest): DecideResponse {
  if (request.approvalId === "") return answer(Effect.REQUIRE_APPROVAL);
  if (request.approvalId === "ap1") return answer(Effect.ALLOW);
  throw refusal(Code.NotFound, "APPROVAL_NOT_FOUND");
}

export function verdict(state: number): (request: WatchVerdictRequest) => AsyncIterable<Change> {
  return async function* ({ approvalId }) {
    yield { approvalId, state, sequence: 2n, comment: "hm" };
  };
}
