import process from "node:process";
import { type EngineEvent, etaOf, printable } from "noiseline/core";
import { formatDevice, formatProgress, formatReasons, formatState } from "../format/plan.ts";
import { printError, printLine, styleFor } from "../io.ts";
import {
  type CliEvent,
  detailsOfFinished,
  linesOfRunFinished,
  oneLine,
  phraseFinished,
  phraseWarning,
} from "./phrases.ts";

/** Long stages say where they are this often; a pipe or a log wants no more. */
const PROGRESS_INTERVAL_MS = 15_000;

/** One line per thing that happened. */
export class PlainReporter {
  readonly #style = styleFor(process.stdout);
  readonly #lastShown = new Map<string, number>();

  emit(event: CliEvent): void {
    switch (event.type) {
      case "run-started":
        return printLine(`${event.plan.pipeline.name}: run ${event.runId}`);
      case "warning":
        return printError(phraseWarning(event.diagnostic));
      case "note":
        return printError(event.message);
      case "device":
        return printLine(`device ${formatDevice(event)}`);
      case "stage-started": {
        this.#lastShown.set(event.id, performance.now());
        const why = formatReasons(event.planned.reasons);
        const device = event.planned.device === undefined ? "" : ` on ${event.planned.device.name}`;
        return printLine(`${event.id}: ${formatState(event.planned)}${device}${why === "" ? "" : ` (${why})`}`);
      }
      case "stage-progress":
        return this.#progress(event);
      case "stage-note": {
        const message = `${event.level === "warn" ? "warning: " : ""}${event.message}`;
        return printError(`${event.id}: ${printable(message, `\n${event.id}: `)}`);
      }
      case "stage-waiting":
        return printError(`${event.id}: waiting for ${event.holder}, which is running the same stage`);
      case "stage-finished":
        if (event.state === "cached") return;
        printLine(`${event.id}: ${phraseFinished(event, this.#style)}`);
        for (const line of detailsOfFinished(event)) printError(`  ${line}`);
        return;
      case "stopping":
        return printError(event.reason);
      case "run-finished":
        return printLine(linesOfRunFinished(event).join("\n"));
    }
  }

  close(): void {}

  #progress({ id, update, perSecond }: Extract<EngineEvent, { type: "stage-progress" }>): void {
    const now = performance.now();
    if (now - (this.#lastShown.get(id) ?? 0) < PROGRESS_INTERVAL_MS) return;
    this.#lastShown.set(id, now);
    const figures = Object.entries(update.figures ?? {}).map(([name, value]) => `, ${name} ${value}`).join("");
    const progress = { ...update, perSecond };
    printLine(oneLine(`${id}: ${formatProgress(progress, etaOf(progress))}${figures}`));
  }
}
