import { type Timing, timingSchema } from "../../schemas/records.ts";
import { appendLine } from "./files.ts";
import { readRecords } from "./reading.ts";
import { ignoreTrouble } from "./trouble.ts";

/** How long stages took on this machine, oldest first. Losing it only loses forecasts. */
export class TimingStore {
  #known: Timing[] | undefined;

  constructor(private readonly path: string) {}

  all(): readonly Timing[] {
    return this.#known ??= readRecords(this.path, timingSchema);
  }

  add(timing: Timing): void {
    ignoreTrouble(() => appendLine(this.path, JSON.stringify(timing)));
    this.#known?.push(timing);
  }
}
