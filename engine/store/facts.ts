import { statIfThere } from "./reading.ts";

/** What tells whether a file has changed. */
export interface FileFacts {
  readonly dev: number;
  readonly ino: number;
  readonly size: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
}

export function factsOf({ dev, ino, size, mtime, ctime }: Deno.FileInfo): FileFacts {
  return { dev: dev ?? 0, ino: ino ?? 0, size, mtimeMs: mtime?.getTime() ?? 0, ctimeMs: ctime?.getTime() ?? 0 };
}

/** Of what lies at a path; undefined where nothing does. */
export function factsAt(path: string): FileFacts | undefined {
  const info = statIfThere(path);
  return info && factsOf(info);
}

export function sameFacts(a: FileFacts, b: FileFacts): boolean {
  return a.dev === b.dev && a.ino === b.ino && a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs;
}
