import { basename, dirname, join, resolve } from "node:path";
import { contentDigest, digestStageExternals, externalPaths, filesAt, syntaxDigest } from "../keys/externals.ts";
import { modulesOf, type Stage } from "../keys/stage.ts";
import type { PlannedAction } from "../plan/plan.ts";
import { bundleForBrowsers } from "../process/bundle.ts";
import { installFiles } from "../process/install.ts";
import { copyFile, makeFolder } from "../store/files.ts";
import { isTooLargeToCopy } from "../store/metadata_guard.ts";
import { realPath } from "../store/reading.ts";
import { pruneStates, removeStatesSince, statesIn } from "../store/progress.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { Store } from "../store/store.ts";

/** Returns true if a stage itself downloads files. */
export function fetchesFiles(stage: Stage): boolean {
  return (stage.kind.downloads?.(stage.params) ?? []).some(({ urls }) => urls.length > 0);
}

/** Returns the host and port of a URL; Deno takes a host without a port for all of its ports. */
function hostOf(url: string): string {
  const { hostname, port, protocol } = new URL(url);
  return `${hostname}:${port || (protocol === "http:" ? "80" : "443")}`;
}

/**
 * Copies a user's file or folder for code that is not trusted, if it is not too large.
 * @returns the path of the copy; undefined if the files are too large
 */
function copyExternal(path: string, place: string, name: string): string | undefined {
  const files = Array.from(filesAt(path), (file) => ({ path: file.path, size: file.facts.size }));
  if (isTooLargeToCopy(files)) return undefined;
  const copy = join(place, name);
  const folders = [
    Deno.statSync(path).isDirectory ? copy : place,
    ...files.map((file) => dirname(join(copy, file.path))),
  ];
  for (const folder of new Set(folders)) makeFolder(folder);
  for (const file of files) copyFile(join(path, file.path), join(copy, file.path));
  return copy;
}

/**
 * Makes available what a stage reads from outside the store: fetches packages, and makes the folder of downloads.
 * @returns the paths and hosts that the stage's process may reach beyond the store, with `packages`: folders of npm
 * packages by name; `params`: params whose path is replaced in this run, by that of a copy; `lent`: user files that the
 * stage reads in place. Or what went wrong
 */
export async function prepareExternalInputs(
  { stage, keys, isTrusted }: Pick<PlannedAction, "stage" | "keys" | "isTrusted">,
  { pipeline, store }: { readonly pipeline: Pick<Pipeline, "folder">; readonly store: Store },
  scratch: string,
  onProgress: (message: string) => void,
) {
  const packages: Record<string, string> = {};
  for (const external of stage.kind.externals?.(stage.params) ?? []) {
    if (external.files !== true) continue;
    const installed = await installFiles(external, onProgress);
    if ("problem" in installed) return cannotFetch(installed.problem);
    packages[external.name] = installed.folder;
  }
  const bundled = await bundleForBrowsers(stage.kind, join(scratch, "browser"));
  if (bundled !== undefined && "message" in bundled) return bundled;
  if (bundled !== undefined) packages["browser"] = bundled.file;
  const readable = Object.values(packages);
  const params: Record<string, string> = {};
  const lent: string[] = [];
  for (const [name, path] of Object.entries(externalPaths(stage, pipeline.folder))) {
    // A stage chooses the names of its params, so they must not become part of a path.
    const place = join(scratch, "external", String(readable.length));
    // A link may be redirected while the stage runs, and a process has rights to real paths only.
    const real = realPath(path);
    const copy = isTrusted ? undefined : copyExternal(real, place, basename(resolve(path)));
    readable.push(copy ?? real);
    if (copy === undefined) lent.push(real);
    params[name] = copy ?? real;
    if (copy === undefined) continue;
    const sha256 = contentDigest(copy, store.digests);
    if (![sha256, syntaxDigest(copy, sha256)?.digest].includes(keys!.ingredients.externals[name])) {
      return { message: `${name} changed after planning`, fix: "run again" };
    }
  }
  const urls = (stage.kind.downloads?.(stage.params) ?? []).flatMap(({ urls, redirects = [] }) =>
    urls.length === 0 ? [] : [...urls, ...redirects.map((host) => `https://${host}`)]
  );
  const writable = urls.length === 0 ? [] : [store.paths.downloads];
  writable.forEach(makeFolder);
  const hosts = [...new Set(urls.map(hostOf))];
  return { readable: [...readable, ...writable], writable, hosts, packages, params, lent };
}

export function cannotFetch(problem: string): { readonly message: string; readonly fix: string } {
  return { message: `cannot fetch its packages: ${problem}`, fix: "check the network, then run again" };
}

/**
 * Checks, whenever a stage saves and when it ends, that the files and the code that it reads from outside the store are
 * still those of the plan: they may be edited while it waits or runs. If they are not, its key says something else than
 * it read, so its result is not published, and the states that it saved since the last good check are removed. After a
 * good check, old states are pruned.
 */
export class ExternalInputChecker {
  readonly #edited = new AbortController();
  /** Aborted once the content has changed: everything that the stage does from then on is in vain. */
  readonly edited: AbortSignal = this.#edited.signal;
  #soundStates: ReadonlyMap<number, string>;
  #change: { readonly what: string; readonly isNewContent: boolean } | undefined;
  #checks = Promise.resolve();

  /** @param progressFolder the folder to which the stage saves */
  constructor(
    private readonly planned: PlannedAction,
    private readonly place: { readonly pipeline: Pipeline; readonly store: Store },
    private readonly progressFolder: string,
  ) {
    this.#soundStates = statesIn(progressFolder);
  }

  /**
   * Checks the files. Call this whenever the stage has saved, before anybody learns of the save: they may then edit the
   * files. Old states are removed only once newer ones are known to be from before any edit.
   */
  check(): void {
    const saved = statesIn(this.progressFolder);
    this.#checks = Promise.all([this.#findChange(), this.#checks]).then(([change]) => {
      if (this.edited.aborted) return;
      if (change === undefined) {
        this.#soundStates = saved;
        pruneStates(this.progressFolder, saved.keys(), this.planned.stage.extent ?? Infinity);
      }
      if (change?.isNewContent !== true) return;
      this.#change = change;
      this.#edited.abort();
    });
  }

  /**
   * Checks the files for the last time.
   * @returns `change`: what changed, if anything did; and `unsaved`: true if saved states were removed because of it
   */
  async finish() {
    await this.#checks;
    const change = this.#change ?? await this.#findChange(true);
    return {
      change,
      unsaved: change?.isNewContent === true && removeStatesSince(this.progressFolder, this.#soundStates) > 0,
    };
  }

  /**
   * Finds what has changed since the plan.
   * @param last true to digest code again even if all of its files are unchanged, as they mostly are: names in it may
   * now resolve to something else. Otherwise the dates of unchanged files are enough
   * @returns `what` changed, in words; and `isNewContent`: true if there is other content now. A file that is gone or
   * unreadable is no evidence of what was read before
   */
  async #findChange(last = false) {
    const { planned: { stage, keys }, place: { pipeline, store: { digests } } } = this;
    const { externals, problems } = digestStageExternals(stage, pipeline, digests);
    const before = keys!.ingredients.externals;
    const changed = Object.keys(before).filter((name) => externals[name] !== before[name]);
    let isNewContent = changed.some((name) => externals[name] !== undefined);
    for (const { file, files, digest, uses, modules } of stage.kind.userCode) {
      if (!last && files.every(([path, content]) => digests.holds(path, content))) continue;
      const { digestCode } = await import("../process/code_digest.ts");
      const now = await digestCode(file);
      if ("digest" in now && now.digest === digest) continue;
      const [old, edited] = [modulesOf({ uses, modules }), "digest" in now ? modulesOf({ ...now, uses }) : {}];
      const names = Object.keys(edited).filter((name) => edited[name] !== old[name]);
      changed.push(...names.length > 0 ? names : [uses]);
      if ("digest" in now) isNewContent = true;
    }
    if (changed.length === 0) changed.push(...problems.keys().take(1));
    return changed.length === 0 ? undefined : { what: [...new Set(changed)].join(", "), isNewContent };
  }
}
