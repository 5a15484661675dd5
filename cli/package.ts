/**
 * The program as a package: `deno run -A jsr:@noiseline/noiseline/cli run pipeline.yaml`.
 *
 * Stages run in processes that may load nothing from a network, under a frozen lock, so noiseline runs from files. Those
 * of a version that comes from an address are copied into the user's cache, once. Then the program is started there,
 * with noiseline's own settings and lock, whatever settings the user's folder has.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { userFolder } from "../std/user_folder.ts";

const say = (line: string) => Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));

/** The folder with noiseline's files. */
async function findFolder(root: URL): Promise<string> {
  if (root.protocol === "file:") return fileURLToPath(root);
  const folder = join(userFolder("packages"), root.href.replaceAll(/[^\w.-]+/g, "_"));
  if (existsSync(folder)) return folder;
  say(`copying the files of noiseline to ${folder} (once)`);
  const { copyPackage } = await import("./copy_package.ts");
  const problem = await copyPackage(root, folder);
  if (problem === undefined) return folder;
  say(`error: cannot copy the files of noiseline to ${folder}: ${problem}`);
  say("  fix:    see that the network and that folder can be used; once the files are there, no network is needed");
  Deno.exit(2);
}

if (import.meta.main) {
  const folder = await findFolder(new URL("../", import.meta.url));
  const settings = [`--config=${join(folder, "deno.json")}`, `--lock=${join(folder, "deno.lock")}`, "--frozen"];
  const args = ["run", "-A", "--node-modules-dir=none", ...settings, join(folder, "cli/main.ts"), ...Deno.args];
  const child = new Deno.Command(Deno.execPath(), { args }).spawn();
  // A terminal sends Ctrl-C to both.
  Deno.addSignalListener("SIGINT", () => Deno.stdin.isTerminal() || child.kill("SIGINT"));
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", () => child.kill("SIGTERM"));
  Deno.exit((await child.status).code);
}
