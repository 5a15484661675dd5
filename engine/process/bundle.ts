import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { isOwn, userFolder } from "../../std/user_folder.ts";
import type { Kind, ModuleMap } from "../keys/stage.ts";
import { makeFolder, writeNew } from "../store/files.ts";
import { hashFile, readTextIfThere, sha256Of } from "../store/reading.ts";
import { dropOldest, keepOwn, readChecked, writeChecked } from "../store/records.ts";
import { moduleFlags, TOOLKIT_CONFIG } from "./module_lock.ts";
import { askGraph, loadModules, type ModuleGraph } from "./runtime.ts";

/** The first time Deno fetches esbuild, some 10 MB. */
const BUNDLING_TIMEOUT_MS = 3 * 60_000;
/** Of older ones nobody knows whether their code is still there. */
const MOST_KEPT = 16;

/**
 * Put a kind's code for browsers and the definitions that its stages are given into one file, of which nothing is run. The
 * code exports `start`, which the file calls with `{ definitions }`, and what these may import of `noiseline`. A bundle is
 * kept for as long as no module of it changes; one that is damaged is made again.
 *
 * @param folder to be made, where the file comes to lie @param kept where bundles are kept
 * @returns undefined for a kind without such code; or what went wrong
 */
export async function bundleForBrowsers(
  { browser, own = [], map }: Pick<Kind, "browser" | "own" | "map">,
  folder: string,
  kept: string = userFolder("bundles"),
): Promise<{ readonly file: string } | Readonly<Record<"message" | "fix", string>> | undefined> {
  if (browser === undefined) return undefined;
  makeFolder(folder);
  const [entry, file] = [join(folder, "entry.ts"), join(folder, "bundle.js")];
  const text = entryText(browser, own);
  writeNew(entry, text);
  const flags = moduleFlags(folder, map && inBrowser(map(), browser));
  const asked = await askGraph(flags, entry);
  if ("error" in asked) return failedBy(asked.error);
  const { modules } = asked;
  // In its own folder the entry is the only module, and what cannot be found nobody can read.
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
  keepOwn(path, () => {
    dropOldest(kept, "", MOST_KEPT);
    writeChecked(path, made);
  });
  return { file };
}

/** What must be there before a module runs: neither types nor what it may ask for later. */
function importsOf({ dependencies = [] }: ModuleGraph["modules"][number]) {
  return dependencies.filter(({ code, isDynamic }) => code !== undefined && !isDynamic);
}

/** Imports that a bundle could not do without: in what file of the user's each is. */
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

function entryText(browser: string, own: NonNullable<Kind["own"]>): string {
  const urls = [browser, ...own.map(({ file }) => pathToFileURL(file).href)];
  const given = own.map(({ sort, uses, digest: code }, i) =>
    `{ ...${JSON.stringify({ sort, uses, code })}, definition: own${i + 1}.default }`
  );
  const imports = urls.map((url, i) => `import * as own${i} from ${JSON.stringify(url)};`);
  return `${imports.join("\n")}\nown0.start({ definitions: [${given.join(", ")}] });\n`;
}

/** The toolkit's main door opens to much that no browser has; there, the kind's code stands in its place. */
function inBrowser({ imports, ...more }: ModuleMap, browser: string): ModuleMap {
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
