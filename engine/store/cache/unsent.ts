import { join } from "node:path";
import { type UnsentLine, unsentLineSchema } from "../../../schemas/records.ts";
import { appendLine, closeAppended, makeFolder, removeTree, writeAtomically } from "../files.ts";
import { statIfThere } from "../reading.ts";
import { ignoreTrouble } from "../trouble.ts";
import { isAbandoned, newRunId } from "../processes.ts";
import { readRecords } from "../records.ts";

/**
 * What a store still owes to shared caches: results that were made while the cache was away, or in a run that was stopped
 * or killed. Each process has a file of its own, which a later one takes over when the first has ended. Losing it costs
 * another machine the work, and sending twice costs a question.
 */
export class Unsent {
  readonly #folder: string;
  readonly #own: string;
  #made = false;

  constructor(storeRoot: string, private readonly place: string) {
    this.#folder = join(storeRoot, "cache", "unsent");
    this.#own = join(this.#folder, `${newRunId(new Date(), Deno.pid)}.jsonl`);
  }

  /** Note a result before it is sent. */
  add(recipeKey: string, resolvedKey: string): void {
    ignoreTrouble(() => {
      if (!this.#made) makeFolder(this.#folder);
      this.#made = true;
      appendLine(this.#own, JSON.stringify({ place: this.place, recipeKey, resolvedKey }));
    });
  }

  /** Results that ended processes owe to this cache. The caller notes them again as its own. */
  takeOver(enter: (line: UnsentLine) => void): void {
    if (statIfThere(this.#folder) === undefined) return;
    ignoreTrouble(() => {
      for (const { name } of [...Deno.readDirSync(this.#folder)]) {
        if (!isAbandoned("run", name)) continue;
        const path = join(this.#folder, name);
        const lines = readRecords(path, unsentLineSchema);
        lines.filter(({ place }) => place === this.place).forEach(enter);
        replace(path, lines.filter(({ place }) => place !== this.place));
      }
    });
  }

  /** Keep only what was not sent. */
  settle(left: readonly Omit<UnsentLine, "place">[]): void {
    if (this.#made) ignoreTrouble(() => replace(this.#own, left.map((one) => ({ place: this.place, ...one }))));
  }
}

function replace(path: string, lines: readonly UnsentLine[]): void {
  closeAppended(path);
  if (lines.length === 0) removeTree(path);
  else writeAtomically(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}
