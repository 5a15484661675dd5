import { createHash } from "node:crypto";
import { join } from "node:path";
import { refuse, type Result, type SourceText, succeed } from "../diagnostic/diagnostic.ts";
import { dropOldest, readChecked, writeChecked } from "../store/checked_json.ts";
import { statIfThere } from "../store/reading.ts";
import { ignoreTrouble } from "../store/trouble.ts";
import { openRoot } from "../store/roots.ts";
import type { SourceDocument } from "./document.ts";
import { parseYaml } from "./parse_yaml.ts";

/** Parsing smaller files takes a few milliseconds. */
const WORTH_CACHING = 50_000;
/** Raised when the same text would give another value. */
const FORMAT = 2;
const PREFIX = "yaml-";
/** Every edit of a large file leaves one parsed text behind; a few are kept for going back and forth. */
const KEPT = 8;

/** JSON cannot say NaN or the infinities, so a value that has them is parsed each time. */
function isPlain(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return typeof value !== "bigint";
  return Object.values(value).every(isPlain);
}

/**
 * Parse YAML, or take the value of a text that was parsed before. Positions, which only messages and `show` need, are
 * then found by parsing when they are asked for. The cache is written only where a store exists already.
 */
export function parseYamlCached(source: SourceText, cacheFolder: string): Result<SourceDocument> {
  if (source.text.length < WORTH_CACHING) return parseYaml(source);
  const name = createHash("sha256").update(source.text).digest("hex");
  const path = join(cacheFolder, `${PREFIX}${FORMAT}-${name}.json`);
  // A damaged cache must not become another experiment.
  const cached = readChecked(path);
  if (cached === undefined) {
    const parsed = parseYaml(source);
    if (!parsed.ok) return refuse(parsed.diagnostics);
    if (statIfThere(cacheFolder) !== undefined && isPlain(parsed.value.value)) {
      const { value } = parsed.value;
      ignoreTrouble(() => {
        openRoot(cacheFolder);
        dropOldest(cacheFolder, PREFIX, KEPT);
        writeChecked(path, value);
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
