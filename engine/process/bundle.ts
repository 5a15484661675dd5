import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { isOwn, userFolder } from "../../std/user_folder.ts";
import type { ModuleProgram } from "../keys/program.ts";
import type { Kind, ModuleMap } from "../keys/stage.ts";
import { makeFolder, writeNew } from "../store/files.ts";
import { hashFile, readTextIfThere, sha256Of } from "../store/reading.ts";
import { dropOldest, readChecked, writeChecked, writePrivately } from "../store/records.ts";
import { moduleFlags, TOOLKIT_CONFIG } from "./module_lock.ts";
import { askGraph, loadModules, type ModuleGraph } from "./runtime.ts";

/** Long enough for the first bundling, when Deno fetches esbuild (some 10 MB). */
const BUNDLING_TIMEOUT_MS = 3 * 60_000;
/** The number of bundles that are kept. The code of older bundles may no longer exist. */
const MOST_KEPT = 16;

/**
 * Bundles a kind's browser code and the definitions that its stages are given into one file, without running any of it.
 * The browser code exports `start`, which the bundle calls with `{ definitions }`, and whatever these definitions may
 * import of `noiseline`. A bundle is kept for as long as none of its modules changes; a damaged bundle is made again.
 *
 * @param folder the folder to make, for the bundle
 * @param kept the folder in which bundles are kept
 * @returns the bundle's path, or why bundling failed; undefined for a kind without browser code
 */
export async function bundleForBrowsers(
  { browser, userCode, map }: Pick<ModuleProgram, "browser" | "userCode" | "map">,
  folder: string,
  kept: string = userFolder("bundles"),
): Promise<{ readonly file: string } | Readonly<Record<"message" | "fix", string>> | undefined> {
  if (browser === undefined) return undefined;
  makeFolder(folder);
  const [entry, file] = [join(folder, "entry.ts"), join(folder, "bundle.js")];
  const text = entryText(browser, userCode);
  writeNew(entry, text);
  const flags = moduleFlags(folder, map && withBrowserEntry(map(), browser));
  const asked = await askGraph(flags, entry);
  if ("error" in asked) return failedBy(asked.error);
  const { modules } = asked;
  // The entry is the only module in its folder. A module that was not found has nothing to read.
  const parts = modules.map(({ local, npmPackage }) => local === entry ? text : local ? hashFile(local) : npmPackage);
  const path = join(kept, `${sha256Of([Deno.version.deno, ...parts].join("\n"))}.json`);
  const found = isOwn(path) ? readChecked(path)?.value : undefined;
  if (typeof found === "string") {
    writeNew(file, found);
    return { file };
  }
  const how = ["--platform=browser", "--minify", "--quiet", "--no-check", ...flags, `--output=${file}`];
  const { success, said } = await loadModules(["bundle", ...how, entry], { timeoutMs: BUNDLING_TIMEOUT_MS });
  const made = readTextIfThere(file);
  if (!success || made === undefined) return failedBy(said);
  const rest = await askGraph(flags, file);
  if ("error" in rest) return failedBy(rest.error);
  const left = rest.modules.flatMap(importsOf);
  if (left.length > 0) return failedBy(describeLeft(left, modules));
  writePrivately(path, () => {
    dropOldest(kept, "", MOST_KEPT);
    writeChecked(path, made);
  });
  return { file };
}

/** Returns the imports that must resolve before a module runs: neither type imports nor dynamic ones. */
function importsOf({ dependencies = [] }: ModuleGraph["modules"][number]) {
  return dependencies.filter(({ code, isDynamic }) => code !== undefined && !isDynamic);
}

/** Describes imports that the bundle still has, with the place of each in the user's files. */
function describeLeft(left: ReturnType<typeof importsOf>, modules: ModuleGraph["modules"]): string {
  const toolkit = pathToFileURL(dirname(TOOLKIT_CONFIG)).href;
  return left.map(({ specifier }) => {
    const from = modules.filter((one) => !one.specifier.startsWith(`${toolkit}/`)).flatMap((one) =>
      importsOf(one).filter((own) => own.specifier === specifier).map(({ code }) =>
        `${one.local ?? one.specifier}:${code!.span.start.line + 1}`
      )
    );
    return `${specifier} is in no browser${from.length === 0 ? "" : `; it is imported at ${from.join(", ")}`}`;
  }).join("\n");
}

function entryText(browser: string, userCode: Kind["userCode"]): string {
  const urls = [browser, ...userCode.map(({ file }) => pathToFileURL(file).href)];
  const given = userCode.map(({ sort, uses, digest: code }, i) =>
    `{ ...${JSON.stringify({ sort, uses, code })}, definition: own${i + 1}.default }`
  );
  const imports = urls.map((url, i) => `import * as own${i} from ${JSON.stringify(url)};`);
  return `${imports.join("\n")}\nown0.start({ definitions: [${given.join(", ")}] });\n`;
}

/** Replaces the toolkit's main entry point, which reaches much that no browser has, by the kind's browser code. */
function withBrowserEntry({ imports, ...more }: ModuleMap, browser: string): ModuleMap {
  const door = imports["noiseline"];
  const { scopes } = more;
  const turned = JSON.stringify({ imports, scopes }, (_, to) => to === door ? browser : to);
  return { ...more, ...JSON.parse(turned) };
}

function failedBy(said: string): Record<"message" | "fix", string> {
  const problem = said.replace(/\n\s*Stack backtrace:[^]*/, "").replaceAll(/^error: /gm, "").trim();
  const fix = /failed to download|Failed loading http/.test(problem)
    ? "check the network, then run again: esbuild is fetched once"
    : "let the files of your own that a page needs import what a browser has";
  return { message: `cannot bundle its code for browsers: ${problem}`, fix };
}
