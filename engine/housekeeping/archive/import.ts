import { createHash } from "node:crypto";
import { join } from "node:path";
import { createTarDecoder } from "modern-tar";
import {
  type ArchiveHeader,
  archiveHeaderSchema,
  type FileEntry,
  type ResultManifest,
  resultManifestSchema,
} from "../../../schemas/records.ts";
import { type Diagnostic, refuse, type Result, succeed } from "../../diagnostic/diagnostic.ts";
import { makeFolder, removeQuietly, writeParts } from "../../store/files.ts";
import { MAX_RECORD_BYTES, openPlain } from "../../store/reading.ts";
import { isEnvironmental, unlessReadable } from "../../store/trouble.ts";
import { newRunId } from "../../store/runs.ts";
import type { Store } from "../../store/store.ts";
import { TAG_NAME } from "../../store/tags.ts";
import { fitsItsKey } from "../../fingerprint/fits_key.ts";
import { parseEntryName } from "./layout.ts";

export interface Imported {
  readonly tag: string | null;
  readonly pipeline: string;
  /** Results that the store did not have. */
  readonly added: number;
  /** Results that it had already. */
  readonly known: number;
  /** Stages whose result in the store has other bytes; the store's own stays. */
  readonly different: readonly string[];
}

/** Why an archive is not taken; it never leaves this module. */
class ArchiveProblem extends Error {
  override name = "ArchiveProblem";
}

interface Staged {
  readonly header: ArchiveHeader;
  readonly manifests: ReadonlyMap<string, ResultManifest>;
  /** Where the objects lie, by content. */
  readonly objects: ReadonlyMap<string, string>;
}

/**
 * Take the results of an archive into a store. The whole archive is read and held against its own hashes first; then each
 * result is published like one that a stage made, files before manifest. Doing it again changes nothing.
 *
 * @param replaceTag whether a tag of the same name may be moved
 */
export async function importResults(
  store: Store,
  file: string,
  { replaceTag = false }: { readonly replaceTag?: boolean } = {},
): Promise<Result<Imported>> {
  const prepared = store.prepare();
  if (!prepared.ok) return refuse(prepared.diagnostics);
  const folder = join(store.temporaryRoot, `${newRunId(new Date(), Deno.pid)}-import`);
  try {
    makeFolder(folder);
    const staged = await stage(file, folder);
    const { tag, contents } = staged.header;
    const before = tag === null ? undefined : store.tags.read(tag);
    if (before !== undefined && !replaceTag && JSON.stringify(before) !== JSON.stringify(contents)) {
      return refuse([problem(`The store has another tag "${tag}"`, "delete it, or give --force to move it")]);
    }
    using _still = await store.guards.holdStill();
    const done = await publish(store, staged);
    if (tag !== null) store.tags.write(tag, contents);
    return succeed({ tag, pipeline: contents.pipeline, ...done });
  } catch (error) {
    if (error instanceof ArchiveProblem) {
      return refuse([problem(`Cannot import ${file}: ${error.message}`, "get the archive again, and export it anew")]);
    }
    if (!isEnvironmental(error)) throw error;
    return refuse([problem(`Cannot write to the store: ${(error as Error).message}`, "make it writable, free space")]);
  } finally {
    removeQuietly(folder);
  }
}

function problem(message: string, fix: string): Diagnostic {
  return { severity: "error", code: "file-unreadable", message, fix };
}

/** Read the whole archive into a folder, believing nothing of it. */
async function stage(file: string, folder: string): Promise<Staged> {
  let header: ArchiveHeader | undefined;
  const manifests = new Map<string, ResultManifest>();
  const objects = new Map<string, string>();
  const wanted = new Map<string, FileEntry>();
  for await (const { name, size, plain, body } of readEntries(file)) {
    const entry = plain ? parseEntryName(name) : undefined;
    if (entry === undefined) throw new ArchiveProblem(`it has an entry that does not belong there: ${quote(name)}`);
    if (header === undefined && entry.type !== "header") throw new ArchiveProblem("it does not begin with its header");
    if (entry.type === "header") {
      if (header !== undefined) throw new ArchiveProblem("it has two headers");
      header = await readHeader(size, body);
    } else if (entry.type === "manifest") {
      if (manifests.has(entry.key)) throw new ArchiveProblem(`it has ${name} twice`);
      const manifest = await readManifest(entry.key, size, body);
      manifests.set(entry.key, manifest);
      for (const one of filesOf(manifest)) wanted.set(one.sha256, one);
    } else {
      if (objects.has(entry.sha256)) throw new ArchiveProblem(`it has ${name} twice`);
      if (wanted.get(entry.sha256)?.size !== size) throw new ArchiveProblem(`no result has a file like ${name}`);
      const path = join(folder, entry.sha256);
      await writeObject(path, entry.sha256, body);
      objects.set(entry.sha256, path);
    }
  }
  if (header === undefined) throw new ArchiveProblem("it is empty, or no archive of results");
  const named = new Set(Object.values(header.contents.results));
  const missing = [...named].filter((key) => !manifests.has(key)).length +
    [...wanted.keys()].filter((sha256) => !objects.has(sha256)).length;
  if (missing > 0) throw new ArchiveProblem(`it is cut off: ${missing} of its parts are missing`);
  const stranger = [...manifests.keys()].find((key) => !named.has(key));
  if (stranger !== undefined) throw new ArchiveProblem(`its header does not name the result ${stranger}`);
  return { header, manifests, objects };
}

interface RawEntry {
  readonly name: string;
  readonly size: number;
  /** Neither a link nor a folder nor a device. */
  readonly plain: boolean;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Entries of a tar archive; what is wrong with it as a tar archive becomes one kind of error. */
async function* readEntries(file: string): AsyncGenerator<RawEntry> {
  const source = unlessReadable(() => openPlain(file), undefined);
  if (source === undefined) throw new ArchiveProblem("it is no file, or may not be read");
  yield* asProblems(
    (async function* () {
      for await (const { header, body } of source.readable.pipeThrough(createTarDecoder({ strict: true }))) {
        const plain = header.type === undefined || header.type === "file";
        yield { name: header.name, size: header.size, plain, body: asProblems(body) };
      }
    })(),
  );
}

async function* asProblems<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      let next: IteratorResult<T>;
      try {
        next = await iterator.next();
      } catch (error) {
        throw error instanceof ArchiveProblem ? error : new ArchiveProblem(`it is broken: ${(error as Error).message}`);
      }
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await iterator.return?.().catch(() => {});
  }
}

function quote(name: string): string {
  return JSON.stringify(name.slice(0, 100));
}

function filesOf({ outputs }: ResultManifest): FileEntry[] {
  return Object.values(outputs).flatMap(({ files }) => files);
}

async function readJson(name: string, size: number, body: AsyncIterable<Uint8Array>): Promise<unknown> {
  if (size > MAX_RECORD_BYTES) throw new ArchiveProblem(`${name} is too large: ${size} bytes`);
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  try {
    return JSON.parse(await new Blob(parts as BlobPart[]).text());
  } catch {
    throw new ArchiveProblem(`${name} is no JSON`);
  }
}

async function readHeader(size: number, body: AsyncIterable<Uint8Array>): Promise<ArchiveHeader> {
  const parsed = archiveHeaderSchema.safeParse(await readJson("its header", size, body));
  if (!parsed.success) throw new ArchiveProblem("its header is of another version, or damaged");
  const { tag } = parsed.data;
  if (tag !== null && !TAG_NAME.test(tag)) throw new ArchiveProblem(`its tag has no proper name: ${quote(tag)}`);
  return parsed.data;
}

/** A manifest must follow from its own ingredients: a key stands for them and for nothing else. */
async function readManifest(key: string, size: number, body: AsyncIterable<Uint8Array>): Promise<ResultManifest> {
  const name = `the manifest ${key.slice(0, 12)}`;
  const parsed = resultManifestSchema.safeParse(await readJson(name, size, body));
  if (!parsed.success) throw new ArchiveProblem(`${name} is of another version, or damaged`);
  const manifest = parsed.data;
  if (!fitsItsKey(manifest, key)) throw new ArchiveProblem(`${name} does not fit its key`);
  return manifest;
}

async function writeObject(path: string, sha256: string, body: AsyncIterable<Uint8Array>): Promise<void> {
  const digest = createHash("sha256");
  const digesting = async function* () {
    for await (const part of body) {
      digest.update(part);
      yield part;
    }
  };
  await writeParts(path, digesting());
  const got = digest.digest("hex");
  if (got !== sha256) throw new ArchiveProblem(`the object ${sha256.slice(0, 12)} has other bytes than its name says`);
}

async function publish(store: Store, { header, manifests, objects }: Staged) {
  let added = 0;
  let known = 0;
  const different: string[] = [];
  const names = new Map(Object.entries(header.contents.results).map(([stage, key]) => [key, stage]));
  for (const [key, manifest] of manifests) {
    const own = store.results.readManifest(key);
    const same = own !== undefined &&
      Object.entries(manifest.outputs).every(([port, { digest }]) => own.outputs[port]?.digest === digest);
    if (own !== undefined && !same) {
      different.push(names.get(key)!);
      continue;
    }
    // Also for a result that is known: an object of it that is missing or damaged comes back.
    for (const file of filesOf(manifest)) {
      if (store.objects.verify(file)) await store.objects.flushNames([file]);
      else await store.objects.take(objects.get(file.sha256)!, file.size);
    }
    if (same) known++;
    else {
      await store.results.publish(manifest);
      added++;
    }
  }
  return { added, known, different };
}
