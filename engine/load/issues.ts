import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import { didYouMean, listNames, suggestName } from "../diagnostic/did_you_mean.ts";
import { showValue } from "../diagnostic/format.ts";
import type { ParamIssue } from "../kind.ts";
import { type DocumentPath, formatPath } from "../source/document.ts";
import type { Origins } from "./origin.ts";
import { wantedBy } from "./schema_issues.ts";

function fixFor({ code, input, message, values }: ParamIssue): string {
  const near = values === undefined || typeof input === "object" ? undefined : didYouMean(String(input), values);
  if (near !== undefined) return `did you mean "${near}"?`;
  // Of a union, the listed values are a part of what would do.
  if (values !== undefined && code !== "invalid_union") return listNames(values);
  const wanted = wantedBy(message);
  return /^(at|less|more) /.test(wanted) ? `use a value ${wanted}` : `write ${wanted} there`;
}

function unknownKeys(
  issue: ParamIssue,
  base: DocumentPath,
  origins: Origins,
): Diagnostic[] {
  return (issue.keys ?? []).map((key) => {
    const path = [...base, ...issue.path, key];
    const span = origins.locate(path, "key");
    const origin = origins.explain(path);
    return {
      severity: "error",
      code: "unknown-key",
      message: `unknown key "${key}" in ${formatPath([...base, ...issue.path]) || "the pipeline file"}`,
      path: formatPath(path),
      // Another alternative may know it, such as another sampler; naming it again would help nobody.
      fix: suggestName(key, (issue.known ?? []).filter((known) => known !== key)),
      ...(span === undefined ? {} : { span }),
      ...(origin[0]?.startsWith("--set") ? { origin } : {}),
    };
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
    const span = origins.locate(path);
    const origin = origins.explain(path);
    const missing = issue.input === undefined && issue.code !== "custom";
    const name = formatPath(path);
    const indirect = origin.length > 1 || origin[0]?.startsWith("--set") === true;
    return [{
      severity: "error",
      code: missing ? "missing-key" : "invalid-value",
      message: missing ? `${name || "the file"} is missing` : `${name || "the file"} is not valid`,
      path: name,
      wanted: wantedBy(issue.message),
      ...(span === undefined ? {} : { span }),
      ...(missing ? { fix: `add ${issue.path.at(-1) ?? "it"}` } : { got: showValue(issue.input), fix: fixFor(issue) }),
      ...(indirect ? { origin } : {}),
    }];
  });
}
