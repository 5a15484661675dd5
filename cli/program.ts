import { delimiter, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { nearestConfig, readTextIfThere, shellWord } from "noiseline/core";
import { userFolder } from "../std/user_folder.ts";
import manifest from "../deno.json" with { type: "json" };

/** The folder of the toolkit, whose pipelines serve as templates too. */
export const TOOLKIT: string = fileURLToPath(new URL("../", import.meta.url));

export const VERSION: string = manifest.version;

/** What records of runs and submissions name. */
export const VERSIONS = { noiseline: VERSION, deno: Deno.version.deno };

/** The package that this is a copy of, as `cli/package.ts` makes them; undefined in a clone. */
export const PACKAGE: string | undefined = dirname(TOOLKIT) === userFolder("packages") ? manifest.name : undefined;

/** How to start the program of a package, of this version or of one that a range names. */
export function packageProgram(name: string, version: string = manifest.version): readonly string[] {
  return ["deno", "run", "-A", `jsr:${name}@${version}/cli`];
}

/** The outcome of a pipeline, in its folder of outputs. */
export const PAGE = "report.html";

/** `deno task` names itself to what it starts, as package managers do. Asked late: a server of pages may not know. */
const isFromTask = () => Deno.env.get("npm_config_user_agent")?.startsWith("deno/") === true;

/**
 * True if a shell finds the script that `deno install` makes for this program: one that contains the program's address.
 */
function isInstalled(): boolean {
  const address = PACKAGE ?? pathToFileURL(TOOLKIT).href;
  return (Deno.env.get("PATH") ?? "").split(delimiter).some((folder) => {
    return readTextIfThere(join(folder, "noiseline"))?.includes(address);
  });
}

/**
 * Returns the words to type for `noiseline` in a folder: the installed command unless a task started this process, else
 * a task of the clone, the task that `new` wrote, or the command that runs this program.
 */
export function programIn(folder: string, byTask: boolean = isFromTask()): readonly string[] {
  if (!byTask && isInstalled()) return ["noiseline"];
  const config = nearestConfig(folder);
  if (config === join(TOOLKIT, "deno.json")) return ["deno", "task"];
  const text = config === undefined ? "" : readTextIfThere(config) ?? "";
  if (/"noiseline"\s*:\s*(?:\{[^}]*"command"\s*:\s*)?"deno run/.test(text)) return ["deno", "task", "noiseline"];
  return PACKAGE === undefined ? ["deno", "run", "-A", join(TOOLKIT, "cli/main.ts")] : packageProgram(PACKAGE);
}

/** The clone's tasks, as messages and help name them everywhere. */
const TASK = /\bdeno task (?!noiseline\b)([a-z]+)(?::([a-z]+))?/g;

/** A text in which commands are what can be typed in the current folder. */
export function asTyped(text: string): string {
  if (!text.includes("deno task ")) return text;
  const program = programIn(Deno.cwd()).map(shellWord).join(" ");
  // Of a name that JSON would have to escape, the commands stay what they are in the clone.
  if (program === "deno task" || /["\\]/.test(program)) return text;
  return text.replaceAll(
    TASK,
    (_, command: string, part?: string) => [program, command, ...part === undefined ? [] : [part]].join(" "),
  );
}
