import { createHash } from "node:crypto";
import { basename, dirname, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { compareCodeUnits, encode } from "../fingerprint/encode.ts";
import { hashFile } from "../store/reading.ts";
import { TOOLKIT_CONFIG, TOOLKIT_ROOT } from "./runtime.ts";

/** Stands for the toolkit's own code in the digest of a custom stage. Raised when what stages build on changes meaning. */
export const API_VERSION = 1;

/** The toolkit's own modules; a custom stage that lies elsewhere in the clone is not one of them. */
const TOOLKIT_PARTS =
  /^((mod|core|data)\.ts$|(cli|diffusion|engine|formats|metrics|schemas|std|tensor)\/|stages\/(contract|worker|mod)\.ts$)/;

interface InfoModule {
  readonly specifier: string;
  readonly kind?: string;
  readonly error?: string;
  readonly npmPackage?: string;
  readonly dependencies?: readonly { readonly specifier: string; readonly code?: { readonly specifier?: string } }[];
}

interface Info {
  readonly roots: readonly string[];
  readonly redirects?: Readonly<Record<string, string>>;
  readonly modules: readonly InfoModule[];
}

export interface Code {
  readonly digest: string;
  readonly files: readonly string[];
  /** SHA-256 of each local module, in the order of `files`. */
  readonly contents: readonly string[];
  /** Packages beside the toolkit's own modules, by name and version. */
  readonly packages: readonly string[];
  /** What the digest was taken of: local modules by place, relative to the stage's folder, and packages by name. */
  readonly modules: Readonly<Record<string, string>>;
}

export type CodeDigest = Code | { readonly error: string };

function isToolkit(specifier: string): boolean {
  if (!specifier.startsWith("file:")) return false;
  const inside = relative(TOOLKIT_ROOT, fileURLToPath(specifier)).replaceAll("\\", "/");
  return TOOLKIT_PARTS.test(inside);
}

/**
 * Digest of everything that a custom stage executes: its local modules by content and relative place, the names and
 * versions of npm packages, and the toolkit as one number. Type-only imports cannot change what runs and do not count.
 */
export async function digestCode(file: string): Promise<CodeDigest> {
  const root = pathToFileURL(file).href;
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--no-lock", `--config=${TOOLKIT_CONFIG}`, root],
    env: { NO_COLOR: "1" },
    // Ctrl-C in a terminal must not look as if the code could not be read.
    detached: true,
  }).output();
  if (!success) return { error: new TextDecoder().decode(stderr).trim() };
  const info = JSON.parse(new TextDecoder().decode(stdout)) as Info;
  const modules = new Map(info.modules.map((module) => [module.specifier, module]));

  const parts: string[][] = [];
  const files: string[] = [];
  const contents: string[] = [];
  const packages: string[] = [];
  const seen = new Set<string>();
  const queue = [root];
  while (queue.length > 0) {
    const wanted = queue.pop()!;
    const specifier = info.redirects?.[wanted] ?? wanted;
    if (seen.has(specifier)) continue;
    seen.add(specifier);
    if (isToolkit(specifier)) {
      parts.push(["toolkit", String(API_VERSION)]);
      continue;
    }
    // No worker may load them: what an address gives is another's to change, and may be gone tomorrow.
    if (/^(https?|jsr):/.test(specifier)) return { error: `Requires import access to "${specifier}"` };
    const module = modules.get(specifier);
    if (module?.error !== undefined) return { error: module.error.split("\n")[0]! };
    if (specifier.startsWith("file:")) {
      const path = fileURLToPath(specifier);
      const place = specifier === root ? "entry" : relative(dirname(file), path).replaceAll("\\", "/");
      const content = hashFile(path);
      parts.push(["file", place, content]);
      files.push(path);
      contents.push(content);
    } else {
      // An npm package of one version does not change.
      packages.push(module?.npmPackage ?? specifier);
      parts.push(["package", packages.at(-1)!]);
    }
    for (const dependency of module?.dependencies ?? []) {
      if (dependency.code?.specifier !== undefined) queue.push(dependency.code.specifier);
    }
  }
  const texts = [...new Set(parts.map(encode))].sort(compareCodeUnits);
  const digest = createHash("sha256").update(`noiseline/code/1\n${texts.join("\n")}`).digest("hex");
  return { digest, files, contents, packages, modules: nameModules(parts, basename(file)) };
}

/** The parts of a code digest by the names that people call them, in the order of these. */
function nameModules(parts: readonly (readonly string[])[], entry: string): Record<string, string> {
  const named = parts.map(([what, name, digest]): [string, string] => {
    if (what === "file") return [name === "entry" ? entry : name!, digest!];
    if (what === "toolkit") return ["noiseline", name!];
    const [, id, version] = /^(.+)@([^@]+)$/.exec(name!) ?? [];
    return id === undefined ? [name!, ""] : [`npm:${id}`, version!];
  });
  return Object.fromEntries(named.sort(([a], [b]) => compareCodeUnits(a, b)));
}
