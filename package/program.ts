import { delimiter, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { nearestConfig, readTextIfThere, shellWord } from "noiseline/core";
import { userFolder } from "../std/user_folder.ts";
import manifest from "../deno.json" with { type: "json" };

/** The folder of the toolkit, whose pipelines serve as templates too. */
export const TOOLKIT: string = fileURLToPath(new URL("../", import.meta.url));

export const VERSION: string = manifest.version;

/** The versions that records of runs and submissions contain. */
export const VERSIONS = { noiseline: VERSION, deno: Deno.version.deno };

/** The name of the package that this is a copy of, as `cli/package.ts` makes them; undefined in a clone. */
export const PACKAGE: string | undefined = dirname(TOOLKIT) === userFolder("packages") ? manifest.name : undefined;

/** Returns the words that start the program of a package, in this version or in one from a range. */
export function packageProgram(name: string, version: string = manifest.version): readonly string[] {
  return ["deno", "run", "-A", `jsr:${name}@${version}/cli`];
}

/** The page of a pipeline's results, in its folder of outputs. */
export const PAGE = "report.html";

/**
 * True if `deno task` started this process: it sets this variable as package managers do. It is read late, because the
 * server of pages may not read it.
 */
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

/** Matches the clone's tasks, as all messages and help texts name them. */
const TASK = /\bdeno task (?!noiseline\b)([a-z]+)(?::([a-z]+))?/g;

/** Returns a text in which commands are written as they can be typed in the current folder. */
export function withTypedCommands(text: string): string {
  if (!text.includes("deno task ")) return text;
  const program = programIn(Deno.cwd()).map(shellWord).join(" ");
  // If the program's name has characters that JSON would escape, commands stay as in the clone.
  if (program === "deno task" || /["\\]/.test(program)) return text;
  return text.replaceAll(
    TASK,
    (_, command: string, part?: string) => [program, command, ...part === undefined ? [] : [part]].join(" "),
  );
}
