import { dirname, join, relative, resolve } from "node:path";
import { type Bundle, bundleListSchema } from "../../schemas/cluster_records.ts";
import { relativePathSchema } from "../../schemas/records.ts";
import { type Diagnostic, errorOf } from "../diagnostic/diagnostic.ts";
import { externalPaths, filesAt } from "../keys/externals.ts";
import type { Stage, UserCode } from "../keys/stage.ts";
import { findSettings } from "../process/code_digest.ts";
import type { Content } from "../store/cache/backend.ts";
import { contentOf, objectName } from "../store/cache/layout.ts";
import type { Digests } from "../store/digests.ts";
import { copyFile, makeFolder } from "../store/files.ts";
import { Semaphore } from "../../std/semaphore.ts";
import { hashFile, holds, readIfThere, sha256Of, statIfThere } from "../store/reading.ts";
import { parseJson } from "../store/records.ts";
import { inside } from "../store/write_roots.ts";
import { MisplacedError } from "../store/io_errors.ts";

const AT_ONCE = 8;

/** The contents that go into the shared cache as objects: each once, however many stages read it. */
export class Shipment {
  readonly #contents = new Map<string, Content>();
  readonly #known = new Map<string, Bundle>();

  constructor(private readonly digests: Digests) {}

  #pack(entry: string, root: string, places: Iterable<readonly [place: string, sha256: string]>): Bundle {
    const pathOf = (place: string) => relative(root, place).replaceAll("\\", "/");
    const list = Array.from(places, ([place, sha256]) => {
      const [path, { size }] = [pathOf(place), Deno.statSync(place)];
      if (!relativePathSchema.safeParse(path).success) {
        throw new MisplacedError(`Cannot send ${JSON.stringify(place)} to a cluster under its name; rename it`);
      }
      this.#contents.set(sha256, { sha256, size, from: { file: place } });
      return { path, size, sha256 };
    });
    const content = contentOf(JSON.stringify(list));
    this.#contents.set(content.sha256, content);
    return { entry: pathOf(entry), sha256: content.sha256 };
  }

  /** Adds the files and folders that a stage reads from outside. @returns their bundles, by name */
  addExternals(stage: Stage, home: string): Record<string, Bundle> {
    const pack = (path: string) => {
      const place = resolve(path);
      const at = (below: string) => join(place, below);
      const digested = filesAt(place).map(({ path, facts }) =>
        [at(path), this.digests.digest(at(path), facts)] as const
      );
      return this.#pack(place, dirname(place), digested);
    };
    const named = Object.entries(externalPaths(stage, home));
    return Object.fromEntries(named.map(([name, path]) => [name, this.#known.getOrInsertComputed(path, pack)]));
  }

  /** Adds the modules of a user's file, each of which must still have the given digest, and the settings above them. */
  addCode(file: string, files: UserCode["files"]): Bundle {
    const places = new Map(files);
    for (const one of findSettings(file).files) if (statIfThere(one)?.isFile) places.set(one, hashFile(one));
    let root = dirname(file);
    while (places.keys().some((place) => relative(root, place).startsWith(".."))) root = dirname(root);
    return this.#pack(file, root, places);
  }

  /** Writes all contents into the cache. @returns why that failed, or undefined */
  async send(cache: string): Promise<Diagnostic | undefined> {
    const { FolderBackend } = await import("../store/cache/folder_backend.ts");
    const backend = new FolderBackend(cache);
    const signal = new AbortController().signal;
    const sendOne = async (content: Content) => {
      const name = objectName(content.sha256);
      const size = await backend.size(name);
      if ("value" in size && size.value === content.size) return size;
      return await backend.create(name, content, { signal, replace: "value" in size && size.value !== undefined });
    };
    const prepared = await backend.prepare();
    const answers = "trouble" in prepared
      ? [prepared]
      : await new Semaphore(AT_ONCE).map(this.#contents.values(), sendOne);
    const trouble = answers.flatMap((one) => "trouble" in one ? one.trouble : [])[0];
    if (trouble === undefined) return undefined;
    const what = trouble.kind === "unfit"
      ? "a file that a stage reads, or its code, changed meanwhile"
      : trouble.message;
    return errorOf("cache", `Cannot write to the shared cache ${cache}: ${what}`, trouble.fix ?? "run again");
  }
}

/** Copies the files of a bundle to a folder. @returns the path of its entry; undefined if the cache lacks some of it */
export function layOut({ entry, sha256 }: Bundle, folder: string, cache: string): string | undefined {
  const bytes = readIfThere(join(cache, objectName(sha256)));
  const good = bytes !== undefined && sha256Of(bytes) === sha256;
  const list = good ? parseJson(new TextDecoder().decode(bytes), bundleListSchema) : undefined;
  if (list === undefined) return undefined;
  makeFolder(list.length === 0 ? inside(folder, entry) : folder);
  for (const { path, size, sha256 } of list) {
    const object = join(cache, objectName(sha256));
    const target = inside(folder, path);
    const info = statIfThere(object);
    // The object is checked first: a copy of a special file, or of one that is much too large, may have no end.
    if (info?.isFile !== true || info.size !== size) return undefined;
    makeFolder(dirname(target));
    copyFile(object, target);
    if (!holds(target, sha256)) return undefined;
  }
  return inside(folder, entry);
}
