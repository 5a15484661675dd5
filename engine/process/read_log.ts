import { resolve } from "node:path";
import { sha256Of } from "../store/reading.ts";
import type { Code } from "./code_digest.ts";

/** Everything outside the toolkit that affected how a pipeline resolved. */
export interface ReadLog {
  /** SHA-256 of texts as they were read, by absolute path. */
  readonly texts: Map<string, string>;
  /** TypeScript files that were evaluated, with their code where it is known; what they import had an effect too. */
  readonly modules: Map<string, Code>;
}

/**
 * The loads that are being watched. Two concurrent loads note each other's files, so that what is kept of them depends
 * on more files than necessary, never on fewer.
 */
const open = new Set<ReadLog>();

/** Runs `work`, and records what is read meanwhile. */
export async function watchReads<T>(work: () => Promise<T>): Promise<{ value: T; log: ReadLog }> {
  const log: ReadLog = { texts: new Map(), modules: new Map() };
  open.add(log);
  try {
    return { value: await work(), log };
  } finally {
    open.delete(log);
  }
}

/**
 * Records a text file that decides what a pipeline is. Every reader of such a file must call this, with the very bytes
 * that it read.
 */
export function recordRead(path: string, bytes: Uint8Array): void {
  if (open.size === 0) return;
  const digest = sha256Of(bytes);
  for (const { texts } of open) texts.set(resolve(path), digest);
}

/** Records a TypeScript file that decides what a pipeline is. */
export function recordModule(path: string, code: Code): void {
  for (const { modules } of open) modules.set(resolve(path), code);
}
