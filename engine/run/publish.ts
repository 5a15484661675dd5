import { cutText } from "../diagnostic/format.ts";
import { statfsSync } from "node:fs";
import { join } from "node:path";
import {
  type ArtifactRecord,
  type Difference,
  type FileEntry,
  relativePathSchema,
  type ResultManifest,
} from "../../schemas/records.ts";
import { artifactDigest } from "../keys/keys.ts";
import { Semaphore } from "../../std/semaphore.ts";
import type { PlannedAction } from "../plan/plan.ts";
import { formatMemory } from "../process/runtime.ts";
import { statIfThere } from "../store/reading.ts";
import { listFiles } from "../store/folders.ts";
import { differingPorts } from "../store/results.ts";
import type { Store } from "../store/store.ts";

/** The most files of one stage that are taken at the same time. */
const MAX_AT_ONCE = 16;

/** Names of files by port. */
type Listed = Readonly<Record<string, readonly string[]>>;

/** Lists the files of a folder that a stage had to itself; undefined if the stage left the folder unreadable. */
function tryListFiles(folder: string): ReturnType<typeof listFiles> | undefined {
  try {
    return listFiles(folder);
  } catch (error) {
    const code = (error as { code?: string }).code ?? "";
    if (["ENOENT", "ENOTDIR", "EACCES", "EPERM", "ENAMETOOLONG", "ELOOP"].includes(code)) return undefined;
    throw error;
  }
}

/**
 * Lists the outputs that a stage wrote, from the folders and not from what the stage says.
 * @returns the names, or a problem
 */
export function listOutputs(folders: Readonly<Record<string, string>>, trusted = false) {
  const listed: Record<string, string[]> = {};
  const empty: string[] = [];
  for (const [port, folder] of Object.entries(folders)) {
    const refuse = (what: string, fix: string) => ({ message: `output "${port}" ${what}`, fix });
    const found = tryListFiles(folder);
    if (found === undefined) {
      const what = "cannot be read: its folder was removed, replaced, closed or nested too deeply";
      return refuse(what, `leave the folder of outputs.${port} as it is, and write plain files into it`);
    }
    const { files, strange } = found;
    if (strange.length > 0) {
      const what = `holds something that is not a plain file: ${strange.slice(0, 3).join(", ")}`;
      return refuse(what, "write plain files; links may lead out of the artifact");
    }
    // A name that is not UTF-8 is listed with other characters, and there is no file of that name.
    const badName = files.find((name) =>
      !relativePathSchema.safeParse(name).success || statIfThere(join(folder, name)) === undefined
    );
    if (badName !== undefined) {
      const what = `has a file name that cannot be kept: ${cutText(JSON.stringify(badName))}`;
      const fix = "use UTF-8 names without \\ and control characters, of at most 1024 characters with their folders";
      return refuse(what, fix);
    }
    if (files.length === 0) empty.push(`"${port}"`);
    const infos = files.map((name) => statIfThere(join(folder, name))!);
    // The toolkit's own code links whole files to its saved states, and leaves them as they are.
    const linked = trusted ? -1 : infos.findIndex(({ nlink }) => nlink !== null && nlink > 1);
    if (linked >= 0) {
      const fix = "write the file itself; it could still be changed under its other name";
      return refuse(`holds a file with a second name: ${files[linked]}`, fix);
    }
    const size = infos.reduce((sum, info) => sum + info.size, 0);
    const { blocks, bsize } = statfsSync(folder);
    // A sparse file may have any size and no content, and reading it would take days.
    if (size > blocks * bsize) {
      const what = `claims ${formatMemory(size)}, more than the disk holds`;
      return refuse(what, `write only real data to outputs.${port}`);
    }
    listed[port] = files;
  }
  if (empty.length === 0) return { names: listed };
  const message = `it ended without writing its ${empty.length === 1 ? "output" : "outputs"} ${empty.join(", ")}`;
  return { message, fix: "write at least one file to the folder of each output" };
}

/**
 * Moves a stage's outputs into the store.
 * @returns the outputs; and `emptied`: true if the folders are empty now, as all files were moved and there were no
 * subfolders
 */
export async function collectOutputs(
  planned: PlannedAction,
  folders: Readonly<Record<string, string>>,
  listed: Listed,
  store: Store,
) {
  const outputs: Record<string, ArtifactRecord> = {};
  const limit = new Semaphore(MAX_AT_ONCE);
  let emptied = true;
  for (const [port, names] of Object.entries(listed)) {
    // Only the engine's own output is not declared: the curve.
    const type = planned.outputs[port]?.type ?? "log";
    const takeOne = async (name: string): Promise<FileEntry> => {
      const path = join(folders[port]!, name);
      const { moved, ...taken } = await store.objects.take(path, statIfThere(path)!.size);
      emptied &&= moved && !name.includes("/");
      return { path: name, ...taken };
    };
    const files = await limit.map(names, takeOne);
    outputs[port] = { type, digest: artifactDigest(type, files), files };
  }
  return { outputs, emptied };
}

/** Returns the record that will make the result exist. */
export function makeManifest(
  { stage, keys, recipeKey, localKey }: PlannedAction,
  outputs: Record<string, ArtifactRecord>,
  numerics: string | null,
  runId: string,
): ResultManifest {
  const { resolvedKey, identityKey, ingredients } = keys!;
  const extent = stage.extent ?? null;
  return { format: 1, resolvedKey, recipeKey, identityKey, localKey, extent, ingredients, outputs, numerics, runId };
}

/** Returns the message and the record for a key that gave two results; undefined if the bytes are the same. */
export function compareResults(first: ResultManifest, second: ResultManifest) {
  const ports = differingPorts(first, second);
  if (ports.length === 0) return undefined;
  const within = first.numerics === second.numerics;
  const what = within ? "not deterministic" : `differs by device (${first.numerics} and ${second.numerics})`;
  const short = (manifest: ResultManifest, port: string) => manifest.outputs[port]?.digest.slice(0, 12);
  const digests = ports.map((port) => `${port} ${short(first, port)} and ${short(second, port)}`).join("; ");
  const record = {
    resolvedKey: first.resolvedKey,
    cause: within ? "non-determinism" as const : "device" as const,
    first: producedBy(first),
    second: producedBy(second),
  };
  return { message: `${what}: one key, two results (${digests})`, record };
}

function producedBy({ outputs, numerics, runId }: ResultManifest): Difference["first"] {
  const digests = Object.entries(outputs).map(([port, { digest }]) => [port, digest] as const);
  return { outputs: Object.fromEntries(digests), numerics, runId };
}
