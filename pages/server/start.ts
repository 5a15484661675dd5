import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { get } from "node:http";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { delay } from "@std/async";
import { z } from "zod";
import {
  findProgram,
  importLate,
  readRecord,
  realPath,
  shellWord,
  writeAtomically,
  writePrivately,
} from "noiseline/core";
import type { Cluster, QueuedJob } from "noiseline/cluster";
import { escapeMarkup } from "../../std/escape.ts";
import { isOwn, userFolder } from "../../std/user_folder.ts";
import { programIn, TOOLKIT, VERSION } from "../../package/program.ts";
import { proofOf } from "./guard.ts";
import type { Settings, Started } from "./serve.ts";
import type { Place } from "./site.ts";

/** Returns the place that a server shows: a store, and submissions to a cluster. */
export function placeOf({ root }: { readonly root: string }, cluster?: Cluster): Place {
  const program = programIn(dirname(root)).map(shellWord).join(" ");
  return { store: root, program, cluster: cluster && { name: cluster.name, cache: realPath(cluster.settings.cache) } };
}

/**
 * The address of a server. It is stored so that the server can be found again, and so that a restarted server gets the
 * same port.
 */
const addressSchema = z.object({
  version: z.literal(VERSION),
  port: z.int().min(1).max(65_535),
  token: z.string().regex(/^[0-9a-f]{64}$/),
});
type Address = Readonly<z.output<typeof addressSchema>>;

/** A running server, with its process if it was started here. */
type Server = Address & { readonly child?: Deno.ChildProcess | undefined };

/**
 * Reads a stored address if the file belongs to this user and is private: whoever made the file, or can read it, knows
 * the server's token.
 */
export function readAddress(path: string): Address | undefined {
  const isSecret = isOwn(path) && (Deno.build.os === "windows" || (Deno.statSync(path).mode! & 0o077) === 0);
  return isSecret ? readRecord(path, addressSchema) : undefined;
}

const ANSWER_MS = 2_000;
const START_MS = 30_000;
const POLL_MS = 100;
const JOBS_MS = 15_000;

/** Returns true if the stored server is alive: by now another program may have its port. */
async function isAlive({ port, token }: Address): Promise<boolean> {
  const nonce = randomBytes(16).toString("hex");
  try {
    // `fetch` would use a proxy.
    const signal = AbortSignal.timeout(ANSWER_MS);
    const request = get({ host: "127.0.0.1", port, path: `/alive?nonce=${nonce}`, agent: false, signal });
    const [response] = await once(request, "response", { signal });
    // Only the first chunk is read, because another program may never end its answer.
    const [answer] = await once(response, "data", { signal });
    request.destroy();
    return String(answer).trimEnd() === proofOf(token, nonce);
  } catch {
    return false;
  }
}

/** Variables that locate Deno's packages and the user's folders. */
const VARIABLES = "PATH HOME DENO_DIR XDG_CACHE_HOME USERPROFILE LOCALAPPDATA SYSTEMROOT NODE_ENV".split(" ");

/** The same as for stages: nothing is fetched, and no permission is asked for. */
const OFFLINE_FLAGS = "--no-prompt --cached-only --deny-import --no-check --quiet --frozen --node-modules-dir=none"
  .split(" ");

/**
 * Runs a program without inherited open files, such as the lock of `flock FILE deno task run …`: a server outlives its
 * run, and would hold the lock. A shell cannot name files above 9.
 */
const WITHOUT_FILES = ["/bin/sh", "-c", 'exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; exec "$0" "$@"'];

/** Reports the state of jobs to a server, which may not start programs, as long as both processes exist. */
async function tellJobs(tell: (jobs: readonly QueuedJob[]) => Promise<void>): Promise<void> {
  const { QUEUE } = await importLate<typeof import("noiseline/cluster")>("noiseline/cluster");
  try {
    for (;; await delay(JOBS_MS, { persistent: false })) {
      const view = await QUEUE.poll();
      if ("jobs" in view) await tell(view.jobs);
    }
  } catch {
    // The server has ended.
  }
}

/** Starts a server, and waits until it listens. */
async function startServer(settings: Settings): Promise<Started & Pick<Server, "child">> {
  const { store, cluster, idleMs } = settings;
  // Deno splits lists of paths at commas, so paths are relative to the folder that contains the store.
  const cwd = existsSync(dirname(store)) ? dirname(store) : "/";
  const read = [store, cluster?.cache].filter((path) => path !== undefined).map((path) => relative(cwd, path) || ".");
  const unfit = read.find((path) => path.includes(","));
  if (unfit !== undefined) return { trouble: `Deno cannot be allowed to read ${unfit}: its name has a comma` };
  const kept = Object.entries(Deno.env.toObject()).filter(([name]) => VARIABLES.includes(name.toUpperCase()));
  const args = [
    ...["run", ...OFFLINE_FLAGS, `--config=${join(TOOLKIT, "deno.json")}`, `--lock=${join(TOOLKIT, "deno.lock")}`],
    ...[`--allow-read=${read}`, "--allow-net=127.0.0.1", "--allow-sys=hostname", `--allow-env=${VARIABLES}`],
    fileURLToPath(import.meta.resolve("./serve.ts")),
  ];
  const streams = { stdin: "piped", stdout: "piped", stderr: idleMs === undefined ? "inherit" : "null" } as const;
  const [program, ...words] = [...existsSync(WITHOUT_FILES[0]!) ? WITHOUT_FILES : [], Deno.execPath(), ...args];
  // Detached, because a terminal sends Ctrl-C to all processes that are not.
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
 * Finds the server of a place, or starts one.
 * @param port that it must have
 * @param idleMs idle time after which a new server ends; if undefined, it ends with this process
 */
export async function findServer(
  place: Place,
  { port, idleMs }: Partial<Pick<Settings, "port" | "idleMs">> = {},
): Promise<Server | Exclude<Started, { readonly port: number }>> {
  const name = createHash("sha256").update(JSON.stringify([place.store, place.cluster?.cache])).digest("hex");
  const path = join(userFolder("ui"), `${name}.json`);
  using turn = await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 })
    .then(() => Deno.open(`${path}.lock`, { write: true, create: true, mode: 0o600 })).catch(() => undefined);
  // If several processes start a server at the same time, the others wait and find it; nobody waits for ever, or if
  // nothing can be locked.
  const untilMs = performance.now() + START_MS;
  while (performance.now() < untilMs && await turn?.tryLock(true).catch(() => true) === false) await delay(POLL_MS);
  const kept = readAddress(path);
  if (kept !== undefined && (port ?? kept.port) === kept.port && await isAlive(kept)) return kept;
  // A new token is needed: if another program has the old port by now, open pages have sent it the cookies of the old
  // token.
  const token = randomBytes(32).toString("hex");
  // Without the lock, nobody could find the server again and it would stay beside the next, so it ends with this
  // process.
  const start = (port: number) => startServer({ ...place, token, port, idleMs: turn && idleMs });
  let started = await start(port ?? kept?.port ?? 0);
  if ("inUse" in started && started.inUse && port === undefined) started = await start(0);
  if ("trouble" in started) return started;
  const address = { version: VERSION, port: started.port, token };
  writePrivately(path, () => writeAtomically(path, JSON.stringify(address)));
  return { ...address, child: started.child };
}

/**
 * Returns the address that lets a browser in.
 * @param of path of a page
 */
export function loginAddress({ port, token }: Address, of: string): string {
  return `http://127.0.0.1:${port}${of}?token=${token}`;
}

/** Returns an HTML page that redirects a browser. */
export function redirectPage(address: string): string {
  const refresh = `<meta http-equiv="refresh" content="0; url=${escapeMarkup(address)}">`;
  return `<!DOCTYPE html><meta charset="utf-8"><title>noiseline</title>${refresh}`;
}

/**
 * Writes a file that redirects a browser to a page: other users of the machine see the arguments of programs, but not
 * the content of this file. It lies beside the file with the address, which contains the same secret.
 */
export function writeOpener(address: Address, of: string): string {
  const path = join(userFolder("ui"), `open-${address.port}.html`);
  writePrivately(path, () => writeAtomically(path, redirectPage(loginAddress(address, of))));
  return path;
}

/** Opens a page in the user's browser, if there is one and a user who can see it. */
export function openBrowser(address: Address, of: string): void {
  const hasScreen = Deno.build.os !== "linux" || Deno.env.get("DISPLAY") || Deno.env.get("WAYLAND_DISPLAY");
  if (!hasScreen || !Deno.stdout.isTerminal()) return;
  // A shell would look in relative folders of the PATH too, where a project may have a program of this name.
  const named = Deno.build.os === "darwin" ? "open" : "xdg-open";
  const program = Deno.build.os === "windows" ? "explorer" : findProgram(named, "/");
  if (program === undefined) return;
  try {
    const args = [writeOpener(address, of)];
    const streams = { stdin: "null", stdout: "null", stderr: "null" } as const;
    new Deno.Command(program, { args, ...streams, detached: true }).spawn().unref();
  } catch {
    // The address is printed as well.
  }
}

/** Idle shutdown: the server survives a coffee break, but is gone the next day. */
const IDLE_MS = 10 * 60_000;

/**
 * Shows a page of a place beside other work, which continues whatever happens to the page.
 * @returns a message for the user
 */
export async function showPage(place: Place, of: string): Promise<string> {
  try {
    const server = await findServer(place, { idleMs: IDLE_MS });
    if ("trouble" in server) return `no live page: ${server.trouble}`;
    openBrowser(server, of);
    return `live page: ${loginAddress(server, of)}`;
  } catch (error) {
    return `no live page: ${(error as Error).message}`;
  }
}
