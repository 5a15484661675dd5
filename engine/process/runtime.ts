import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { statIfThere } from "../store/reading.ts";

/** Folder of the toolkit itself: its deno.json maps the imports of every stage, wherever that lies. */
export const TOOLKIT_ROOT: string = fileURLToPath(new URL("../../", import.meta.url));

export const TOOLKIT_CONFIG: string = join(TOOLKIT_ROOT, "deno.json");
export const TOOLKIT_LOCK: string = join(TOOLKIT_ROOT, "deno.lock");

/** The module through which a worker comes back into the engine. */
export const WORKER_MODULE: string = new URL("../../stages/worker.ts", import.meta.url).href;

function findOnPath(program: string): string | undefined {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = join(folder, program);
    if (folder !== "" && statIfThere(path) !== undefined) return path;
  }
  return undefined;
}

let guard: readonly string[] | undefined;

/**
 * A command prefix that makes the kernel kill the child when this process dies, however that comes. Linux only;
 * elsewhere the child notices that its standard input has ended.
 */
export function parentDeathGuard(): readonly string[] {
  if (guard === undefined) {
    const setpriv = Deno.build.os === "linux" ? findOnPath("setpriv") : undefined;
    guard = setpriv === undefined ? [] : [setpriv, "--pdeathsig", "KILL"];
  }
  return guard;
}

/** Folder of an installed npm package, to which loading of native code is limited. Undefined if it is not installed. */
export function packageFolder(name: string): string | undefined {
  let url: string;
  try {
    url = import.meta.resolve(name);
  } catch {
    return undefined;
  }
  if (!url.startsWith("file:")) return undefined;
  for (let folder = dirname(fileURLToPath(url)); dirname(folder) !== folder; folder = dirname(folder)) {
    const manifest = join(folder, "package.json");
    if (statIfThere(manifest) === undefined) continue;
    // A package may hold further package.json files that only say what kind of modules lie beside them.
    if ((JSON.parse(Deno.readTextFileSync(manifest)) as { name?: string }).name === name) return folder;
  }
  return undefined;
}

/** Start a Deno child in a process group of its own, so that the terminal's Ctrl-C reaches only the parent. */
export function spawnDeno(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Deno.ChildProcess {
  const [program, ...rest] = [...parentDeathGuard(), Deno.execPath(), ...args];
  return new Deno.Command(program!, {
    args: rest,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    detached: true,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  }).spawn();
}

/** Kill a child and whatever it started. */
export function killGroup(child: Deno.ChildProcess): void {
  try {
    // A negative pid means the whole group; detached children lead their own.
    if (Deno.build.os === "windows") child.kill("SIGKILL");
    else Deno.kill(-child.pid, "SIGKILL");
  } catch {
    // It is gone already.
  }
}
