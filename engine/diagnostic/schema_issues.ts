import { adviceFor } from "../../schemas/words.ts";
import { wantedBy } from "../../schemas/zod_def.ts";
import { didYouMean, listNames, suggestName } from "../../std/did_you_mean.ts";
import { type DocumentPath, formatPath, indirectOrigin, type Origins } from "./document.ts";
import { showValue } from "./format.ts";
import type { Problems } from "./problems.ts";
import type { ParamIssue } from "../../schemas/param_issue.ts";

function fixFor({ code, input, message, path, values, fix }: ParamIssue): string {
  if (fix !== undefined) return fix;
  const near = values === undefined || typeof input === "object" ? undefined : didYouMean(String(input), values);
  if (near !== undefined) return `did you mean "${near}"?`;
  const advice = typeof input === "string" ? adviceFor(input, values ?? []) : undefined;
  if (advice !== undefined) return advice;
  // For a union, the listed values are only some of the valid ones.
  if (values !== undefined && code !== "invalid_union") return listNames(values);
  const wanted = wantedBy(message);
  const place = typeof path.at(-1) === "string" ? path.at(-1) : "the item";
  if (/ to have /.test(message)) return `give ${place} ${wanted}`;
  const change = /^(at least|more) /.test(wanted) ? "raise" : /^(at most|less) /.test(wanted) ? "lower" : undefined;
  if (change !== undefined) return `${change} ${place} to ${wanted}`;
  const type = /^a ((?:whole |finite )?number|text|list|map)$/.exec(wanted)?.[1];
  // The explanations in brackets are in the line above already.
  const brief = wanted.replaceAll(/ \((?:[^()]|\([^()]*\))*\)/g, "");
  return type === undefined || typeof path.at(-1) !== "string" ? `write ${brief}` : `write ${place}: <${type}>`;
}

/** Returns the name that an unknown key was meant to be, if that name is not written beside it. */
function meantBy(key: string, { input, known = [] }: ParamIssue): string | undefined {
  return didYouMean(key, known.filter((name) => !Object.hasOwn(Object(input), name)));
}

/**
 * Says where an unknown key belongs, if that is another place.
 * @param about the key's value, whether `--set` wrote it, and the advice by the names that are known in this place
 */
export type Advise = (
  path: DocumentPath,
  key: string,
  about: { readonly value: unknown; readonly isSet: boolean; readonly here: string | undefined },
) => string | undefined;

/**
 * Adds the issues that a schema finds, at their places in the file.
 * @param base the path of the validated value in the document
 */
export function addIssues(
  issues: readonly ParamIssue[],
  base: DocumentPath,
  { origins, problems, file = "the pipeline file", advise = () => undefined }: {
    readonly origins: Origins;
    readonly problems: Problems;
    /** The name of the document in messages. */
    readonly file?: string;
    readonly advise?: Advise;
  },
): void {
  const meant = new Set(
    issues.flatMap((issue) =>
      (issue.keys ?? []).map((key) => formatPath([...base, ...issue.path, meantBy(key, issue) ?? key]))
    ),
  );
  for (const issue of issues) {
    const path = [...base, ...issue.path];
    for (const key of issue.keys ?? []) {
      const origin = origins.explain([...path, key]);
      // Another alternative may know the key, such as another sampler; suggesting the key again would help nobody. A
      // name that is already written may be meant all the same, by `--set`.
      const near = meantBy(key, issue);
      const others = near === undefined ? (issue.known ?? []).filter((name) => name !== key) : [near];
      const { [key]: value } = Object(issue.input);
      const here = near === undefined ? adviceFor(key, others, value) : suggestName(key, others);
      const isSet = origin[0]?.startsWith("--set") === true;
      const fix = advise(path, key, { value, isSet, here }) ?? here ?? suggestName(key, others);
      problems.add([...path, key], `unknown key "${key}" in ${formatPath(path) || file}`, fix, {
        code: "unknown-key",
        target: "key",
        origin: isSet ? origin : undefined,
      });
    }
    // A key that is missing because its name is misspelt has been reported as unknown.
    if (issue.code === "unrecognized_keys" || meant.has(formatPath(path))) continue;
    const name = formatPath(path) || "the file";
    const known = { wanted: wantedBy(issue.message), origin: indirectOrigin(origins, path) };
    if (issue.input === undefined && issue.code !== "custom") {
      problems.add(path, `${name} is missing`, `add ${issue.path.at(-1) ?? "it"}`, { code: "missing-key", ...known });
    } else {
      problems.add(path, `${name} is not valid`, fixFor(issue), { got: showValue(issue.input), ...known });
    }
  }
}
