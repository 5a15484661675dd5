import type { z } from "zod";
import { appendLine } from "./files.ts";
import { readRecords } from "./reading.ts";
import { ignoreTrouble } from "./trouble.ts";

/** Records of one shape, a line each, oldest first. Nothing decides by them what is cached, so a full disk costs a line. */
export class RecordLog<T extends object> {
  constructor(private readonly path: string, private readonly schema: z.ZodType<T>) {}

  all(): T[] {
    return readRecords(this.path, this.schema);
  }

  add(record: T): void {
    ignoreTrouble(() => appendLine(this.path, JSON.stringify(record)));
  }
}
