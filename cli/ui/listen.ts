import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { Buffer } from "node:buffer";
import { Duplex, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** The parts of a request that the server reads. */
export type Asked = Pick<Request, "method" | "url" | "headers">;

export interface Listening {
  readonly port: number;
  readonly answer: (asked: Asked) => Promise<Response>;
  /** Called once. */
  readonly onListen: (port: number) => void;
  /** Called where it cannot listen at all. */
  readonly onTrouble: (error: Error & { readonly code?: string }) => void;
}

/** A connection that has asked for nothing by then is closed: browsers open some ahead, and open others when they need them. */
const HEAD_MS = 5_000;
/** With more connections than this, those that have asked for nothing are closed, the oldest first. */
const MOST_CONNECTIONS = 128;
/** Beyond these, while that goes on, more are not taken: a process that can open no file any more ends. */
const MOST_AT_ONCE = 192;
/** Before it listens again where the system refused, as it does without files to open. */
const AGAIN_MS = 1_000;

/** Most bytes before the empty line that ends a request's head. */
const MOST_HEAD_BYTES = 16_384;

/**
 * Answer requests on this machine. `Deno.serve` ends with the first connection that cannot be taken, and waits for ever for
 * one that is silent or says its head byte by byte; whoever opens some hundreds of these would end the server.
 */
export function listen({ port, answer, onListen, onTrouble }: Listening): void {
  const open = new Set<Socket>();
  /** Those that have asked for nothing so far, the oldest first. */
  const silent = new Set<Socket>();
  const requests = createServer((incoming, outgoing) => {
    reply(incoming, outgoing, answer).catch(() => outgoing.destroy());
  });
  requests.on("clientError", (_, socket) => socket.destroy());
  const server = createTcpServer((socket) => {
    open.add(socket);
    silent.add(socket);
    const timer = setTimeout(() => silent.has(socket) && socket.destroy(), HEAD_MS);
    readHead(socket, (head) => {
      silent.delete(socket);
      requests.emit("connection", withHead(socket, head));
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      clearTimeout(timer);
      open.delete(socket);
      silent.delete(socket);
    });
    const [oldest] = silent;
    if (open.size <= MOST_CONNECTIONS || oldest === undefined) return;
    // At once, as it is closed only later, and the next connection may come before.
    for (const all of [open, silent]) all.delete(oldest);
    oldest.destroy();
  });
  server.maxConnections = MOST_AT_ONCE;
  let home: number | undefined;
  const start = () => server.listen({ host: "127.0.0.1", port: home ?? port });
  server.on("listening", () => {
    const known = home;
    home = (server.address() as AddressInfo).port;
    if (known === undefined) onListen(home);
  });
  server.on("error", (error) => {
    if (home === undefined) return onTrouble(error);
    setTimeout(() => server.listening || start(), AGAIN_MS);
  });
  start();
}

/**
 * Read the head of the one request of a connection. Whoever sends more is cut off before a parser sees any of it: thousands
 * of requests fit into what a connection may send at once, and each costs an answer.
 */
function readHead(socket: Socket, onHead: (head: Buffer) => void): void {
  let head: Buffer | undefined = Buffer.alloc(0);
  socket.on("data", (bytes: Buffer) => {
    if (head === undefined) return void socket.destroy();
    head = Buffer.concat([head, bytes]);
    const end = head.indexOf("\r\n\r\n") + 4;
    const isTooLong = head.length > MOST_HEAD_BYTES || end > 3 && head.length > end;
    if (isTooLong) return void socket.destroy();
    if (end < 4) return;
    onHead(head);
    head = undefined;
  });
}

/** Wraps a connection whose head has been read, so that the head can be read once more. */
function withHead(socket: Socket, head: Buffer): Duplex {
  const rest = new Duplex({
    read() {},
    write: (bytes, _, done) => void socket.write(bytes, done),
    final: (done) => {
      // The other side may never close its own: the answer was all that there is.
      socket.end(() => socket.destroy());
      done();
    },
    destroy: (error, done) => {
      socket.destroy();
      done(error);
    },
  });
  socket.on("close", () => rest.destroy());
  rest.push(head);
  return rest;
}

/** One answer for a connection: a browser on the same machine opens another in no time. */
async function reply(incoming: IncomingMessage, outgoing: ServerResponse, answer: Listening["answer"]): Promise<void> {
  const { method = "", headers: { host = "" }, rawHeaders } = incoming;
  const headers = new Headers();
  for (let i = 0; i < rawHeaders.length; i += 2) headers.append(rawHeaders[i]!, rawHeaders[i + 1]!);
  const { url: target = "" } = incoming;
  const url = target.startsWith("/") ? `http://${host}${target}` : target;
  const { status, headers: said, body } = await answer({ method, url, headers });
  outgoing.writeHead(status, { ...Object.fromEntries(said), Connection: "close" });
  // Whoever left before the end does not miss it.
  if (body === null) outgoing.end();
  else await pipeline(Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]), outgoing).catch(() => {});
}
