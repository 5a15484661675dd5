import { resolve } from "node:path";
import { sha256Of } from "../store/reading.ts";
import type { Code } from "./code_digest.ts";

/** Everything outside the toolkit that had a say in how a pipeline resolved. */
export interface ReadLog {
  /** SHA-256 of texts as they were read, by absolute path. */
  readonly texts: Map<string, string>;
  /** TypeScript files that were evaluated, with their code where that is known; what they import had a say too. */
  readonly modules: Map<string, Code>;
  /** Whether a kind looked for files on this machine, which may lie elsewhere the next time. */
  located: boolean;
}

/**
 * Loads that are being watched. Two at once note each other's files, which makes what is kept of them depend on more
 * files than it need, never on fewer.
 */
const open = new Set<ReadLog>();

/** Watch what is read while `work` goes on. */
export async function watchReads<T>(work: () => Promise<T>): Promise<{ value: T; log: ReadLog }> {
  const log: ReadLog = { texts: new Map(), modules: new Map(), located: false };
  open.add(log);
  try {
    return { value: await work(), log };
  } finally {
    open.delete(log);
  }
}

/** Whoever reads a file that decides what a pipeline is says so here, with the very bytes that it read. */
export function noteText(path: string, bytes: Uint8Array): void {
  if (open.size === 0) return;
  const digest = sha256Of(bytes);
  for (const { texts } of open) texts.set(resolve(path), digest);
}

/** Likewise for a TypeScript file that decides what a pipeline is. */
export function noteModule(path: string, code: Code): void {
  for (const { modules } of open) modules.set(resolve(path), code);
}

export function noteLocated(): void {
  for (const log of open) log.located = true;
}
