import { printable } from "../diagnostic/printable.ts";

/** What a stage may print before the rest is left out: a loop that prints must not fill the disk. */
const LOG_LIMIT_BYTES = 64 << 20;
const TAIL_LINES = 12;
const TAIL_LINE_LENGTH = 400;

/** What one process prints: on to the log up to a limit, and the last lines kept for messages. */
export class StageLog {
  readonly #tail: string[] = [];
  #size = 0;
  #leftOut = 0;

  constructor(private readonly write: (line: string) => void) {}

  keep(said: string): void {
    const line = printable(said);
    this.#tail.push(line.length > TAIL_LINE_LENGTH ? `${line.slice(0, TAIL_LINE_LENGTH)}…` : line);
    if (this.#tail.length > TAIL_LINES) this.#tail.shift();
    this.#size += line.length + 1;
    if (this.#size > LOG_LIMIT_BYTES) this.#leftOut++;
    else this.write(line);
  }

  /** Say what is missing. Called when the process has ended. */
  close(): void {
    if (this.#leftOut === 0) return;
    this.write(`… ${this.#leftOut} lines left out: a log holds ${LOG_LIMIT_BYTES >> 20} MiB of each stage`);
  }

  tail(): string {
    return this.#tail.join("\n").trim();
  }
}
