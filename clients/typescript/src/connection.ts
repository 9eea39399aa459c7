// How to reach the PDP, and as whom.

import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { BlockList, isIP } from "node:net";

import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";

/** TLS, with PEM texts. Without `ca` the authorities that Node trusts. */
export interface Tls {
  ca?: string;
  cert?: string;
  key?: string;
  /** The name that the server's certificate is for, if it is not the address's. */
  serverName?: string;
}

export interface ConnectionOptions {
  /** host:port; 127.0.0.1:7070 by default. Off loopback it needs TLS. */
  address?: string;
  /**
   * The credential; or `tokenFile`, which is read for each call, so that a renewed token is used at once. Neither is needed with
   * a client certificate in `tls`.
   */
  token?: string;
  tokenFile?: string;
  /** True, or how to check the server. */
  tls?: boolean | Tls;
}

export interface Connection {
  transport: Transport;
  close(): void;
}

/** Checks the options. Nothing is sent before the first call. */
export function connect({ address = "127.0.0.1:7070", token, tokenFile, tls = false }: ConnectionOptions): Connection {
  const certified = typeof tls === "object" && tls.cert !== undefined && tls.key !== undefined;
  const bears = token !== undefined || tokenFile !== undefined;
  if ((token !== undefined && tokenFile !== undefined) || (!bears && !certified)) {
    throw new TypeError("give either a token or a token file, or a client certificate in tls");
  }
  const host = /^(?<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$/.exec(address)?.groups?.["host"];
  if (host === undefined) throw new TypeError("the address must be host:port");
  if (!tls && !isLoopback(host)) throw new TypeError(`${address} is not on loopback: a credential is sent over TLS only, set tls`);
  if (bears) header(token ?? readFileSync(tokenFile ?? "", "utf8"));

  const baseUrl = `${tls ? "https" : "http"}://${address}`;
  // A server that vanished is noticed.
  const pings = { pingIntervalMs: 30_000, pingTimeoutMs: 10_000 };
  const { ca, cert, key, serverName } = typeof tls === "object" ? tls : {};
  const sessions = new Http2SessionManager(baseUrl, pings, {
    ...(tls && { minVersion: "TLSv1.2" }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(serverName !== undefined && { servername: serverName }),
  });
  let closed = false;
  const authorise: Interceptor = (next) => async (request) => {
    // The session manager would connect anew, and keep the process alive.
    if (closed) throw new ConnectError("the client is closed", Code.Unavailable);
    if (bears) request.header.set("authorization", header(token ?? (await readFile(tokenFile ?? "", "utf8"))));
    return await next(request);
  };
  return {
    transport: createGrpcTransport({ baseUrl, sessionManager: sessions, interceptors: [authorise], readMaxBytes: 4 << 20 }),
    close: () => {
      closed = true;
      sessions.abort();
    },
  };
}

function header(token: string): string {
  const trimmed = token.trim();
  if (!/^[!-~]+$/.test(trimmed)) throw new TypeError("the credential is empty or holds characters that no header may have");
  return `Bearer ${trimmed}`;
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "");
  switch (isIP(bare)) {
    case 4:
      return loopback.check(bare, "ipv4");
    case 6:
      return loopback.check(bare, "ipv6");
    default:
      return host === "localhost";
  }
}
