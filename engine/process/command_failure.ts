/** Explains why a program of the user's ended, or will not get what it wants: see docs/other-languages.md. */
import { isAbsolute, join, normalize, relative, resolve } from "node:path";
import type { FoundCommand } from "../../schemas/command.ts";
import { realPath, statIfThere } from "../store/reading.ts";
import { isWithin } from "../store/write_roots.ts";
import { namesIn } from "./process_tree.ts";
import { failed, type StageOutcome } from "./protocol.ts";
import { findStray } from "./stray_modules.ts";

/** Returns what a program said with its sources under their own names, not under those of their copies. */
export function inOwnNames(said: string, cwd: string, sources: FoundCommand["sources"]): string {
  const names = Object.keys(sources).map((name) => [normalize(join(cwd, name)), name] as const);
  return names.reduce((text, [copy, name]) => text.replaceAll(copy, name), said);
}

/** Where a program looks for files that its stage does not declare. */
export interface Outside {
  /** The folder of the pipeline. */
  readonly home: string;
  /** The data of the stage by name, where the user has it: a program may get copies. */
  readonly data: FoundCommand["data"];
  /** True if these files are not there for the program at all. */
  readonly isContained: boolean;
  /** The time in milliseconds before which a folder was last changed that the program has not made. */
  readonly before: number;
}

/** Matches how programs and libraries say that a file is missing. */
const MISSING = [
  /No such file or directory: '(.+?)'/,
  /['"]?([^\s'":]+)['"]?: No such file or directory/,
  /name = '([^']+)', errno = 2\b/,
  /imread_\('(.+?)'\): can't open/,
];

/** Explains why a program ended with a code other than 0, as far as its last words tell. */
export function explainExit(
  code: number,
  said: string,
  { folders, ...outside }: Outside & { readonly folders: readonly string[] },
): StageOutcome {
  const module = /No module named '([\w.]+)'/.exec(said)?.[1]?.replaceAll(".", "/");
  const missing = MISSING.map((one) => one.exec(said)?.[1]).find((path) => path !== undefined);
  const files = [module && `${module}.py`, module && `${module}/__init__.py`, missing].filter((one) => one);
  const isSource = (path: string) =>
    !isAbsolute(path) && !normalize(path).startsWith("..") &&
    statIfThere(realPath(join(outside.home, path)))?.isFile;
  const file = files.find((one) => isSource(one!));
  if (file !== undefined) return undeclared("reads", file, `\n${said}`);
  const stray = module === undefined ? undefined : findStray(module.split("/")[0]!, folders);
  if (stray !== undefined) {
    const fix = "add it to sources, or install it in the Python's own environment: what PYTHONPATH, packages of your " +
      "account and editable installs lead to is in no key";
    return failed(`it imports ${stray}, which is not among its sources\n${said}`, fix);
  }
  const data = missing === undefined ? undefined : undeclaredData(missing, outside, `\n${said}`);
  if (data !== undefined) return data;
  if (/Read-only file system/.test(said)) {
    const fix = "write to the folders of its outputs, of its progress, or the one in which it starts";
    return failed(`it wrote where it may not\n${said}`, fix);
  }
  if (said === "") return failed(`it exited with code ${code} and printed nothing`, "let it print why, then run again");
  return { status: "crashed", message: `it exited with code ${code}`, stack: said };
}

/**
 * Returns an error for a file or folder of the user's that a program wants and that it does not get by its path.
 * @returns undefined if nothing is there
 */
export function undeclaredData(
  path: string,
  { home, data, isContained, before }: Outside,
  said = "",
): StageOutcome | undefined {
  const real = realPath(resolve(home, path));
  const info = statIfThere(real);
  // A relative path means another file to the program, which starts in a folder with copies of its sources.
  const isItsOwn = isAbsolute(path) && (info?.mtime?.getTime() ?? 0) >= before;
  if (info?.isDirectory ? isItsOwn || namesIn(real).length === 0 : !info?.isFile) return undefined;
  if (/\.py$/.test(path)) return undeclared("loaded", path, said);
  const does = info?.isDirectory ? "lists" : "reads";
  for (const [name, found] of Object.entries(data)) {
    const places = typeof found === "string" ? { "": found } : found;
    const entry = Object.entries(places).find(([, place]) => isWithin(real, realPath(resolve(home, place))));
    if (entry === undefined) continue;
    const below = join("/", entry[0], relative(realPath(resolve(home, entry[1])), real)).slice(1);
    const fix = `take the path from noiseline.data["${name}"]${below && ` / ${JSON.stringify(below)}`}, or write ` +
      `\${data.${name}}${below && `/${below}`} in run`;
    return failed(`it ${does} ${path}, which it gets as data["${name}"] at another path${said}`, fix);
  }
  const fix =
    `add \`data: { NAME: ${path} }\` beside run, so that its content is in the key; for folders of programs ` +
    "add `sees: [FOLDER]`";
  const also = isContained ? ", so it is not in its box" : "";
  return failed(`it ${does} ${path}, which is not among its data${also}${said}`, fix);
}

export function undeclared(how: string, file: string, said = ""): StageOutcome {
  const fix = how === "reads"
    ? `add ${JSON.stringify(file)} to sources`
    : "add it to sources, or install it as a package";
  return failed(`it ${how} ${file}, which is not among its sources${said}`, fix);
}
