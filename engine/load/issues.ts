import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import { suggestName } from "../diagnostic/did_you_mean.ts";
import { showValue } from "../diagnostic/format.ts";
import type { ParamIssue } from "../kind.ts";
import { type DocumentPath, formatPath } from "../source/document.ts";
import type { Origins } from "./origin.ts";

/** Zod's "Invalid input: expected number, received string" said in one word: what was wanted. */
function wantedBy(issue: ParamIssue): string {
  return issue.message
    .replace(/^Invalid (input|option): /, "")
    .replace(/, received .*$/, "")
    .replace(/^expected /, "")
    .replace(/^Too (?:small|big): expected \w+ to (?:be|have) /, "")
    .replace(/^>=/, "at least ")
    .replace(/^>/, "more than ")
    .replace(/^<=/, "at most ")
    .replace(/^</, "less than ")
    .replace(/^Invalid input$/, "another value");
}

function fixFor(issue: ParamIssue): string {
  if (issue.values !== undefined) return suggestName(String(issue.input), issue.values);
  const wanted = wantedBy(issue);
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
      wanted: wantedBy(issue),
      ...(span === undefined ? {} : { span }),
      ...(missing ? { fix: `add ${issue.path.at(-1) ?? "it"}` } : { got: showValue(issue.input), fix: fixFor(issue) }),
      ...(indirect ? { origin } : {}),
    }];
  });
}
