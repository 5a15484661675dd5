import type { Diagnostic } from "noiseline/core";
import { problem } from "../io.ts";

/** Names become ids, file names and parts of references. */
const NAME = /^[a-z][a-z0-9_-]*$/;
const MAX_LENGTH = 60;

/** The nearest good name, for messages. */
function mend(name: string): string | undefined {
  const mended = name.replace(/\.(ts|yaml|yml)$/, "").replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, "_").replaceAll(/^[^a-z]+|_+$/g, "").slice(0, MAX_LENGTH);
  return NAME.test(mended) ? mended : undefined;
}

/** What is wrong with a name, if anything is. */
export function checkName(name: string): Diagnostic | undefined {
  if (NAME.test(name) && name.length <= MAX_LENGTH) return undefined;
  const mended = mend(name);
  return problem(
    `${JSON.stringify(name)} is not a name: it must match [a-z][a-z0-9_-]*, at most ${MAX_LENGTH} characters`,
    mended === undefined ? "choose another" : `did you mean "${mended}"?`,
  );
}
