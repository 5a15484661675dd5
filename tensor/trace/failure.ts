/** A function cannot become a graph: the fault of the function or a limit of this device, never a bug. */
export class CompileError extends Error {
  override readonly name = "CompileError";
}

/** Frames of TF.js and of this folder are not what the caller wrote. */
const OWN_FOLDER = new URL("./", import.meta.url).href;

/** Runs `body` with error stacks deep enough to reach the caller's frame through TF.js's own. */
export function withDeepStack<T>(body: () => T): T {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 200;
  try {
    return body();
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** `file:line:column` of the innermost frame that is neither TF.js nor this folder, if there is one. */
export function callerOf(error: Error): string | undefined {
  for (const line of error.stack?.split("\n").slice(1) ?? []) {
    const place = /(?:\(|at )((?:file|https?):\/\/[^)]+?:\d+:\d+)\)?$/.exec(line.trim())?.[1];
    if (place === undefined || place.startsWith(OWN_FOLDER)) continue;
    if (/\/(@tensorflow\/|@tensorflow\+)/.test(place)) continue;
    return place;
  }
  return undefined;
}

/** `Cannot compile "label": problem (called at file:line:column). Fix: fix.` */
export function compileError(label: string, problem: string, fix: string): CompileError {
  const probe = withDeepStack(() => new Error());
  const caller = callerOf(probe);
  const place = caller === undefined ? "" : ` (called at ${caller})`;
  return new CompileError(`Cannot compile "${label}": ${problem}${place}. Fix: ${fix}.`);
}
