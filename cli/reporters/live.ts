import process from "node:process";
import { createLogUpdate } from "log-update";
import type { StageFinished } from "noiseline/core";
import { formatDevice, formatReason, formatState } from "../format/plan.ts";
import { formatDuration } from "../format/units.ts";
import { printError, printLine, shown, styleFor } from "../io.ts";
import {
  type CliEvent,
  detailsOfFinished,
  linesOfRunFinished,
  oneLine,
  Pace,
  phraseFinished,
  phraseWarning,
} from "./phrases.ts";

const FRAME_MS = 100;
const BAR_WIDTH = 24;
const SPINNER = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

interface Row {
  state: "waiting" | "cached" | "running" | "ended";
  text: string;
  startedAt: number;
  progress?: { done: number; total: number; unit: string; figures: string; etaMs: number | undefined };
  note?: string;
  finished?: StageFinished;
}

/** A list of all stages that is redrawn in place, with a bar, figures and the time left for those that run. */
export class LiveReporter {
  readonly #style = styleFor(process.stderr);
  readonly #draw = createLogUpdate(process.stderr, { showCursor: true });
  readonly #rows = new Map<string, Row>();
  readonly #pace = new Map<string, Pace>();
  readonly #devices: string[] = [];
  readonly #messages: string[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  #frame = 0;

  emit(event: CliEvent): void {
    const now = performance.now();
    switch (event.type) {
      case "run-started":
        for (const [id, planned] of event.plan.stages) {
          const cached = planned.state === "cached";
          this.#rows.set(id, { state: cached ? "cached" : "waiting", text: formatState(planned), startedAt: now });
        }
        this.#timer = setInterval(() => this.#render(), FRAME_MS);
        return;
      case "warning":
        return this.#say(phraseWarning(event.diagnostic));
      case "note":
        return this.#say(event.message);
      case "device":
        this.#devices.push(`device ${formatDevice(event)}`);
        return;
      case "stage-started": {
        this.#pace.set(event.id, new Pace());
        const reasons = event.planned.reasons.map(formatReason).join("; ");
        const text = `${formatState(event.planned)}${reasons === "" ? "" : ` (${reasons})`}`;
        this.#rows.set(event.id, { state: "running", text, startedAt: now });
        return;
      }
      case "stage-progress": {
        const row = this.#rows.get(event.id);
        if (row === undefined) return;
        const { done, total, unit } = event.update;
        const figures = Object.entries(event.update.figures ?? {}).map(([name, value]) => `${name} ${value}`).join(" ");
        const etaMs = this.#pace.get(event.id)?.etaMs(done, total, now);
        row.progress = { done, total, unit: oneLine(unit), figures: oneLine(figures), etaMs };
        delete row.note;
        return;
      }
      case "stage-note": {
        const row = this.#rows.get(event.id);
        if (event.level === "note" && row !== undefined) row.note = oneLine(event.message);
        else this.#messages.push(oneLine(`${event.id}: ${event.message}`));
        return;
      }
      case "stage-waiting":
        return this.#setNote(event.id, `waiting for ${event.holder}`);
      case "stage-finished": {
        const row = this.#rows.get(event.id) ?? { state: "ended", text: "", startedAt: now };
        this.#rows.set(event.id, { ...row, state: "ended", finished: event });
        return;
      }
      case "stopping":
        return this.#say(event.reason);
      case "run-finished":
        this.#finish();
        return printLine(linesOfRunFinished(event).join("\n"));
    }
  }

  close(): void {
    this.#finish();
  }

  /** Before the stages are drawn there is nothing to draw it under. */
  #say(message: string): void {
    if (this.#timer === undefined) printError(message);
    else this.#messages.push(message);
  }

  #setNote(id: string, note: string): void {
    const row = this.#rows.get(id);
    if (row !== undefined) row.note = note;
  }

  #finish(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#render();
    this.#draw.done();
  }

  #render(): void {
    this.#frame++;
    const longest = Math.max(...[...this.#rows.keys()].map((id) => id.length));
    const lines = [...this.#rows].flatMap(([id, row]) => this.#rowLines(id.padEnd(longest), row));
    const width = (process.stderr.columns ?? 100) - 1;
    const devices = this.#devices.map((text) => this.#style.dim(text.slice(0, width)));
    const messages = this.#messages.map((text) => this.#style.warning(text.slice(0, width)));
    this.#draw(shown([...lines, ...devices, ...messages].join("\n"), this.#style));
  }

  #rowLines(name: string, row: Row): string[] {
    const { dim, accent, bold } = this.#style;
    if (row.finished !== undefined) {
      const details = detailsOfFinished(row.finished).map((line) => `    ${line}`);
      return [`  ${name}  ${phraseFinished(row.finished, this.#style)}`, ...details];
    }
    if (row.state === "cached") return [dim(`  ${name}  cached`)];
    if (row.state === "waiting") return [dim(`  ${name}  ${row.note ?? row.text}`)];
    const spin = accent(SPINNER[this.#frame % SPINNER.length]!);
    const elapsed = formatDuration(performance.now() - row.startedAt);
    const { progress } = row;
    if (row.note !== undefined || progress === undefined) {
      return [`${spin} ${bold(name)}  ${row.note ?? row.text} ${dim(elapsed)}`];
    }
    const share = progress.total === 0 ? 0 : progress.done / progress.total;
    const filled = Math.round(share * BAR_WIDTH);
    const bar = `${accent("━".repeat(filled))}${dim("━".repeat(BAR_WIDTH - filled))}`;
    const left = progress.etaMs === undefined ? "" : `ETA ${formatDuration(progress.etaMs)}`;
    const count = `${progress.unit} ${progress.done}/${progress.total}`;
    return [`${spin} ${bold(name)}  ${bar} ${count}  ${progress.figures}  ${dim(`${elapsed} ${left}`)}`];
  }
}
