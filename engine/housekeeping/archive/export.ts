import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { createTarPacker, type TarHeader } from "modern-tar";
import type { FileEntry, ResultManifest, TagRecord } from "../../../schemas/records.ts";
import { compareCodeUnits } from "../../fingerprint/encode.ts";
import { type Diagnostic, type DiagnosticCode, refuse, type Result, succeed } from "../../diagnostic/diagnostic.ts";
import { flushFolder } from "../../store/files.ts";
import { openPlain, statIfThere } from "../../store/reading.ts";
import { isEnvironmental, isMachineTrouble, reasonOf, unlessReadable } from "../../store/trouble.ts";
import type { Store } from "../../store/store.ts";
import { HEADER, manifestEntry, objectEntry } from "./layout.ts";

export interface Exported {
  readonly results: number;
  readonly objects: number;
  /** Of the archive. */
  readonly bytes: number;
}

/** Which run made a result is a matter of clock and host. Without it, equal results make equal archives. */
const ANY_RUN = "imported";

/**
 * Write results into one tar archive. The bytes of the archive depend on the results alone.
 *
 * @param contents which results, by stage
 * @param tag to be set where the archive is imported
 */
export async function exportResults(
  store: Store,
  file: string,
  { contents, tag }: { readonly contents: TagRecord; readonly tag: string | null },
): Promise<Result<Exported>> {
  using _still = await store.guards.holdStill();
  const manifests: ResultManifest[] = [];
  const problems: Diagnostic[] = [];
  for (const [stage, key] of Object.entries(contents.results)) {
    const manifest = store.results.recall(key);
    if (manifest !== undefined) manifests.push(manifest);
    else problems.push(problem(`The result of "${stage}" is gone (${key.slice(0, 12)})`, "run the pipeline again"));
  }
  if (problems.length > 0) return refuse(problems);
  const unique = [...new Map(manifests.map((one) => [one.resolvedKey, one])).values()]
    .sort((a, b) => compareCodeUnits(a.resolvedKey, b.resolvedKey));
  const objects = [...new Map(unique.flatMap(filesOf).map((one) => [one.sha256, one])).values()]
    .sort((a, b) => compareCodeUnits(a.sha256, b.sha256));

  const there = statIfThere(file);
  if (there !== undefined && !there.isFile) {
    return refuse([unwritable(file, "what is there is no plain file")]);
  }
  const temporary = join(dirname(file), `.noiseline-${crypto.randomUUID()}.tmp`);
  const discard = () => Deno.remove(temporary).catch(() => {});
  try {
    const damaged = await write(temporary, { contents: sorted(contents), tag }, unique, objects, store);
    if (damaged !== undefined) {
      await discard();
      return refuse([
        problem(
          `An object is missing or damaged in the store: ${damaged}`,
          "run `verify`, then run the pipeline again",
        ),
      ]);
    }
    await Deno.rename(temporary, file);
    await flushFolder(dirname(file));
    return succeed({ results: unique.length, objects: objects.length, bytes: statIfThere(file)?.size ?? 0 });
  } catch (error) {
    await discard();
    if (!isEnvironmental(error) && !(error instanceof Deno.errors.NotFound)) throw error;
    return refuse([unwritable(file, reasonOf(error), isMachineTrouble(error) ? "machine" : "file-unreadable")]);
  }
}

function unwritable(file: string, why: string, code: DiagnosticCode = "file-unreadable"): Diagnostic {
  return { severity: "error", code, message: `Cannot write ${file}: ${why}`, fix: "name another file, or make room" };
}

function problem(message: string, fix: string): Diagnostic {
  return { severity: "error", code: "check", message, fix };
}

function filesOf({ outputs }: ResultManifest): FileEntry[] {
  return Object.values(outputs).flatMap(({ files }) => files);
}

/** The same record whatever the order in which its stages were found. */
function sorted({ results, ...rest }: TagRecord): TagRecord {
  return { ...rest, results: Object.fromEntries(Object.entries(results).sort(([a], [b]) => compareCodeUnits(a, b))) };
}

/** @returns the object that is not what its name says, if there is one: an archive must not spread damage */
async function write(
  path: string,
  header: { readonly contents: TagRecord; readonly tag: string | null },
  manifests: readonly ResultManifest[],
  objects: readonly FileEntry[],
  store: Store,
): Promise<string | undefined> {
  const target = await Deno.open(path, { write: true, createNew: true });
  const { readable, controller } = createTarPacker();
  const written = readable.pipeTo(target.writable);
  // Whatever ends the packing is thrown below; a second voice would be an unhandled rejection.
  written.catch(() => {});
  try {
    await addText(controller, HEADER, { format: 1, tag: header.tag, contents: header.contents });
    for (const manifest of manifests) {
      await addText(controller, manifestEntry(manifest.resolvedKey), { ...manifest, runId: ANY_RUN });
    }
    for (const { sha256, size } of objects) {
      const object = store.objects.has({ path: "", sha256, size })
        ? unlessReadable(() => openPlain(store.objects.pathOf(sha256)), undefined)
        : undefined;
      if (object === undefined) return await abandon(sha256);
      using source = object;
      const writer = controller.add(entryHeader(objectEntry(sha256), size)).getWriter();
      const digest = createHash("sha256");
      const buffer = new Uint8Array(1 << 20);
      for (let read = await source.read(buffer); read !== null; read = await source.read(buffer)) {
        const part = buffer.slice(0, read);
        digest.update(part);
        await writer.write(part);
      }
      await writer.close();
      if (digest.digest("hex") !== sha256) return await abandon(sha256);
    }
    controller.finalize();
    await written;
    return undefined;
  } catch (error) {
    controller.error(error);
    await written.catch(() => {});
    throw error;
  }

  async function abandon(sha256: string): Promise<string> {
    controller.error(new Error("abandoned"));
    await written.catch(() => {});
    return sha256;
  }
}

function entryHeader(name: string, size: number): TarHeader {
  return { name, size, type: "file", mode: 0o644, uid: 0, gid: 0, mtime: new Date(0) };
}

async function addText(
  controller: ReturnType<typeof createTarPacker>["controller"],
  name: string,
  value: unknown,
): Promise<void> {
  const bytes = new TextEncoder().encode(`${JSON.stringify(value)}\n`);
  const writer = controller.add(entryHeader(name, bytes.length)).getWriter();
  await writer.write(bytes);
  await writer.close();
}
