import { type Difference, differenceSchema } from "../../schemas/records.ts";
import { appendLine } from "./files.ts";
import { readRecords } from "./reading.ts";
import { ignoreTrouble } from "./trouble.ts";

/** Keys that gave two results: a stage that is not deterministic, or devices that round differently. */
export class DifferenceStore {
  constructor(private readonly path: string) {}

  /** Oldest first. */
  all(): Difference[] {
    return readRecords(this.path, differenceSchema);
  }

  add(difference: Difference): void {
    ignoreTrouble(() => appendLine(this.path, JSON.stringify(differenceSchema.parse(difference))));
  }
}
