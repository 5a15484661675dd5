import { pathToFileURL } from "node:url";
import { refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import { cutText } from "../diagnostic/format.ts";
import { noteModule } from "../load/read_log.ts";
import { getPath } from "../load/tree.ts";
import { findUnfit } from "../source/budget.ts";
import { readSource } from "../source/read_source.ts";
import { type DocumentPath, formatPath, type SourceDocument } from "../source/document.ts";
import { askChild } from "./describe.ts";

/** Evaluate a pipeline written in TypeScript, in a child that may not read, write or connect. */
export async function evaluatePipeline(file: string, name: string): Promise<Result<SourceDocument>> {
  const failed = (message: string, fix: string): Result<SourceDocument> =>
    refuse([{ severity: "error", code: "file-unreadable", message: `Cannot read ${name}: ${message}`, fix }]);
  const found = readSource(file, name);
  if (!found.ok) return found;
  noteModule(file);
  const asked = await askChild<{ pipeline: unknown }>(pathToFileURL(file).href, "describePipeline", {});
  if ("error" in asked) return failed(asked.error, "correct the file; it must load without side effects");
  const value = asked.answer.pipeline;
  const unfit = findUnfit(value);
  if (unfit !== undefined) return failed(`${cutText(formatPath(unfit.path))}: ${unfit.message}`, unfit.fix);
  // What was computed has no lines; its path says where to look.
  const origin = (path: DocumentPath) => getPath(value, path).found ? `${name}: ${formatPath(path)}` : undefined;
  return succeed({ value, locate: () => undefined, origin, whole: undefined });
}
