import { basename, dirname, join, resolve } from "node:path";
import { contentDigest, digestStageExternals, externalPaths, filesAt } from "../keys/externals.ts";
import { codesOf, isForeign, modulesOf, type Stage } from "../keys/stage.ts";
import type { PlannedStage } from "../plan/plan.ts";
import { bundleForBrowsers } from "../process/bundle.ts";
import { installFiles } from "../process/install.ts";
import { copyFile, makeFolder } from "../store/files.ts";
import { isLentWhole } from "../store/lent.ts";
import { realPath } from "../store/reading.ts";
import { pruneStates, removeStatesSince, statesIn } from "../store/progress.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { Store } from "../store/store.ts";

/** Whether a stage fetches files by itself. */
export function fetchesFiles(stage: Stage): boolean {
  return (stage.kind.downloads?.(stage.params) ?? []).some(({ urls }) => urls.length > 0);
}

/** Host and port of an address; Deno takes a host without a port for all of its ports. */
function hostOf(url: string): string {
  const { hostname, port, protocol } = new URL(url);
  return `${hostname}:${port || (protocol === "http:" ? "80" : "443")}`;
}

/**
 * Copy a file or folder of the user's for code that is not trusted, where it is not too large.
 * @returns where the copy lies
 */
function copyExternal(path: string, place: string, name: string): string | undefined {
  const files = Array.from(filesAt(path), (file) => ({ path: file.path, size: file.facts.size }));
  if (isLentWhole(files)) return undefined;
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
 * Make ready what a stage reads from outside the store: packages are fetched, and the folder of downloads exists.
 * @returns what its process may reach beyond the store, as its params say: also folders of npm packages by name, params
 * that name another place for this run, that of a copy, and what of the user's it reads as it is; or what went wrong
 */
export async function makeReachable(
  { stage, keys }: Pick<PlannedStage, "stage" | "keys">,
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
    // Names of params are the stage's choice, and no part of a path.
    const place = join(scratch, "external", String(readable.length));
    // A link may be turned elsewhere while the stage runs, and a process has rights to real paths alone.
    const real = realPath(path);
    const copy = isForeign(stage.kind) ? copyExternal(real, place, basename(resolve(path))) : undefined;
    readable.push(copy ?? real);
    if (copy === undefined) lent.push(real);
    params[name] = copy ?? real;
    if (copy !== undefined && contentDigest(copy, store.digests) !== keys!.ingredients.externals[name]) {
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
 * Files and code outside the store may be edited after the plan, and a stage can wait and run for hours. What it read then
 * is not what its key says, so neither its result nor the states that it saved may stay under it. This looks whenever the
 * stage saves: states stay that were saved before the edit.
 */
export class Ground {
  readonly #edited = new AbortController();
  #sound: ReadonlyMap<number, string>;
  #moved: { readonly what: string; readonly other: boolean } | undefined;
  #looking = Promise.resolve();

  /** @param progressFolder where the stage saves */
  constructor(
    private readonly planned: PlannedStage,
    private readonly place: { readonly pipeline: Pipeline; readonly store: Store },
    private readonly progressFolder: string,
  ) {
    this.#sound = statesIn(progressFolder);
  }

  /** Aborted once there is other content: whatever the stage does from then on is for nothing. */
  get edited(): AbortSignal {
    return this.#edited.signal;
  }

  /**
   * To be called whenever the stage has saved, and before anybody is told of it, who may then edit. Old states go only once
   * newer ones are known to be from before any edit.
   */
  look(): void {
    const saved = statesIn(this.progressFolder);
    this.#looking = Promise.all([this.#find(), this.#looking]).then(([moved]) => {
      if (this.edited.aborted) return;
      if (moved === undefined) {
        this.#sound = saved;
        pruneStates(this.progressFolder, saved.keys(), this.planned.stage.extent ?? Infinity);
      }
      if (moved?.other !== true) return;
      this.#moved = moved;
      this.#edited.abort();
    });
  }

  /** Look for the last time. @returns what moved, if anything did, and whether states are removed for it */
  async end() {
    await this.#looking;
    const moved = this.#moved ?? await this.#find(true);
    return { moved, unsaved: moved?.other === true && removeStatesSince(this.progressFolder, this.#sound) > 0 };
  }

  /**
   * @param last whether to ask what code comes to where all of its files are as they were, as they mostly are: that costs a
   * look at their dates, and what names in it stand for may have changed all the same
   * @returns what moved, in words, and as `other` whether there is other content now: what is gone or cannot be read says
   * nothing of what was read before
   */
  async #find(last = false) {
    const { planned: { stage, keys }, place: { pipeline, store: { digests } } } = this;
    const { externals, problems } = digestStageExternals(stage, pipeline, digests);
    const before = keys!.ingredients.externals;
    const changed = Object.keys(before).filter((name) => externals[name] !== before[name]);
    let other = changed.some((name) => externals[name] !== undefined);
    for (const { file, files, digest, uses, modules } of codesOf(stage.kind)) {
      if (!last && files.every(([path, content]) => digests.holds(path, content))) continue;
      const { digestCode } = await import("../process/code_digest.ts");
      const now = await digestCode(file);
      if ("digest" in now && now.digest === digest) continue;
      const [old, edited] = [modulesOf({ uses, modules }), "digest" in now ? modulesOf({ ...now, uses }) : {}];
      const names = Object.keys(edited).filter((name) => edited[name] !== old[name]);
      changed.push(...names.length > 0 ? names : [uses]);
      if ("digest" in now) other = true;
    }
    if (changed.length === 0) changed.push(...problems.keys().take(1));
    return changed.length === 0 ? undefined : { what: [...new Set(changed)].join(", "), other };
  }
}
