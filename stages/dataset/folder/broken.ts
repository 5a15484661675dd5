import type { StageEnd } from "../../../contract/stage.ts";

export interface BrokenFile {
  /** Relative to the folder, with `/`. */
  readonly path: string;
  readonly reason: string;
}

/** More broken files than this are counted, not named: nobody reads on. */
const MOST_NAMED = 100;

/** The end of a stage whose folder holds such files; `total` is how many were looked at. */
export function brokenFiles(broken: readonly BrokenFile[], total: number): StageEnd {
  const named = [...broken].sort((a, b) => a.path < b.path ? -1 : 1).slice(0, MOST_NAMED);
  const more = broken.length > named.length ? [`  and ${broken.length - named.length} more`] : [];
  const lines = [...named.map(({ path, reason }) => `  ${path}: ${reason}`), ...more];
  const count = broken.length === 1 ? "1 file" : `${broken.length} files`;
  return {
    status: "failed",
    message: `${count} of ${Math.max(total, broken.length)} cannot be used:\n${lines.join("\n")}`,
    fix: "repair, replace or remove them",
  };
}
