import process from "node:process";
import { createLogUpdate } from "log-update";
import { etaOf } from "noiseline/core";
import { formatDevice, formatReasons, formatState } from "../format/plan.ts";
import { formatDuration } from "../format/units.ts";
import { printError, printLine, shown, styleFor } from "../io.ts";
import {
  type CliEvent,
  detailsOfFinished,
  linesOfRunFinished,
  oneLine,
  phraseFinished,
  phraseWarning,
} from "./phrases.ts";

const FRAME_MS = 100;
const BAR_WIDTH = 24;
const SPINNER = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/** What was said last of a stage. */
interface Row {
  readonly text: string;
  /** Of one that runs. */
  readonly startedAt?: number | undefined;
  readonly left?: string;
  /** Of one that has ended: more lines. */
  readonly details?: readonly string[];
}

/** A list of all stages that is redrawn in place, with a bar, figures and the time left for those that run. */
export class LiveReporter {
  readonly #style = styleFor(process.stderr);
  readonly #draw = createLogUpdate(process.stderr, { showCursor: true });
  readonly #rows = new Map<string, Row>();
  readonly #devices: string[] = [];
  readonly #messages: string[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  #frame = 0;

  emit(event: CliEvent): void {
    switch (event.type) {
      case "run-started":
        for (const [id, planned] of event.plan.stages) this.#rows.set(id, { text: formatState(planned) });
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
        const reasons = formatReasons(event.planned.reasons);
        const text = `${formatState(event.planned)}${reasons === "" ? "" : ` (${reasons})`}`;
        this.#rows.set(event.id, { text, startedAt: performance.now() });
        return;
      }
      case "stage-progress": {
        const { done, total, unit, figures = {} } = event.update;
        const etaMs = etaOf({ done, total, perSecond: event.perSecond });
        const said = Object.entries(figures).map(([name, value]) => `${name} ${value}`).join(" ");
        const text = `${this.#bar(total === 0 ? 0 : done / total)} ${oneLine(`${unit} ${done}/${total}  ${said}`)} `;
        return this.#tell(event.id, text, etaMs === undefined ? "" : `ETA ${formatDuration(etaMs)}`);
      }
      case "stage-note":
        if (event.level === "note") this.#tell(event.id, oneLine(event.message));
        else this.#messages.push(oneLine(`${event.id}: ${event.message}`));
        return;
      case "stage-waiting":
        return this.#tell(event.id, `waiting for ${event.holder}`);
      case "stage-finished":
        this.#rows.set(event.id, { text: phraseFinished(event, this.#style), details: detailsOfFinished(event) });
        return;
      case "stopping":
        return this.#say(event.reason);
      case "run-finished":
        this.close();
        return printLine(linesOfRunFinished(event).join("\n"));
    }
  }

  close(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#render();
    this.#draw.done();
  }

  /** Before the stages are drawn there is nothing to draw it under. */
  #say(message: string): void {
    if (this.#timer === undefined) printError(message);
    else this.#messages.push(message);
  }

  #tell(id: string, text: string, left = ""): void {
    this.#rows.set(id, { text, left, startedAt: this.#rows.get(id)?.startedAt });
  }

  #bar(share: number): string {
    const filled = Math.round(share * BAR_WIDTH);
    return `${this.#style.accent("━".repeat(filled))}${this.#style.dim("━".repeat(BAR_WIDTH - filled))}`;
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

  #rowLines(name: string, { text, startedAt, left = "", details }: Row): string[] {
    const { dim, accent, bold } = this.#style;
    if (details !== undefined) return [`  ${name}  ${text}`, ...details.map((line) => `    ${line}`)];
    if (startedAt === undefined) return [dim(`  ${name}  ${text}`)];
    const spin = accent(SPINNER[this.#frame % SPINNER.length]!);
    return [`${spin} ${bold(name)}  ${text} ${dim(`${formatDuration(performance.now() - startedAt)} ${left}`)}`];
  }
}
