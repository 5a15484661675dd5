import { createHash } from "node:crypto";
import { dirname, join, relative, sep } from "node:path";
import { FolderMaker } from "../folders.ts";
import { MisplacedError, placeOf, reasonOf } from "../io_errors.ts";
import { type Answer, type CacheBackend, type Content, type CreateOptions, trouble } from "./backend.ts";

/** Temporary files that are this much older than a new one belong to processes that are gone. */
const ABANDONED_MS = 24 * 3_600_000;

/** Names that writers give to temporary files. */
const TEMPORARY = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:-\d+)?$/;

/** Error codes for making a hard link where there are none, as on SMB. On Windows some of these have no code. */
const NO_LINKS = new Set([undefined, "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EXDEV", "EINVAL", "EISDIR"]);

/**
 * A folder on a file system that several machines have mounted. It needs no locks: a file is written under a name of
 * its own and then linked to its place, which succeeds for one writer only, also over NFS. Everything is asynchronous,
 * since system calls hang when a server has gone away.
 */
export class FolderBackend implements CacheBackend {
  readonly maxBytes = Number.MAX_SAFE_INTEGER;
  readonly #folders = new FolderMaker((path) => this.#makeFolder(path));
  #count = 0;
  #links = true;

  /** @param isMounted true if the folder is still where it was before: nothing is made in place of a missing mount */
  constructor(readonly place: string, private readonly isMounted: () => boolean = () => true) {}

  async open(name: string): Promise<Answer<ReadableStream<Uint8Array<ArrayBuffer>> | undefined>> {
    const path = join(this.place, name);
    return await this.#undefinedIfAbsent(async () => {
      // A pipe would wait for its writer, and a device has no end. Empty content counts as damaged, like other wrong
      // content.
      const { isFile } = await Deno.stat(path);
      return isFile ? (await Deno.open(path)).readable : ReadableStream.from<Uint8Array<ArrayBuffer>>([]);
    });
  }

  async size(name: string): Promise<Answer<number | undefined>> {
    return await this.#undefinedIfAbsent(async () => (await Deno.stat(join(this.place, name))).size);
  }

  async create(name: string, content: Content, { replace }: CreateOptions): Promise<Answer<"created" | "exists">> {
    if (!this.isMounted()) return this.#missing();
    const target = join(this.place, name);
    const temporary = join(this.place, "tmp", `${crypto.randomUUID()}-${this.#count++}`);
    try {
      await this.#folders.ensure(join(this.place, "tmp"));
      await this.#folders.ensure(dirname(target));
      const written = await writeWhole(temporary, content);
      if (written !== content.sha256) return trouble("unfit", "the file changed while it was copied");
      return { value: await this.#publish(temporary, target, replace) };
    } catch (error) {
      return explain(error, this.place);
    } finally {
      await Deno.remove(temporary).catch(() => {});
    }
  }

  /** Checks that the folder can be written. Only its last part is made: a missing mount stays missing. */
  async prepare(): Promise<Answer<string | undefined>> {
    if (!this.isMounted()) return this.#missing();
    try {
      await makeOne(this.place);
      await this.#folders.ensure(join(this.place, "tmp"));
      const probe = join(this.place, "tmp", crypto.randomUUID());
      await Deno.writeTextFile(probe, "");
      const now = (await Deno.stat(probe)).mtime?.getTime() ?? 0;
      await Deno.remove(probe);
      await this.#sweep(now);
      return { value: undefined };
    } catch (error) {
      return explain(error, this.place);
    }
  }

  #missing() {
    return trouble("busy", `the cache folder ${this.place} is not there`);
  }

  /** Makes a folder below the cache. Refuses links: whoever may write here could lead this user's writes out by one. */
  async #makeFolder(path: string): Promise<void> {
    await Deno.mkdir(this.place, { recursive: true });
    for (let at = this.place, names = relative(this.place, path).split(sep); names.length > 0;) {
      at = join(at, names.shift()!);
      await makeOne(at);
      if ((await Deno.lstat(at)).isDirectory) continue;
      throw new MisplacedError(`${at} is a link or a file, and has to be a folder`);
    }
  }

  async #publish(temporary: string, target: string, replace: boolean): Promise<"created" | "exists"> {
    if (!replace && this.#links) {
      try {
        await Deno.link(temporary, target);
        return "created";
      } catch (error) {
        if (error instanceof Deno.errors.AlreadyExists) return "exists";
        // A full disk or an unreachable server says nothing about links, and the first of two writers still has to win.
        if (!NO_LINKS.has((error as { code?: string }).code)) throw error;
        this.#links = false;
      }
    }
    if (!replace && await Deno.stat(target).then(() => true, () => false)) return "exists";
    await Deno.rename(temporary, target);
    return "created";
  }

  /** Removes what killed writers left. Ages are measured by the file server's clock alone. */
  async #sweep(now: number): Promise<void> {
    const folder = join(this.place, "tmp");
    for await (const { name } of Deno.readDir(folder)) {
      if (!TEMPORARY.test(name)) continue;
      const info = await Deno.stat(join(folder, name)).catch(() => undefined);
      if (now - (info?.mtime?.getTime() ?? now) > ABANDONED_MS) await Deno.remove(join(folder, name)).catch(() => {});
    }
  }

  async #undefinedIfAbsent<T>(look: () => Promise<T>): Promise<Answer<T | undefined>> {
    try {
      return { value: await look() };
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) return explain(error, this.place);
      // An absent file is a miss, and so is everything in a cache that the first writer will make. A missing mount is
      // reported.
      const there = await Deno.stat(dirname(this.place)).then(() => true, () => false);
      return there ? { value: undefined } : explain(error, this.place);
    }
  }
}

async function makeOne(folder: string): Promise<void> {
  await Deno.mkdir(folder).catch((error) => {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  });
}

/** Writes content to a new file and flushes it. @returns the digest of what was written */
async function writeWhole(path: string, { from }: Content): Promise<string> {
  const digest = createHash("sha256");
  using target = await Deno.open(path, { write: true, createNew: true });
  const chunks = "bytes" in from ? [from.bytes] : (await Deno.open(from.file)).readable;
  for await (const chunk of chunks) {
    digest.update(chunk);
    for (let offset = 0; offset < chunk.length;) offset += await target.write(chunk.subarray(offset));
  }
  await target.sync();
  return digest.digest("hex");
}

function explain(error: unknown, root: string) {
  if (error instanceof Deno.errors.NotFound) {
    const fix = "make the folder, or mount the file system that it is on";
    return trouble("unreachable", `the folder ${root} is not there`, fix);
  }
  const code = (error as { code?: string }).code ?? "";
  const place = placeOf(error);
  const message = place === undefined ? reasonOf(error) : `${place}: ${reasonOf(error)}`;
  if (["EACCES", "EPERM", "EROFS"].includes(code)) return trouble("denied", message);
  const refused = ["ENOSPC", "EDQUOT", "ENOTDIR", "EISDIR", "ELOOP", "MISPLACED"].includes(code);
  // ESTALE, EIO and the like: the server is unreachable for a while, or has forgotten which files were open.
  return trouble(refused ? "refused" : "busy", message);
}
