/**
 * The server of live pages. It runs in its own process, which may read a store and listen on this machine, and nothing
 * else. The first line of its input contains its settings, the following lines the state of jobs on a cluster; the
 * first line of its output says where it listens.
 *
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { explainIoError } from "noiseline/core";
import { Events } from "./events.ts";
import { guard, say } from "./guard.ts";
import { type Asked, listen, type Listening } from "./listen.ts";
import { answerFor } from "./routes.ts";
import { type Place, Site } from "./site.ts";

/** The settings that a server gets when it starts. */
export interface Settings extends Place {
  readonly token: string;
  /** The port to listen on; 0 for any port. */
  readonly port: number;
  /**
   * The server ends after this time without a request, a listening page or a live run. Without it, the server ends when
   * its input ends.
   */
  readonly idleMs?: number | undefined;
}

/** The server's first line of output: its port, or why it cannot listen. */
export type Started = { readonly port: number } | { readonly trouble: string; readonly inUse?: boolean };

function tell(started: Started): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(started)}\n`));
}

/**
 * A file that disappears while it is read, or cannot be read, is nobody's fault. Other errors are reported to whoever
 * started the server, not to a browser.
 */
function onError(error: unknown): Response {
  const trouble = explainIoError(error);
  if (trouble !== undefined) return say(404, `${trouble.message}; try again`);
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  Deno.stderr.writeSync(new TextEncoder().encode(`internal error: ${text}\n`));
  return say(500, "something went wrong; the terminal of the server says what");
}

function serve({ token, port, idleMs, ...place }: Settings): Site {
  const site = new Site(place);
  const events = new Events(site, onError);
  let lastMs = performance.now();
  const answer = async (asked: Asked): Promise<Response> => {
    const refused = guard(asked, token);
    if (refused !== undefined) return refused;
    lastMs = performance.now();
    return await answerFor(new URL(asked.url), site, events) ??
      say(404, "there is nothing at this address, or no longer");
  };
  const onTrouble: Listening["onTrouble"] = ({ code, message }) => {
    const inUse = code === "EADDRINUSE";
    tell({ trouble: inUse ? `another program listens on port ${port}` : message, inUse });
    Deno.exit(1);
  };
  listen({ port, answer: (asked) => answer(asked).catch(onError), onListen: (port) => tell({ port }), onTrouble });
  if (idleMs === undefined) return site;
  setInterval(() => {
    if (events.listeners > 0 || site.hasLiveRun()) lastMs = performance.now();
    else if (performance.now() - lastMs > idleMs) Deno.exit(0);
  }, Math.min(idleMs / 4, 10_000));
  return site;
}

if (import.meta.main) {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const settings: Settings = JSON.parse((await lines.next()).value ?? "");
  const site = serve(settings);
  for await (const line of lines) site.jobs = JSON.parse(line);
  // The process that started the server has ended.
  if (settings.idleMs === undefined) Deno.exit(0);
}
