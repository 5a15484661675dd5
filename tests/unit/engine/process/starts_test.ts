import { assertEquals } from "@std/assert";
import { globSync } from "node:fs";
import { join } from "node:path";
import { CLONE } from "../../../support/cli_process.ts";

/**
 * Every place that starts a process, and what a hostile project can make it start before a grant. All other code starts
 * processes through `loadModules` and `Child` of runtime.ts, whose callers are below.
 */
const STARTS: Readonly<Record<string, string>> = {
  "engine/process/runtime.ts: Deno.Command": "Deno, behind setpriv of an absolute folder of the PATH; /bin/ps of macOS",
  "engine/process/runtime.ts: new Child": "loadModules: Deno, and what its callers below give",
  "engine/process/runtime.ts: loadModules": "deno info: reads the project's TypeScript, and runs none of it",
  "engine/process/bundle.ts: loadModules": "deno bundle, when a stage runs",
  "engine/process/box.ts: Deno.Command": "bwrap of an absolute folder of the PATH",
  "engine/process/child.ts: new Child": "a stage's process, after its grant",
  "engine/process/start_program.ts: new Child":
    "the program of a stage, after its grant; in a job of several nodes srun, of an absolute folder of the PATH",
  "engine/process/describe.ts: new Child": "Deno without permissions, on the project's TypeScript",
  "engine/process/device_trial.ts: loadModules": "Deno, on the toolkit's own code",
  "engine/process/install.ts: loadModules": "deno cache, which runs no code of packages",
  "engine/process/python.ts: loadModules": "a Python, after its grant",
  "engine/cluster/slurm/ask.ts: execFile": "Slurm's commands, from the folder /",
  "cli/package.ts: Deno.Command": "Deno, on the toolkit's own code",
  "pages/server/start.ts: Deno.Command":
    "Deno, on the toolkit's own code; on a terminal the user's browser, of an absolute folder of the PATH",
  "package/notebook/mod.ts: spawn": "Deno, on the toolkit's own code",
  "cli/setup/build_addon.ts: Deno.Command": "a compiler from PyPI, in `setup`",
};

const SHIPPED = "{artifacts,cli,engine,package,pages,schemas,science,stages,std}/**/*.ts";

Deno.test("every place that starts a process is known, with what a hostile project can make it start", () => {
  const found = new Set<string>();
  for (const path of [...globSync(SHIPPED, { cwd: CLONE }), ...globSync("*.ts", { cwd: CLONE })]) {
    const text = Deno.readTextFileSync(join(CLONE, path)).replaceAll(/^\s*(\/\/|\*|\/\*).*$/gm, "");
    const starts = text.matchAll(
      /new (?:Deno\.Command|Child)\b(?!Status)|(?<!function )\b(?:loadModules|spawn|spawnSync|fork|exec|execFile|execFileSync|execSync)\((?!\))/g,
    );
    for (const [call] of starts) found.add(`${path}: ${call.replace(/\($/, "").replace("new Deno", "Deno")}`);
  }
  // `.exec(` of a regular expression, and `.spawn()` of a command, are no starts of their own.
  const starts = [...found].filter((one) => !one.endsWith(": exec")).sort();
  assertEquals(starts, Object.keys(STARTS).sort());
});

Deno.test("no module starts a process by another name", () => {
  const names = [...globSync(SHIPPED, { cwd: CLONE })].filter((path) => {
    const text = Deno.readTextFileSync(join(CLONE, path));
    return /node:child_process|Deno\["Command"\]|\{[^}]*\bCommand\b[^}]*\} = Deno|Deno\.run\b|node:cluster/.test(text);
  });
  assertEquals(names.sort(), ["engine/cluster/slurm/ask.ts", "package/notebook/mod.ts"]);
});
