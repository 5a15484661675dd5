/** Thrown if a function cannot become a graph: a fault of the function or a limit of this device, never a bug. */
export class CompileError extends Error {
  override readonly name = "CompileError";
}

/**
 * The toolkit's folder, and the folders in it with code written as users write it. Code in the engines' folder is never
 * a caller's.
 */
const TOOLKIT = folderOf("../../../");
const USERS = ["tests/", "pipelines/"].map((folder) => TOOLKIT + folder);
const ENGINES = folderOf("../");
const PACKAGE = /\/(node_modules|npm\/registry\.[^/]+)\/|\/@tensorflow[/+]/;

/**
 * Returns the address of a folder. In a bundle of many files there are no folders: all code then counts as the
 * engine's, and no place is reported.
 */
function folderOf(path: string): string {
  return URL.canParse(path, import.meta.url) ? new URL(path, import.meta.url).href : "";
}

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

/**
 * Returns `file:line:column` of the innermost frame outside of packages and the toolkit, because a user's network calls
 * the toolkit's layers too; else of the innermost frame that is not in `tensor/`; undefined without one.
 */
export function callerOf(error: Error): string | undefined {
  return userOf(error) ?? placesOf(error)[0];
}

/** Returns the same, but undefined if all frames are the toolkit's or a package's. */
export function userOf(error: Error): string | undefined {
  const isOutside = (place: string) => !place.startsWith(TOOLKIT) || USERS.some((folder) => place.startsWith(folder));
  return placesOf(error).find((place) => place.startsWith("file:") && isOutside(place));
}

function placesOf(error: Error): string[] {
  return (error.stack?.split("\n").slice(1) ?? []).flatMap((line) => {
    const place = /(?:\(|at )((?:file|https?):\/\/[^)]+?:\d+:\d+)\)?$/.exec(line.trim())?.[1];
    return place === undefined || place.startsWith(ENGINES) || PACKAGE.test(place) ? [] : [place];
  });
}

/** Makes an error `Cannot compile "label": problem`. */
export function cannotCompile(label: string, problem: string, cause?: unknown): CompileError {
  return new CompileError(`Cannot compile "${label}": ${problem}`, { cause });
}

/** Makes an error `Cannot compile "label": problem (called at file:line:column). Fix: fix.` */
export function compileError(label: string, problem: string, fix: string): CompileError {
  const probe = withDeepStack(() => new Error());
  const caller = callerOf(probe);
  const place = caller === undefined ? "" : ` (called at ${caller})`;
  return cannotCompile(label, `${problem}${place}. Fix: ${fix}.`);
}
