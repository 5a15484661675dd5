import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Cluster } from "noiseline/engine";
import { definedOnly } from "../../std/defined_only.ts";
import { userFolder } from "../../std/user_folder.ts";
import { TOOLKIT, VERSION } from "../program.ts";
import { proofOf } from "./guard.ts";
import type { Settings, Started } from "./serve.ts";
import type { Place } from "./site.ts";

/** What a server shows: a store, and what was submitted to a cluster. */
export function placeOf({ root }: { readonly root: string }, cluster?: Cluster): Place {
  const away = cluster && { name: cluster.name, cache: cluster.settings.cache };
  return { store: root, ...definedOnly({ cluster: away }) };
}

/** A server that listens. */
export interface Server {
  readonly port: number;
  readonly token: string;
  /** The process, where it was started here. */
  readonly child?: Deno.ChildProcess;
}

/** What is kept of the server of a place: it is found again, and one that is started anew has the same address. */
interface Kept {
  readonly version: string;
  readonly port: number;
  readonly token: string;
}

function keptPath({ store, cluster }: Place): string {
  const name = createHash("sha256").update(JSON.stringify([store, cluster?.cache ?? null])).digest("hex");
  return join(userFolder("ui"), `${name}.json`);
}

function readKept(path: string): Kept | undefined {
  try {
    const { version, port, token } = JSON.parse(Deno.readTextFileSync(path));
    const isGood = version === VERSION && Number.isInteger(port) && port > 0 && port < 65_536;
    return isGood && /^[0-9a-f]{64}$/.test(token) ? { version, port, token } : undefined;
  } catch {
    return undefined;
  }
}

/** Where it cannot be kept, the next server has another address. */
function keep(path: string, kept: Kept): void {
  const temporary = `${path}.${Deno.pid}`;
  try {
    Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    Deno.writeTextFileSync(temporary, JSON.stringify(kept), { mode: 0o600 });
    Deno.renameSync(temporary, path);
  } catch {
    // As said.
  }
}

const ANSWER_MS = 2_000;

/** Whether the server that is remembered is there: another program may have its port by now. */
async function isAlive({ port, token }: Kept): Promise<boolean> {
  const nonce = randomBytes(16).toString("hex");
  try {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const response = await fetch(`http://127.0.0.1:${port}/alive?nonce=${nonce}`, { redirect: "error", signal });
    const text = new TextDecoder().decode((await response.bytes()).subarray(0, 100));
    return text.trim() === proofOf(token, "alive", nonce);
  } catch {
    return false;
  }
}

/** What modules ask for when they are loaded. */
const READ_VARIABLES = ["HOME", "XDG_CACHE_HOME", "NODE_ENV"].join(",");

/** What a Deno process needs to find its packages. */
const KEPT_VARIABLES = [
  "PATH",
  "HOME",
  "DENO_DIR",
  "XDG_CACHE_HOME",
  "TMPDIR",
  "USERPROFILE",
  "LOCALAPPDATA",
  "SYSTEMROOT",
];

const START_MS = 30_000;

/** Start a server, and wait until it listens. */
async function startServer(settings: Settings): Promise<Started & { readonly child?: Deno.ChildProcess }> {
  const { store, cluster, idleMs } = settings;
  // Deno splits lists of paths at commas, so paths are written from the folder of the store.
  const cwd = existsSync(dirname(store)) ? dirname(store) : "/";
  const read = [store, ...cluster === undefined ? [] : [cluster.cache]].map((path) => relative(cwd, path) || ".");
  const unfit = read.find((path) => path.includes(","));
  if (unfit !== undefined) return { trouble: `Deno cannot be allowed to read ${unfit}: its name has a comma` };
  const folder = (name: string) => join(TOOLKIT, name);
  const closed = ["--no-prompt", "--cached-only", "--deny-import", "--no-check", "--quiet", "--frozen"];
  const found = [`--config=${folder("deno.json")}`, `--lock=${folder("deno.lock")}`];
  const rights = [
    `--allow-read=${read.join(",")}`,
    "--allow-net=127.0.0.1",
    "--allow-sys=hostname",
    `--allow-env=${READ_VARIABLES}`,
  ];
  const env = definedOnly(Object.fromEntries(KEPT_VARIABLES.map((name) => [name, Deno.env.get(name)])));
  const module = fileURLToPath(import.meta.resolve("./serve.ts"));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...closed, ...found, ...rights, module],
    cwd,
    env: env as Record<string, string>,
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: idleMs === undefined ? "inherit" : "null",
    // A terminal sends Ctrl-C to those alone that are with the command.
    detached: true,
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), START_MS);
  try {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(`${JSON.stringify(settings)}\n`));
    if (idleMs !== undefined) await writer.close();
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    const started: Started = JSON.parse(new TextDecoder().decode(value));
    await reader.cancel();
    child.unref();
    return { ...started, child };
  } catch {
    return { trouble: "its process ended before it listened" };
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Find the server of a place, or start one.
 * @param idleMs after which one that is started ends; without it, with this process
 * @param port that it has to have
 */
export async function findServer(
  place: Place,
  { port, idleMs }: { readonly port?: number | undefined; readonly idleMs?: number | undefined } = {},
): Promise<Server | Exclude<Started, { readonly port: number }>> {
  const path = keptPath(place);
  const kept = readKept(path);
  if (kept !== undefined && (port ?? kept.port) === kept.port && await isAlive(kept)) return kept;
  const token = kept?.token ?? randomBytes(32).toString("hex");
  const start = (port: number) => startServer({ ...place, token, port, ...definedOnly({ idleMs }) });
  let started = await start(port ?? kept?.port ?? 0);
  if ("inUse" in started && port === undefined) started = await start(0);
  if (!("port" in started)) return started;
  keep(path, { version: VERSION, port: started.port, token });
  return { ...started, token };
}

/** The address that lets a browser in. @param of a page, as its path */
export function addressOf({ port, token }: Server, of: string = "/"): string {
  return `http://127.0.0.1:${port}${of}?token=${token}`;
}

/** Programs that show an address in the user's browser. */
const OPENERS: Partial<Record<typeof Deno.build.os, readonly string[]>> = {
  linux: ["xdg-open"],
  darwin: ["open"],
  windows: ["cmd", "/c", "start", ""],
};

/**
 * Show a page in the user's browser, where there is one and somebody to look. Others on the machine see what programs are
 * given, so this address is good for once.
 * @returns whether it was tried
 */
export function openBrowser({ port, token }: Server, of: string = "/"): boolean {
  const opener = OPENERS[Deno.build.os];
  const hasScreen = Deno.build.os !== "linux" || Deno.env.get("DISPLAY") || Deno.env.get("WAYLAND_DISPLAY");
  if (!hasScreen || opener === undefined || !Deno.stdout.isTerminal()) return false;
  const nonce = randomBytes(16).toString("hex");
  const address = `http://127.0.0.1:${port}${of}?ticket=${nonce}.${proofOf(token, "open", nonce)}`;
  try {
    const [program, ...args] = [...opener, address];
    const streams = { stdin: "null", stdout: "null", stderr: "null" } as const;
    new Deno.Command(program!, { args, ...streams, detached: true }).spawn().unref();
    return true;
  } catch {
    return false;
  }
}

/** Long enough to come back to it after a meal would be too long for what nobody looks at. */
const IDLE_MS = 10 * 60_000;

/** Show a page of a place beside other work, which goes on whatever becomes of it. */
export async function showPage(place: Place, of: string, tell: (message: string) => void): Promise<void> {
  try {
    const server = await findServer(place, { idleMs: IDLE_MS });
    if (!("port" in server)) return tell(`no live page: ${"trouble" in server ? server.trouble : "no port is free"}`);
    tell(`live page: ${addressOf(server, of)}`);
    openBrowser(server, of);
  } catch (error) {
    tell(`no live page: ${(error as Error).message}`);
  }
}
