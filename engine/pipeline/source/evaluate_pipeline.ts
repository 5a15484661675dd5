import { dirname } from "node:path";
import { z } from "zod";
import { errorOf, refuse, type Result, succeed } from "../../diagnostic/diagnostic.ts";
import { cutText } from "../../diagnostic/format.ts";
import { findUnfit, getPath } from "./tree.ts";
import { type DocumentPath, formatPath, type SourceDocument } from "../../diagnostic/document.ts";
import { askChild, loadCode } from "../../process/describe.ts";
import { beyondProject, projectOf } from "../project.ts";

/** Evaluates a pipeline written in TypeScript, in a child process that may not read, write or connect. */
export async function evaluatePipeline(file: string, name: string): Promise<Result<SourceDocument>> {
  const failed = (message: string, fix: string): Result<SourceDocument> =>
    refuse([errorOf("file-unreadable", `Cannot read ${name}: ${message}`, fix)]);
  const code = await loadCode(file, "check the path");
  if ("error" in code) return failed(code.error, code.fix ?? "correct the file's imports");
  const foreign = beyondProject(code.files.slice(1).map(([path]) => path), projectOf(dirname(file)));
  if (foreign.length > 0) {
    return failed(`it imports ${foreign[0]}, which is outside its project`, "copy it into the project's folder");
  }
  const answer = z.strictObject({ pipeline: z.unknown().optional(), problem: z.string().optional() });
  const asked = await askChild("describePipeline", file, code.map, {}, answer);
  if ("error" in asked) return failed(asked.error, asked.fix ?? "correct the file; it must load without side effects");
  const { pipeline: value, problem } = asked.answer;
  if (problem !== undefined) {
    return failed(problem, "export default { name, stages } from it, of texts, numbers, lists and maps");
  }
  const unfit = findUnfit(value);
  if (unfit !== undefined) return failed(`${cutText(formatPath(unfit.path))}: ${unfit.message}`, unfit.fix);
  // A computed value has no line; its path says where to look.
  const origin = (path: DocumentPath) => getPath(value, path).found ? `${name}: ${formatPath(path)}` : undefined;
  return succeed({ value, locate: () => undefined, origin, whole: undefined });
}
