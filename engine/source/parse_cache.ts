import { createHash } from "node:crypto";
import { join } from "node:path";
import { refuse, type Result, type SourceText, succeed } from "../diagnostic/diagnostic.ts";
import { ignoreTrouble, readTextIfThere, removeQuietly, statIfThere, writeAtomically } from "../store/files.ts";
import type { SourceDocument } from "./document.ts";
import { parseYaml } from "./parse_yaml.ts";

/** Parsing smaller files takes a few milliseconds. */
const WORTH_CACHING = 50_000;
/** Raised when the same text would give another value. */
const FORMAT = 1;
const KEPT = 8;

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** JSON cannot say NaN or the infinities, so a value that has them is parsed each time. */
function isPlain(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return typeof value !== "bigint";
  return Object.values(value).every(isPlain);
}

function readCached(path: string): { value: unknown } | undefined {
  const text = readTextIfThere(path);
  const cut = text?.indexOf("\n") ?? -1;
  if (text === undefined || cut < 0) return undefined;
  const json = text.slice(cut + 1);
  // A damaged cache must not become another experiment.
  return sha256(json) === text.slice(0, cut) ? { value: JSON.parse(json) } : undefined;
}

/** Every edit of a large file leaves one parsed text behind; a few are kept for going back and forth. */
function dropOldest(folder: string): void {
  const texts = [...Deno.readDirSync(folder)].filter(({ name }) => name.startsWith("yaml-")).map(({ name }) => {
    const path = join(folder, name);
    return { path, time: statIfThere(path)?.mtime?.getTime() ?? 0 };
  });
  for (const { path } of texts.sort((a, b) => b.time - a.time).slice(KEPT - 1)) removeQuietly(path);
}

/**
 * Parse YAML, or take the value of a text that was parsed before. Positions, which only messages and `show` need, are
 * then found by parsing when they are asked for. The cache is written only where a store exists already.
 */
export function parseYamlCached(source: SourceText, cacheFolder: string): Result<SourceDocument> {
  if (source.text.length < WORTH_CACHING) return parseYaml(source);
  const path = join(cacheFolder, `yaml-${FORMAT}-${sha256(source.text)}.json`);
  const cached = readCached(path);
  if (cached === undefined) {
    const parsed = parseYaml(source);
    if (!parsed.ok) return refuse(parsed.diagnostics);
    if (statIfThere(cacheFolder) !== undefined && isPlain(parsed.value.value)) {
      const json = JSON.stringify(parsed.value.value);
      ignoreTrouble(() => {
        dropOldest(cacheFolder);
        writeAtomically(path, `${sha256(json)}\n${json}`);
      });
    }
    return parsed;
  }
  let document: SourceDocument | undefined;
  const full = (): SourceDocument => {
    if (document === undefined) {
      const parsed = parseYaml(source);
      if (!parsed.ok) throw new Error("Cannot happen: a text that was cached does not parse");
      document = parsed.value;
    }
    return document;
  };
  return succeed({
    value: cached.value,
    locate: (at, target) => full().locate(at, target),
    get whole() {
      return full().whole;
    },
  });
}
