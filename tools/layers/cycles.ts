import type { SourceFile } from "./module_graph.ts";

/** A closed walk of imports: each file imports the next, and the last is the first again. */
export interface Cycle {
  readonly files: readonly string[];
  /** Line of the import that leads from each file to the next. */
  readonly lines: readonly number[];
}

/**
 * A cycle for every import that leads back to a file which led to it, type imports included: two files that know each
 * other's types are one file in two parts. There may be more cycles, but none when this finds none.
 */
export function findCycles(files: ReadonlyMap<string, SourceFile>): Cycle[] {
  const done = new Set<string>();
  const cycles: Cycle[] = [];
  const visit = (path: string, walk: readonly string[], lines: readonly number[]) => {
    const first = walk.indexOf(path);
    if (first >= 0) cycles.push({ files: [...walk.slice(first), path], lines: lines.slice(first) });
    if (first >= 0 || done.has(path)) return;
    for (const { target, line } of files.get(path)!.edges) {
      if ("file" in target && files.has(target.file)) visit(target.file, [...walk, path], [...lines, line]);
    }
    done.add(path);
  };
  for (const path of files.keys()) visit(path, [], []);
  return cycles;
}
