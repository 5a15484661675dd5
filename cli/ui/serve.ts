/**
 * The server of pages that live, in a process of its own: it may read the store and listen on this machine, and nothing
 * else. What it is to serve comes as the first line of its standard input, where it listens goes as the first line to its
 * output.
 *
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { Events } from "./events.ts";
import { guard, type Key, say } from "./guard.ts";
import { answerFor } from "./routes.ts";
import { type Place, Site } from "./site.ts";

/** What a server is told when it starts. */
export interface Settings extends Place {
  readonly token: string;
  /** Where it listens; 0 for any port. */
  readonly port: number;
  /** Ends after so long without a request or a page that listens. Without it, when its standard input does. */
  readonly idleMs?: number | undefined;
}

/** What it says: where it listens, or why it does not. */
export type Started = { readonly port: number } | { readonly inUse: true } | { readonly trouble: string };

function tell(started: Started): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(started)}\n`));
}

/** What went wrong here is for whoever started the server, not for a browser. */
function logError(error: unknown): void {
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  Deno.stderr.writeSync(new TextEncoder().encode(`internal error: ${text}\n`));
}

function serve({ token, port, idleMs, ...place }: Settings): void {
  const site = new Site(place);
  const events = new Events(site, logError);
  const key: Key = { token, spent: new Set() };
  let lastMs = performance.now();
  const handle = async (request: Request): Promise<Response> => {
    const { method, url } = request;
    const refused = guard(request, key);
    if (refused === undefined) lastMs = performance.now();
    const found = refused ?? await answerFor(new URL(url), site, events);
    if (method !== "HEAD") return found;
    await found.body?.cancel();
    return new Response(null, found);
  };
  const onError = (error: unknown) => {
    logError(error);
    return say(500, "something went wrong here; what, is where the server was started");
  };
  try {
    Deno.serve({ hostname: "127.0.0.1", port, onError, onListen: ({ port }) => tell({ port }) }, handle);
  } catch (error) {
    tell(error instanceof Deno.errors.AddrInUse ? { inUse: true } : { trouble: (error as Error).message });
    Deno.exit(1);
  }
  if (idleMs === undefined) return;
  setInterval(() => {
    if (events.listeners > 0) lastMs = performance.now();
    if (performance.now() - lastMs > idleMs) Deno.exit(0);
  }, Math.min(idleMs / 4, 10_000));
}

if (import.meta.main) {
  let settings: Settings | undefined;
  for await (const line of createInterface({ input: process.stdin })) serve(settings = JSON.parse(line));
  // Whoever started it has ended.
  if (settings?.idleMs === undefined) Deno.exit(0);
}
