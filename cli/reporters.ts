import { relative } from "node:path";
import process from "node:process";
import type { createLogUpdate } from "log-update";
import {
  diagnosticToJson,
  type EngineEvent,
  etaOf,
  printable,
  type RunFinished,
  type StageFinished,
} from "noiseline/core";
import { formatMetrics } from "./format/metrics.ts";
import { formatDevice, formatProgress, formatReasons, formatStart, plannedToJson } from "./format/plan.ts";
import { countOf, formatDuration, shortList } from "./format/units.ts";
import { Curve, MOST_CELLS } from "./format/curve.ts";
import { printError, printLine, shown, type Style, styleFor } from "./io.ts";
import type { RunEnd } from "../pages/results/page.ts";

/** The interval at which long stages print their progress to a pipe or a log. */
export const PROGRESS_INTERVAL_MS = 15_000;

const FRAME_MS = 100;
const BAR_WIDTH = 24;
/** Columns that a line needs to have room for a bar and a curve. */
const WIDE = 110;
const SPINNER = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/** Weight of the past in the displayed loss, which varies from batch to batch. Logs keep each step's own loss. */
const LOSS_DECAY = 0.95;

/** The latest state of a running stage. */
interface Row {
  readonly startedAt: number;
  toldAt: number;
  text: string;
  share: number;
  /** The curve of the displayed figure since its first value. */
  curve: Curve | undefined;
}

/** Prints a line for each event and, on a terminal, below them a bar for each running stage, redrawn in place. */
export class TextReporter {
  readonly #style = styleFor(process.stdout);
  readonly #rows = new Map<string, Row>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #frame = 0;
  /** The waiting jobs, and why they wait. */
  #queue = "";
  /** Restored stages, reported together before the next other event. */
  readonly #restored: StageFinished[] = [];

  /** @param draw redraws the bars, on a terminal */
  constructor(private readonly draw?: ReturnType<typeof createLogUpdate>) {}

  emit(event: CliEvent): void {
    if (event.type === "stage-progress") return this.#progress(event);
    this.draw?.clear();
    this.#print(event);
    this.#render();
  }

  close(): void {
    clearInterval(this.#timer);
    this.draw?.clear();
  }

  #print(event: Exclude<CliEvent, { type: "stage-progress" }>): void {
    if (event.type === "stage-finished" && ["cached", "restored"].includes(event.state) && event.mine === undefined) {
      this.#rows.delete(event.id);
      if (event.state === "restored") this.#restored.push(event);
      return;
    }
    this.#tellRestored();
    switch (event.type) {
      case "run-started":
        this.#queue = "";
        this.#animate();
        return printLine(`${event.plan.pipeline.name}: run ${event.runId}`);
      case "warning": {
        const { message, fix } = event.diagnostic;
        return printError(oneLine(`warning: ${message}${fix === undefined ? "" : `; ${fix}`}`));
      }
      case "note":
        return printError(event.message);
      case "device":
        return printLine(`device ${formatDevice(event)}`);
      case "stage-started": {
        const now = performance.now();
        this.#rows.set(event.id, { startedAt: now, toldAt: now, text: "", share: 0, curve: undefined });
        this.#animate();
        const why = formatReasons(event.planned.reasons);
        const device = event.planned.device === undefined ? "" : ` on ${event.planned.device.name}`;
        const where = event.where ?? `${formatStart(event.planned)}${device}`;
        return printLine(`${event.id}: ${where}${why === "" ? "" : ` (${why})`}`);
      }
      case "stage-note": {
        const message = `${event.level === "warn" ? "warning: " : ""}${event.message}`;
        return printError(`${event.id}: ${printable(message, `\n${event.id}: `)}`);
      }
      case "queue-changed":
        this.#queue = phraseQueue(event);
        return this.draw === undefined ? printLine(this.#queue) : undefined;
      case "stage-waiting":
        return printError(`${event.id}: waiting for ${event.holder}, which computes the same result`);
      case "stage-finished":
        this.#rows.delete(event.id);
        printLine(`${event.id}: ${phraseFinished(event, this.#style)}`);
        for (const line of detailsOfFinished(event)) printError(`  ${line}`);
        return;
      case "stopping":
        return printError(event.reason);
      case "run-finished":
        return printLine(linesOfRunFinished(event).join("\n"));
    }
  }

  /** Results restored together are reported in one line. */
  #tellRestored(): void {
    for (const [message, some] of Map.groupBy(this.#restored.splice(0), ({ message }) => message)) {
      const [first] = some as [StageFinished];
      const many = `restored ${some.length} results ${oneLine(message ?? "from the store")}: `;
      if (some.length === 1) printLine(`${first.id}: ${phraseFinished(first, this.#style)}`);
      else printLine(many + shortList(some.map(({ id }) => id)));
    }
  }

  #progress({ id, update, perSecond }: Extract<EngineEvent, { type: "stage-progress" }>): void {
    const row = this.#rows.get(id);
    if (row === undefined) return;
    const figures = Object.entries(update.figures ?? {});
    const [name, value] = figures.find(([, value]) => typeof value === "number") ?? [];
    if (name !== undefined) row.curve ??= new Curve(name === "loss" ? LOSS_DECAY : 0);
    const words = figures.filter(([, value]) => typeof value === "string");
    if (name !== undefined) words.unshift([name, row.curve!.add(Number(value)).toPrecision(4)]);
    const progress = { ...update, perSecond };
    const said = words.map(([name, value]) => `, ${name} ${value}`).join("");
    row.text = oneLine(`${formatProgress(progress, etaOf(progress))}${said}`);
    row.share = Math.min(1, update.done / Math.max(1, update.total));
    const now = performance.now();
    if (this.draw !== undefined || now - row.toldAt < PROGRESS_INTERVAL_MS) return;
    row.toldAt = now;
    printLine(`${id}: ${row.text}`);
  }

  #animate(): void {
    if (this.draw !== undefined) this.#timer ??= setInterval(() => this.#render(), FRAME_MS);
  }

  #render(): void {
    if (this.draw === undefined || (this.#rows.size === 0 && this.#queue === "")) return;
    const style = styleFor(process.stderr);
    const spin = style.accent(SPINNER[this.#frame++ % SPINNER.length]!);
    const lines = [...this.#rows].map(([id, { startedAt, text, share, curve }]) => {
      const drawn = curve === undefined ? "" : `${style.accent(curve.draw())} `;
      const width = curve !== undefined && process.stderr.columns < WIDE ? BAR_WIDTH - MOST_CELLS : BAR_WIDTH;
      const filled = Math.round(share * width);
      const bar = `${style.accent("━".repeat(filled))}${style.dim("━".repeat(width - filled))}`;
      const time = formatDuration(performance.now() - startedAt);
      return `${spin} ${style.bold(id)} ${bar} ${drawn}${text} ${style.dim(time)}`;
    });
    this.draw(shown([...lines, style.dim(this.#queue)].filter(Boolean).join("\n"), style));
  }
}

/** Describes how many jobs run and wait, in one line. */
export function phraseQueue({ running, waiting }: Extract<EngineEvent, { type: "queue-changed" }>): string {
  const parts = Object.entries(waiting).map(([reason, ids]) => {
    // Slurm's own word for the reason is only shown by `status`.
    const why = oneLine(reason).replace(/ \([^()]*\)$/, "");
    const names = `${ids.slice(0, 3).join(", ")}${ids.length > 3 ? ", …" : ""}`;
    return `${ids.length} waiting${why.startsWith("for ") ? "" : ","} ${why}: ${names}`;
  });
  return `jobs: ${[`${running} running`, ...parts].join("; ")}`;
}

/** Prints events as JSON lines, for programs. */
class JsonReporter {
  emit(event: CliEvent): void {
    switch (event.type) {
      case "run-started": {
        const { plan, ...rest } = event;
        const stages = Array.from(plan.stages, ([id, planned]) => plannedToJson(id, planned));
        return printLine(JSON.stringify({ ...rest, pipeline: plan.pipeline.name, stages }));
      }
      case "stage-started": {
        const { planned, ...rest } = event;
        return printLine(JSON.stringify({ ...rest, ...plannedToJson(event.id, planned) }));
      }
      case "warning":
        return printLine(JSON.stringify({ type: "warning", ...diagnosticToJson(event.diagnostic) }));
      default:
        return printLine(JSON.stringify(event));
    }
  }

  close(): void {}
}

/** Returns a path in the form that is shortest to type from here. */
function shortPath(path: string): string {
  const short = relative(Deno.cwd(), path);
  return short === "" ? "." : short.startsWith("..") ? path : short;
}

/** Returns a stage's text on one line. */
function oneLine(text: string): string {
  return printable(text, " ");
}

/** Describes how a stage ended, in one line without its name. */
export function phraseFinished(event: StageFinished, style: Style): string {
  const time = formatDuration(event.durationMs);
  const view = event.view === undefined ? "" : ` -> ${shortPath(event.view)}`;
  switch (event.state) {
    case "cached":
    case "blocked":
      return style.dim(event.state);
    case "restored":
      return `${style.accent("restored")}${event.message === undefined ? "" : ` ${oneLine(event.message)}`}${view}`;
    case "ran":
      return `${style.good("done")} in ${time}${view}`;
    case "failed":
      return `${style.error(event.cancelled ? "cancelled" : "failed")} after ${time}`;
    case "interrupted":
      return `${style.warning("interrupted")}; ${oneLine(event.message ?? "run again to continue")}`;
  }
}

/** Returns further lines about a stage that ended. */
export function detailsOfFinished(event: StageFinished): string[] {
  const lines: string[] = [];
  if (event.mine !== undefined) lines.push(`other files that were in its outputs are now in ${shortPath(event.mine)}`);
  if (event.state !== "failed") return lines;
  lines.push(...printable(event.message ?? "no reason was given").split("\n"));
  if (event.fix !== undefined) lines.push(`fix: ${oneLine(event.fix)}`);
  if (event.log !== undefined) lines.push(`log: ${shortPath(event.log)}`);
  return lines;
}

/** The end of a run, and its results. */
interface RunReport extends RunFinished, RunEnd {
  readonly file: string;
  /** The folder that contains the stages' folders. */
  readonly outputs: string;
  /** Paths of interactive sampling pages. */
  readonly draws?: readonly string[];
}

/** The events that reporters turn into text. */
type CliEvent = Exclude<EngineEvent, { type: "run-finished" }> | RunReport;

/** The number of scores that are printed; `metrics` lists all. */
const MOST_SCORES = 20;

/** The number of caveats that are printed: the stages of a matrix mostly have the same. */
const MOST_CAVEATS = 3;

/** Returns the last lines of a run. */
export function linesOfRunFinished(event: RunReport): string[] {
  const { scores = [], best = [], page, draws = [], earlier, outputs } = event;
  const lines = [phraseRunFinished(event)];
  if (earlier.length > 0) lines.push(phraseStaleOutputs(earlier, outputs));
  lines.push(...formatMetrics(scores.slice(0, MOST_SCORES)).map((line) => `  ${line}`));
  const caveats = new Set(scores.flatMap(({ metric, caveat }) => caveat === undefined ? [] : `${metric}: ${caveat}`));
  lines.push(...[...caveats].slice(0, MOST_CAVEATS).map((caveat) => `  ${oneLine(caveat)}`));
  if (scores.length > MOST_SCORES) lines.push(`  … and ${scores.length - MOST_SCORES} more, which \`metrics\` shows`);
  lines.push(...best.map((one) => `  ${oneLine(one)}`));
  if (page !== undefined) lines.push(`page: ${shortPath(page)}`);
  lines.push(...draws.map((path) => `interactive page: ${shortPath(path)}`));
  return lines;
}

function phraseRunFinished(event: RunFinished): string {
  const { counts, status, pipeline: name } = event;
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  if (event.runId === undefined && status === "interrupted") return `${name}: interrupted before anything ran`;
  if (event.runId === undefined && status === "done") {
    return `${name}: nothing to do (${countOf(total, "stage")} cached)`;
  }
  const parts = Object.entries(counts).filter(([, count]) => count > 0).map(([state, count]) => `${count} ${state}`);
  const after = status === "interrupted" ? "; the same command continues" : "";
  return `${name}: ${status} in ${formatDuration(event.durationMs)} (${parts.join(", ")})${after}`;
}

/** @param folder that contains the folders of the stages */
export function phraseStaleOutputs(earlier: readonly string[], folder: string): string {
  return `${shortPath(folder)} also has results of another configuration: ${shortList(earlier, 6)}`;
}

/** Opens the reporter of a run: JSON lines, text, or text with bars on a screen. */
export async function openReporter(json: boolean): Promise<JsonReporter | TextReporter> {
  // A screen without a size, as some CI systems have, cannot be redrawn.
  const isScreen = process.stderr.isTTY === true && process.stderr.columns > 0 && Deno.env.get("TERM") !== "dumb";
  if (json || !isScreen) return json ? new JsonReporter() : new TextReporter();
  const { createLogUpdate } = await import("log-update");
  return new TextReporter(createLogUpdate(process.stderr, { showCursor: true }));
}
