import { wantedBy } from "../../../schemas/zod_def.ts";
import type { Diagnostic } from "../../diagnostic/diagnostic.ts";
import { didYouMean, listNames, suggestName } from "../../diagnostic/did_you_mean.ts";
import { showValue } from "../../diagnostic/format.ts";
import { diagnosticAt, type DocumentPath, formatPath } from "../../diagnostic/document.ts";
import { indirectOrigin } from "./origin.ts";
import type { Origins } from "../../diagnostic/document.ts";
import type { ParamIssue } from "../../../schemas/param_issue.ts";

function fixFor({ code, input, message, values }: ParamIssue): string {
  const near = values === undefined || typeof input === "object" ? undefined : didYouMean(String(input), values);
  if (near !== undefined) return `did you mean "${near}"?`;
  // Of a union, the listed values are a part of what would do.
  if (values !== undefined && code !== "invalid_union") return listNames(values);
  const wanted = wantedBy(message);
  return /^(at|less|more) /.test(wanted) ? `use a value ${wanted}` : `write ${wanted}`;
}

function unknownKeys(
  issue: ParamIssue,
  base: DocumentPath,
  origins: Origins,
): Diagnostic[] {
  return (issue.keys ?? []).map((key) => {
    const path = [...base, ...issue.path, key];
    const origin = origins.explain(path);
    return diagnosticAt(origins, path, {
      code: "unknown-key",
      message: `unknown key "${key}" in ${formatPath([...base, ...issue.path]) || "the pipeline file"}`,
      // Another alternative may know it, such as another sampler; naming it again would help nobody.
      fix: suggestName(key, (issue.known ?? []).filter((known) => known !== key)),
      origin: origin[0]?.startsWith("--set") ? origin : undefined,
    }, "key");
  });
}

/**
 * Turn schema issues into diagnostics that point into the file.
 * @param base path of the validated value in the document
 */
export function issuesToDiagnostics(
  issues: readonly ParamIssue[],
  base: DocumentPath,
  origins: Origins,
): Diagnostic[] {
  return issues.flatMap((issue): Diagnostic[] => {
    if (issue.code === "unrecognized_keys") return unknownKeys(issue, base, origins);
    const path = [...base, ...issue.path];
    const missing = issue.input === undefined && issue.code !== "custom";
    const name = formatPath(path) || "the file";
    return [diagnosticAt(origins, path, {
      code: missing ? "missing-key" : "invalid-value",
      message: missing ? `${name} is missing` : `${name} is not valid`,
      wanted: wantedBy(issue.message),
      ...(missing ? { fix: `add ${issue.path.at(-1) ?? "it"}` } : { got: showValue(issue.input), fix: fixFor(issue) }),
      origin: indirectOrigin(origins, path),
    })];
  });
}
