/**
 * The versions of programs, which are in keys: for a Python what it answers, since one version has other bytes on other
 * machines, and the code that its start runs beside the standard library; for a script such as `torchrun` that of the
 * Python that its first line names, with a digest of the other lines; for any other program its file's digest.
 */
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { UNKNOWN_VERSION } from "../../schemas/command.ts";
import { isOwn, userFolder } from "../../std/user_folder.ts";
import { encode } from "../keys/encode.ts";
import { writeAtomically } from "../store/files.ts";
import {
  entriesOf,
  factsAt,
  hashFile,
  isThere,
  readIfThere,
  readTextIfThere,
  realPath,
  sha256Of,
  statIfThere,
} from "../store/reading.ts";
import { makeTemporaryFolder } from "../store/folders.ts";
import { findStoreRoot } from "../store/store.ts";
import { parseJson, readRecord, recordText, writePrivately } from "../store/records.ts";
import { unlessReadable } from "../store/io_errors.ts";
import { isWithin } from "../store/write_roots.ts";
import { box } from "./box.ts";
import { findProgram } from "./programs.ts";
import { loadModules } from "./runtime.ts";

const PYTHON = /^python(3(\.\d+)?)?$/;
/** A larger program is hashed once it has been granted: any file may be named as one, such as one of 40 GB of holes. */
const MOST_BYTES = 256 << 20;
/** How scripts begin that name their Python; pip and uv write the first two where its path is long or may change. */
const BEGINNINGS = [
  /^#!\/bin\/sh\n'''exec' (["']?)(?<at>\/[^"'\n]+)\1 "\$0" "\$@"\n.*\n/,
  /^#!\/bin\/sh\n'''exec' "\$\(dirname -- "\$\(realpath -- "\$0"\)"\)"\/'(?<beside>[\w.]+)' "\$0" "\$@"\n.*\n/,
  /^#! *\S+\/env +(-S +)?(?<name>python\S*).*\n/,
  /^#! *(?<at>\/\S+).*\n/,
];
/** A larger script counts by its bytes. */
const MAX_SCRIPT = 1 << 20;
/** Raised when the questions change. */
const FORMAT = 1;
const TIMEOUT_MS = 60_000;

/** Prints facts about a Python, which ignores the user's variables and packages (`-I`), as those of stages do. */
const ASK = `import sys
files = [getattr(one, "__file__", None) for one in list(sys.modules.values())]
sys.path = [one for one in sys.path if one]
import json, os, site, sysconfig
sites = [one for one in site.getsitepackages() if os.path.isdir(one)]
places = [sysconfig.get_path(one) for one in ("stdlib", "platstdlib")] + sites
known = tuple(os.path.join(one, "") for place in places for one in (place, os.path.realpath(place)))
loaded = sorted(set(one for one in map(os.path.abspath, filter(None, files)) if not one.startswith(known)))
version = "%s %d.%d.%d" % ((sys.implementation.name,) + sys.version_info[:3])
print(json.dumps({"version": version, "path": sys.executable, "paths": sys.path, "sites": sites, "loaded": loaded}))`;

const pathsSchema = z.array(z.string()).max(1000);
const pythonSchema = z.strictObject({
  version: z.string().regex(/^[\w.]{1,40} \d+\.\d+\.\d+$/),
  /** The path of the program, which its launcher may not be. */
  path: z.string().min(1),
  /** The folders in which it looks for modules, and those whose `.pth` files it reads when it starts. */
  paths: pathsSchema,
  sites: pathsSchema,
  /** Modules that its start has loaded, and that are neither of its library nor packages. */
  loaded: pathsSchema,
});
type Python = z.output<typeof pythonSchema>;

/** An answer of a Python. It holds as long as the program, its settings and its start are the same. */
const rememberedSchema = z.strictObject({ of: z.string(), start: z.string(), python: pythonSchema });

/** True if a version is that of a Python. */
export function isPython(version: string): boolean {
  return !version.startsWith("sha256:");
}

const digests = new Map<string, string>();

/** Returns the digest of a program's file. Many stages may have one program, so it is hashed once. */
function digestOf(path: string): string {
  const real = realPath(path);
  return digests.getOrInsertComputed(`${real} ${JSON.stringify(factsAt(real))}`, () => hashFile(real));
}

/** Returns a digest of the code that a Python runs when it starts and that its version says nothing of; or `""`. */
function startOf({ paths, sites, loaded }: Python): string {
  const isFile = (path: string) => unlessReadable(() => statIfThere(realPath(path))?.isFile === true, false);
  const lines = sites.flatMap((site) => {
    const names = entriesOf(site).map(({ name }) => name).filter((name) => name.endsWith(".pth")).sort();
    const texts = names.map((name) => readTextIfThere(realPath(join(site, name))) ?? "");
    // Other lines name folders, and the module noiseline refuses those from there.
    return texts.flatMap((text) => text.split(/\r?\n/).filter((line) => /^import[ \t]/.test(line)));
  });
  const custom = paths.flatMap((path) => [join(path, "sitecustomize.py"), join(path, "sitecustomize", "__init__.py")]);
  const files = [...loaded, ...custom.filter(isFile).slice(0, 1)].map((path) => isFile(path) ? digestOf(path) : path);
  return lines.length + files.length === 0 ? "" : sha256Of(encode([lines, [...new Set(files)].sort()])).slice(0, 16);
}

function versionOf(python: Python): string {
  return [python.version, startOf(python)].filter(Boolean).join(" start ");
}

/** Returns the file of a Python's answer, and what the answer is about; undefined for a script that starts another. */
function memoryOf(path: string) {
  using file = Deno.openSync(realPath(path));
  const head = new Uint8Array(2);
  file.readSync(head);
  if (new TextDecoder().decode(head) === "#!") return undefined;
  const folders = [dirname(path), dirname(dirname(path))];
  const settings = folders.map((folder) => readTextIfThere(join(folder, "pyvenv.cfg")) ?? null);
  const of = sha256Of(encode([FORMAT, path, realPath(path), digestOf(path), settings]));
  return { of, path: join(userFolder("pythons"), `${of}.json`) };
}

/** A script that a Python runs. */
interface Script {
  readonly python: string;
  /** A digest of what follows the name of the Python; undefined for a script of pyenv's, which starts another one. */
  readonly code: string | undefined;
}

/** Returns what is known of a script that a Python runs; undefined for any other program. */
function scriptAt(path: string): Script | undefined {
  const real = realPath(path);
  const textAt = (place: string) => new TextDecoder().decode(readIfThere(realPath(place), MAX_SCRIPT));
  const text = PYTHON.test(basename(real)) ? "" : textAt(real);
  // All scripts of pyenv's have the same bytes. They start what has their name beside the Python that they choose.
  const twin = join(dirname(path), "python3");
  if (text.startsWith("#!") && textAt(twin) === text) return { python: twin, code: undefined };
  for (const pattern of BEGINNINGS) {
    const match = pattern.exec(text);
    const { at, beside, name = "" } = match?.groups ?? {};
    const python = at ?? (beside === undefined ? findProgram(name, "/") : join(dirname(real), beside));
    if (python !== undefined && isThere(python) && PYTHON.test(basename(realPath(python)))) {
      return { python, code: sha256Of(text.slice(match![0].length)).slice(0, 16) };
    }
  }
  return undefined;
}

/** Returns the version of a script, which that of its Python is a part of. */
function runs(version: string, { code }: Partial<Script> = {}): string {
  return code === undefined || version === UNKNOWN_VERSION ? version : `${version} runs ${code}`;
}

/** Returns the version of a program as far as it is known without a start. */
export function knownVersion(path: string, project: string): string {
  const script = scriptAt(path);
  if (script !== undefined) return runs(knownVersion(script.python, project), script);
  const real = realPath(path);
  // In the project its bytes may change with each edit, and its answers need not.
  if (!PYTHON.test(basename(real)) || isWithin(real, project)) {
    return statIfThere(real)!.size > MOST_BYTES ? UNKNOWN_VERSION : `sha256:${digestOf(path)}`;
  }
  const memory = memoryOf(path);
  const known = memory && isOwn(memory.path) ? readRecord(memory.path, rememberedSchema) : undefined;
  return known !== undefined && known.of === memory!.of && known.start === startOf(known.python)
    ? versionOf(known.python)
    : UNKNOWN_VERSION;
}

const asked = new Map<string, Promise<Python | undefined>>();

/** Asks a Python in the box about itself, and remembers the answer. Only for programs that the user has granted. */
function askPython(path: string, cwd: string): Promise<Python | undefined> {
  return asked.getOrInsertComputed(`${path}\n${cwd}`, async () => {
    const env = { PATH: Deno.env.get("PATH") ?? "", HOME: Deno.env.get("HOME") ?? "" };
    // A job has no folder for a pipeline that reads no files.
    const place = isThere(cwd) ? cwd : "/";
    await using temporary = await makeTemporaryFolder();
    const contained = box({
      ...{ programs: [path], readable: [], writable: [], project: place, store: findStoreRoot(place), cwd: place },
      ...{ temporary: temporary.folder, net: false, gpu: false, env: {} },
    })?.argv ?? [];
    const options = { bare: true, cwd: place, env, timeoutMs: TIMEOUT_MS };
    const { success, stdout } = await loadModules([...contained, path, "-I", "-c", ASK], options);
    // Its start may print something too.
    const python = success ? parseJson(stdout.trimEnd().split("\n").at(-1)!, pythonSchema) : undefined;
    const memory = python && memoryOf(path);
    if (memory !== undefined) {
      const remembered = { of: memory.of, start: startOf(python!), python: python! };
      const text = recordText(memory.path, rememberedSchema, remembered);
      writePrivately(memory.path, () => writeAtomically(memory.path, text));
    }
    return python;
  });
}

/**
 * Returns a program that the user has granted as it is here: its version, the path to start, and for a Python or a
 * script of one the Python's path, the files that its start loads and the folders of its modules; undefined if it is
 * not here.
 * @param planned the version that was planned with
 */
export async function programHere(path: string, planned: string, cwd: string) {
  if (findProgram(path, "/") === undefined) return undefined;
  const script = scriptAt(path);
  const named = script?.python ?? path;
  const answer = isPython(planned) && PYTHON.test(basename(realPath(named))) ? await askPython(named, cwd) : undefined;
  if (answer === undefined) {
    return { version: runs(`sha256:${digestOf(named)}`, script), path, python: named, start: [], folders: [] };
  }
  const { path: python, loaded: start, paths: folders } = answer;
  if (script === undefined) return { version: versionOf(answer), path: python, python, start, folders };
  const own = script.code === undefined ? join(dirname(python), basename(path)) : path;
  const { code } = scriptAt(own) ?? {};
  return code === undefined
    ? undefined
    : { version: runs(versionOf(answer), { code }), path: own, python, start, folders };
}
