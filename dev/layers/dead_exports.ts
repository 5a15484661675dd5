import { dirname, join } from "node:path/posix";
import type { SourceFile } from "./module_graph.ts";

/** Matches texts in quotes, and comments. */
const NO_CODE = /"(?:\\.|[^"\\\n])*"|\/\/[^\n]*|\/\*[^]*?\*\//g;

/** Returns a text in which all that matches, texts and comments by default, is blank. */
export function blankOut(text: string, matching: RegExp = NO_CODE): string {
  return text.replaceAll(matching, (match) => match.replaceAll(/[^\n]/g, " "));
}

/** Matches the names that a module declares as exports, alone or in a pattern, and a list of types. */
const DECLARED =
  /^export (?:declare |abstract |async )*(?:function\*?|const|let|class|interface|type|enum) +(\w+|[[{][^\]}]*[\]}])/gm;
/** Matches a list of exports, of the module itself or of another. */
const LISTED = /^export \{([^}]*)\}/gm;
/** Matches an export of all that another file exports. */
const FORWARDED = /^export (?:type )?\* from "([^"]+)"/gm;
const isTest = (path: string) => path.startsWith("tests/");

/**
 * Finds exports that no other file uses, and those that only tests use and that their own file does not need. A file
 * uses an export if it imports the exporting file, directly or through a file that exports all of it, and contains the
 * name. If tests use one that is found, then what it exports, not only the export, is there for them alone.
 *
 * @param isEntry returns true for files whose exports others use: public ones, and those that no import statement names
 */
export function findDeadExports(files: ReadonlyMap<string, SourceFile>, isEntry: (path: string) => boolean) {
  const wordsOf = (text: string): readonly string[] => blankOut(text).match(/[\w$]+/g) ?? [];
  const words = new Map(files.values().map(({ path, text }) => [path, wordsOf(text)]));
  const [importers, forwarders, wholes] = [new Map<string, string[]>(), new Map<string, string[]>(), new Set<string>()];
  for (const { path, text, edges } of files.values()) {
    const lines = text.split("\n");
    for (const [, other] of text.matchAll(FORWARDED)) {
      forwarders.getOrInsertComputed(join(dirname(path), other!), () => []).push(path);
    }
    for (const { target, line } of edges) {
      if (!("file" in target)) continue;
      importers.getOrInsertComputed(target.file, () => []).push(path);
      // An import of the whole module may pass it on.
      if (lines[line - 1]!.includes("* as")) wholes.add(target.file);
    }
  }
  const doorsTo = (path: string): string[] => [path, ...(forwarders.get(path) ?? []).flatMap(doorsTo)];
  return files.values().filter(({ path }) => !isTest(path) && !path.endsWith(".d.ts")).flatMap(({ path, text }) => {
    const doors = doorsTo(path);
    if (doors.some((door) => isEntry(door) || wholes.has(door))) return [];
    const users = [...new Set(doors.flatMap((door) => importers.get(door) ?? []))];
    return exportsOf(blankOut(text)).flatMap(({ name, line }) => {
      const using = users.filter((user) => words.get(user)!.includes(name));
      const isOwn = words.get(path)!.indexOf(name) !== words.get(path)!.lastIndexOf(name);
      const isDead = using.every(isTest) && !(isOwn && using.length > 0);
      return isDead ? [{ path, name, line, isTested: using.length > 0 }] : [];
    });
  }).toArray();
}

/** Returns the names that a module exports, with their lines. */
function exportsOf(text: string) {
  return [...text.matchAll(DECLARED), ...text.matchAll(LISTED)].flatMap(({ 1: names, index }) => {
    const line = text.slice(0, index).split("\n").length;
    const found = names!.split(",").flatMap((one) => /(\w+)\W*$/.exec(one)?.[1] ?? []);
    return found.map((name) => ({ name, line }));
  });
}
