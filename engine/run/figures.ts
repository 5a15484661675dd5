import type { ProgressUpdate } from "../../contract/stage.ts";
import type { FigureRow, FigureSummary } from "../../schemas/records.ts";
import { MAX_PREVIEW_BYTES, type StageEvent } from "../process/protocol.ts";
import type { RunStore } from "../store/runs.ts";

/** Figures of a stage: as many as one report may have. */
const MAX_FIGURES = 16;
const INTERVAL_MS = 1_000;
/** The longer a stage goes on, the fewer lines a second: 2,000 and then as many for each time it takes e times as long. */
const LINES = 2_000;

/** Keeps what a stage says of itself in numbers: what each was last and at its lowest, and a history of them. */
export class FigureKeeper implements Disposable {
  readonly #summaries = new Map<string, FigureSummary>();
  readonly #began: number;
  #wroteAt: number | undefined;
  /** The newest that is not in the history yet. */
  #open: FigureRow | undefined;

  constructor(
    private readonly runs: Pick<RunStore, "addFigures" | "endFigures">,
    private readonly runId: string,
    private readonly stage: string,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#began = now();
  }

  get summaries(): Record<string, FigureSummary> {
    return Object.fromEntries(this.#summaries);
  }

  note({ done, figures = {} }: ProgressUpdate): void {
    const numbers: Record<string, number> = {};
    for (const [name, value] of Object.entries(figures)) {
      const known = this.#summaries.get(name);
      if (typeof value !== "number" || !Number.isFinite(value)) continue;
      if (known === undefined && this.#summaries.size >= MAX_FIGURES) continue;
      numbers[name] = value;
      const isLowest = known === undefined || value < known.lowest;
      this.#summaries.set(name, isLowest ? { last: value, lowest: value, at: done } : { ...known, last: value });
    }
    if (Object.keys(numbers).length === 0) return;
    this.#open = { step: done, at: new Date().toISOString(), figures: numbers };
    const now = this.now();
    const pause = Math.max(INTERVAL_MS, (now - this.#began) / LINES);
    if (this.#wroteAt === undefined || now - this.#wroteAt >= pause) this.#write(now);
  }

  #write(now: number): void {
    this.runs.addFigures(this.runId, this.stage, this.#open!, this.#wroteAt === undefined);
    this.#wroteAt = now;
    this.#open = undefined;
  }

  [Symbol.dispose](): void {
    if (this.#open !== undefined) this.#write(this.now());
    if (this.#wroteAt !== undefined) this.runs.endFigures(this.runId, this.stage);
  }
}

const MAX_PREVIEWS = 500;
const MAX_RUN_BYTES = 64 << 20;
const PNG_SIGNATURE = "89504e470d0a1a0a";

/** Keeps the previews of the stages of one run, as many as there is room for. */
export class PreviewKeeper {
  readonly #counts = new Map<string, number>();
  readonly #refused = new Set<string>();
  #bytes = 0;

  constructor(private readonly runs: Pick<RunStore, "keepPreview">, private readonly runId: string) {}

  /** @returns where it lies, or once for each stage why some are left out; undefined where there is nothing to say */
  keep(
    stage: string,
    { step, png: text }: Extract<StageEvent, { type: "preview" }>,
  ): { readonly path: string } | { readonly refused: string } | undefined {
    const png = decode(text);
    const count = (this.#counts.get(stage) ?? 0) + 1;
    this.#bytes += png?.length ?? 0;
    const refused = png === undefined
      ? `its preview of step ${step} is no PNG of at most ${MAX_PREVIEW_BYTES} bytes`
      : count > MAX_PREVIEWS
      ? `further previews are left out: ${MAX_PREVIEWS} of a stage are kept`
      : this.#bytes > MAX_RUN_BYTES
      ? `further previews are left out: ${MAX_RUN_BYTES >> 20} MiB of a run are kept`
      : undefined;
    if (refused !== undefined) {
      if (this.#refused.has(stage)) return undefined;
      this.#refused.add(stage);
      return { refused };
    }
    this.#counts.set(stage, count);
    const path = this.runs.keepPreview(this.runId, stage, step, png!);
    return path === undefined ? undefined : { path };
  }
}

function decode(text: string): Uint8Array | undefined {
  try {
    const bytes = Uint8Array.fromBase64(text);
    return bytes.length <= MAX_PREVIEW_BYTES && bytes.subarray(0, 8).toHex() === PNG_SIGNATURE ? bytes : undefined;
  } catch {
    return undefined;
  }
}
