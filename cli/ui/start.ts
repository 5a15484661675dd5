import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { get } from "node:http";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { delay } from "@std/async";
import { z } from "zod";
import { importLate, keepOwn, readRecord, realPath, writeAtomically } from "noiseline/core";
import type { Cluster, QueuedJob } from "noiseline/engine";
import { definedOnly } from "../../std/defined_only.ts";
import { escapeMarkup } from "../../std/escape.ts";
import { isOwn, userFolder } from "../../std/user_folder.ts";
import { TOOLKIT, VERSION } from "../program.ts";
import { proofOf } from "./guard.ts";
import type { Settings, Started } from "./serve.ts";
import type { Place } from "./site.ts";

/** What a server shows: a store, and what was submitted to a cluster. */
export function placeOf({ root }: { readonly root: string }, cluster?: Cluster): Place {
  return { store: root, ...cluster && { cluster: { name: cluster.name, cache: realPath(cluster.settings.cache) } } };
}

/** Where a server listens. This is kept, so that it is found again, and so that one started anew has the same port. */
const addressSchema = z.object({
  version: z.literal(VERSION),
  port: z.int().min(1).max(65_535),
  token: z.string().regex(/^[0-9a-f]{64}$/),
});
type Address = Readonly<z.output<typeof addressSchema>>;

/** A server that listens, with its process where it was started here. */
export type Server = Address & { readonly child?: Deno.ChildProcess };

/** What is kept of a server, if it is this user's own: who made the file of another, or can read it, knows its token. */
export function readAddress(path: string): Address | undefined {
  const isSecret = isOwn(path) && (Deno.build.os === "windows" || (Deno.statSync(path).mode! & 0o077) === 0);
  return isSecret ? readRecord(path, addressSchema) : undefined;
}

const ANSWER_MS = 2_000;
const START_MS = 30_000;
const POLL_MS = 100;
const JOBS_MS = 15_000;

/** Whether the server that is remembered is there: another program may have its port by now. */
async function isAlive({ port, token }: Address): Promise<boolean> {
  const nonce = randomBytes(16).toString("hex");
  try {
    // `fetch` would go by way of a proxy.
    const signal = AbortSignal.timeout(ANSWER_MS);
    const request = get({ host: "127.0.0.1", port, path: `/alive?nonce=${nonce}`, agent: false, signal });
    const [response] = await once(request, "response", { signal });
    // The first of what comes, since another program may never end.
    const [answer] = await once(response, "data", { signal });
    request.destroy();
    return String(answer).trimEnd() === proofOf(token, nonce);
  } catch {
    return false;
  }
}

/** What finds Deno's packages, and the user's folders. */
const VARIABLES = "PATH HOME DENO_DIR XDG_CACHE_HOME USERPROFILE LOCALAPPDATA SYSTEMROOT NODE_ENV".split(" ");

/** As of stages: nothing is fetched, and nobody is asked. */
const CLOSED = "--no-prompt --cached-only --deny-import --no-check --quiet --frozen --node-modules-dir=none".split(" ");

/**
 * Runs a program without the files that whoever started us left open, such as the lock of `flock FILE deno task run …`: a
 * server outlives its run, and would hold them. A shell names none above 9.
 */
const WITHOUT_FILES = ["/bin/sh", "-c", 'exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; exec "$0" "$@"'];

/** Tell a server, which may start no program, how jobs stand, as long as both are there. */
async function tellJobs(tell: (jobs: readonly QueuedJob[]) => Promise<void>): Promise<void> {
  const { SlurmQueue } = await importLate<typeof import("noiseline/engine")>("noiseline/engine");
  try {
    for (const queue = new SlurmQueue();; await delay(JOBS_MS, { persistent: false })) {
      const view = await queue.poll();
      if ("jobs" in view) await tell(view.jobs);
    }
  } catch {
    // The server has ended.
  }
}

/** Start a server, and wait until it listens. */
async function startServer(settings: Settings): Promise<Started & Pick<Server, "child">> {
  const { store, cluster, idleMs } = settings;
  // Deno splits lists of paths at commas, so paths are written from the folder of the store.
  const cwd = existsSync(dirname(store)) ? dirname(store) : "/";
  const read = [store, cluster?.cache].filter((path) => path !== undefined).map((path) => relative(cwd, path) || ".");
  const unfit = read.find((path) => path.includes(","));
  if (unfit !== undefined) return { trouble: `Deno cannot be allowed to read ${unfit}: its name has a comma` };
  const kept = Object.entries(Deno.env.toObject()).filter(([name]) => VARIABLES.includes(name.toUpperCase()));
  const args = [
    ...["run", ...CLOSED, `--config=${join(TOOLKIT, "deno.json")}`, `--lock=${join(TOOLKIT, "deno.lock")}`],
    ...[`--allow-read=${read}`, "--allow-net=127.0.0.1", "--allow-sys=hostname", `--allow-env=${VARIABLES}`],
    fileURLToPath(import.meta.resolve("./serve.ts")),
  ];
  const streams = { stdin: "piped", stdout: "piped", stderr: idleMs === undefined ? "inherit" : "null" } as const;
  const [program, ...words] = [...existsSync(WITHOUT_FILES[0]!) ? WITHOUT_FILES : [], Deno.execPath(), ...args];
  // Detached, since a terminal sends Ctrl-C to all that are not.
  const options = { args: words, cwd, env: Object.fromEntries(kept), clearEnv: true, detached: true, ...streams };
  const child = new Deno.Command(program!, options).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), START_MS);
  try {
    const writer = child.stdin.getWriter();
    const tell = (line: unknown) => writer.write(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
    await tell(settings);
    if (cluster !== undefined) tellJobs(tell);
    const { value } = await child.stdout.getReader().read();
    return { ...JSON.parse(new TextDecoder().decode(value)), child };
  } catch {
    return { trouble: "its process ended before it listened" };
  } finally {
    clearTimeout(timer);
    child.unref();
  }
}

/**
 * Find the server of a place, or start one.
 * @param port that it has to have
 * @param idleMs after which one that is started ends; without it, with this process
 */
export async function findServer(
  place: Place,
  { port, idleMs }: Partial<Pick<Settings, "port" | "idleMs">> = {},
): Promise<Server | Exclude<Started, { readonly port: number }>> {
  const name = createHash("sha256").update(JSON.stringify([place.store, place.cluster?.cache])).digest("hex");
  const path = join(userFolder("ui"), `${name}.json`);
  using turn = await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 })
    .then(() => Deno.open(`${path}.lock`, { write: true, create: true, mode: 0o600 })).catch(() => undefined);
  // Who starts one at the same time waits, and finds it; nobody waits for ever, or where nothing can be locked.
  const untilMs = performance.now() + START_MS;
  while (performance.now() < untilMs && await turn?.tryLock(true).catch(() => true) === false) await delay(POLL_MS);
  const kept = readAddress(path);
  if (kept !== undefined && (port ?? kept.port) === kept.port && await isAlive(kept)) return kept;
  // Whatever has the old port by now has been sent the cookies of the old token by pages that are still open.
  const token = randomBytes(32).toString("hex");
  // One that nobody could find again would stay beside the next.
  const start = (port: number) => startServer({ ...place, token, port, idleMs: turn && idleMs });
  let started = await start(port ?? kept?.port ?? 0);
  if ("inUse" in started && started.inUse && port === undefined) started = await start(0);
  if ("trouble" in started) return started;
  const address = { version: VERSION, port: started.port, token };
  keepOwn(path, () => writeAtomically(path, JSON.stringify(address)));
  return { ...address, ...definedOnly({ child: started.child }) };
}

/** The address that lets a browser in. @param of a page, as its path */
export function addressOf({ port, token }: Address, of: string): string {
  return `http://127.0.0.1:${port}${of}?token=${token}`;
}

/** The page that sends a browser on. */
export function openerOf(address: string): string {
  const refresh = `<meta http-equiv="refresh" content="0; url=${escapeMarkup(address)}">`;
  return `<!DOCTYPE html><meta charset="utf-8"><title>noiseline</title>${refresh}`;
}

/**
 * Write a file that sends a browser on to a page: others on the machine see what programs are given, but not what is in
 * this file. It lies beside that of the address, which says as much.
 */
export function writeOpener(address: Address, of: string): string {
  const path = join(userFolder("ui"), `open-${address.port}.html`);
  keepOwn(path, () => writeAtomically(path, openerOf(addressOf(address, of))));
  return path;
}

/** Show a page in the user's browser, where there is one and somebody to look. */
export function openBrowser(address: Address, of: string): void {
  const hasScreen = Deno.build.os !== "linux" || Deno.env.get("DISPLAY") || Deno.env.get("WAYLAND_DISPLAY");
  if (!hasScreen || !Deno.stdout.isTerminal()) return;
  const program = ({ darwin: "open", windows: "explorer" } as Partial<Record<string, string>>)[Deno.build.os];
  try {
    const args = [writeOpener(address, of)];
    const streams = { stdin: "null", stdout: "null", stderr: "null" } as const;
    new Deno.Command(program ?? "xdg-open", { args, ...streams, detached: true }).spawn().unref();
  } catch {
    // The address is printed as well.
  }
}

/** After a coffee it is still there, and the next day no longer. */
const IDLE_MS = 10 * 60_000;

/**
 * Show a page of a place beside other work, which goes on whatever becomes of it.
 * @returns what is to be said of it
 */
export async function showPage(place: Place, of: string): Promise<string> {
  try {
    const server = await findServer(place, { idleMs: IDLE_MS });
    if ("trouble" in server) return `no live page: ${server.trouble}`;
    openBrowser(server, of);
    return `live page: ${addressOf(server, of)}`;
  } catch (error) {
    return `no live page: ${(error as Error).message}`;
  }
}
