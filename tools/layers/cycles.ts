import type { SourceFile } from "./module_graph.ts";

/** A closed walk of imports: each file imports the next, and the last is the first again. */
export interface Cycle {
  readonly files: readonly string[];
  /** Line of the import that leads from each file to the next. */
  readonly lines: readonly number[];
}

/**
 * A cycle for every import that leads back to a file which led to it, type imports included: two files that know each
 * other's types are one file in two parts. There may be more cycles, but none when this finds none. Depth-first with an explicit stack, so that a long chain of imports is no problem.
 */
export function findCycles(files: ReadonlyMap<string, SourceFile>): Cycle[] {
  const done = new Set<string>();
  const cycles: Cycle[] = [];
  for (const start of files.keys()) {
    const walk: { path: string; next: number; line: number }[] = [];
    const onWalk = new Map<string, number>();
    const enter = (path: string, line: number) => {
      onWalk.set(path, walk.length);
      walk.push({ path, next: 0, line });
    };
    if (!done.has(start)) enter(start, 0);
    while (walk.length > 0) {
      const top = walk.at(-1)!;
      const edge = files.get(top.path)!.edges[top.next++];
      if (edge === undefined) {
        done.add(top.path);
        onWalk.delete(top.path);
        walk.pop();
        continue;
      }
      const to = "file" in edge.target ? edge.target.file : undefined;
      if (to === undefined || !files.has(to) || done.has(to)) continue;
      const first = onWalk.get(to);
      if (first === undefined) {
        enter(to, edge.line);
        continue;
      }
      const part = walk.slice(first);
      cycles.push({
        files: [...part.map(({ path }) => path), to],
        lines: [...part.slice(1).map(({ line }) => line), edge.line],
      });
    }
  }
  return cycles;
}
