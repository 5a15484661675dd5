import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** The parts of a request that the server reads. */
export type Asked = Pick<Request, "method" | "url" | "headers">;

export interface Listening {
  readonly port: number;
  readonly answer: (asked: Asked) => Promise<Response>;
  /** Called once. */
  readonly onListen: (port: number) => void;
  /** Called if the server cannot listen at all. */
  readonly onTrouble: (error: Error & { readonly code?: string }) => void;
}

/**
 * A connection that has sent no request by then is closed: browsers open some in advance, and open others when they
 * need them.
 */
const HEAD_MS = 5_000;
/** With more connections than this that have sent no request, the oldest of these is closed. */
const MOST_SILENT = 64;
/** Requests that are answered at a time. A page listens for as long as it is open. */
const MOST_REQUESTS = 128;
/** The answer to further requests. */
const BUSY = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
/** The delay before the server listens again after a system error, such as too many open files. */
const AGAIN_MS = 1_000;

/** Maximum number of bytes before the empty line that ends a request's head. */
const MOST_HEAD_BYTES = 16_384;

/**
 * Answers requests on this machine. `Deno.serve` ends with the first connection that cannot be accepted, and waits for
 * ever for a client that sends nothing or sends its head byte by byte; some hundreds of such connections would end the
 * server.
 */
export function listen({ port, answer, onListen, onTrouble }: Listening): void {
  const asking = new Set<Socket>();
  /** Connections that have sent no request so far, or one too many, the oldest first. */
  const silent = new Set<Socket>();
  const requests = createServer((incoming, outgoing) => {
    incoming.socket.on("data", () => incoming.socket.destroy());
    reply(incoming, outgoing, answer).catch(() => outgoing.destroy());
  });
  requests.on("clientError", (_, socket) => socket.destroy());
  const server = createTcpServer((socket) => {
    silent.add(socket);
    const timer = setTimeout(() => silent.has(socket) && socket.destroy(), HEAD_MS);
    readHead(socket, (head) => {
      if (asking.size === MOST_REQUESTS) return void socket.end(BUSY);
      silent.delete(socket);
      asking.add(socket);
      socket.unshift(head);
      requests.emit("connection", socket);
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      clearTimeout(timer);
      asking.delete(socket);
      silent.delete(socket);
    });
    const [oldest] = silent;
    if (silent.size <= MOST_SILENT) return;
    // Removed at once, because the socket's close event comes later, possibly after the next connection.
    silent.delete(oldest!);
    oldest!.destroy();
  });
  // With room for those that are being closed. More are not taken: a process that can open no more files ends.
  server.maxConnections = MOST_REQUESTS + 2 * MOST_SILENT;
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
 * Reads the head of a connection's only request. A client that sends more is cut off before a parser sees any of it:
 * thousands of requests fit into what a connection may send at once, and each costs an answer.
 */
function readHead(socket: Socket, onHead: (head: Buffer) => void): void {
  let head = Buffer.alloc(0);
  const take = (bytes: Buffer) => {
    head = Buffer.concat([head, bytes]);
    const end = head.indexOf("\r\n\r\n") + 4;
    const isTooLong = head.length > MOST_HEAD_BYTES || end > 3 && head.length > end;
    if (isTooLong) return void socket.destroy();
    if (end < 4) return;
    socket.off("data", take);
    onHead(head);
  };
  socket.on("data", take);
}

/** Sends one answer per connection: a browser on the same machine opens another in no time. */
async function reply(incoming: IncomingMessage, outgoing: ServerResponse, answer: Listening["answer"]): Promise<void> {
  const { method = "", url: target = "", headers: { host = "" }, rawHeaders } = incoming;
  const headers = new Headers();
  for (let i = 0; i < rawHeaders.length; i += 2) headers.append(rawHeaders[i]!, rawHeaders[i + 1]!);
  const url = target.startsWith("/") ? `http://${host}${target}` : target;
  const { status, headers: said, body } = await answer({ method, url, headers });
  outgoing.writeHead(status, { ...Object.fromEntries(said), Connection: "close" });
  // An error here means that the client has left early, which needs no report.
  if (body === null) outgoing.end();
  else await pipeline(Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]), outgoing).catch(() => {});
}
