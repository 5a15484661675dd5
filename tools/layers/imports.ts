import { blankSource, lineOf } from "./source_text.ts";

/** One import or re-export of a file. */
export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** Dropped by the compiler: nothing of the target runs. */
  readonly typeOnly: boolean;
}

const FORMS = [
  /(?<![\w$.])(?<word>import|export)\s+(?<what>[^;"'`()]*?)\bfrom\s*"(?<specifier>[^"\n]+)"/g,
  /(?<![\w$.])import\s*"(?<specifier>[^"\n]+)"/g,
  /(?<![\w$.])(?<late>importLate<\s*)?(?<typeof>typeof\s+)?import\s*\(\s*["`](?<specifier>[^"`$\n]+)["`]/g,
];

/** `import type …`, and lists in which every name is a type. */
function isTypeOnly(what: string): boolean {
  if (/^type\s+[\w{*]/.test(what)) return true;
  const list = /^\{([^}]*)\}\s*$/.exec(what)?.[1];
  const names = list?.split(",").map((name) => name.trim()).filter((name) => name !== "") ?? [];
  return names.length > 0 && names.every((name) => /^type\s/.test(name));
}

/** The static, type and literal dynamic imports of a file, also late ones, in the order of their lines. */
export function findImports(source: string): Import[] {
  const code = blankSource(source, { keepTexts: true });
  const bare = blankSource(source, { keepTexts: false });
  const found: Import[] = [];
  for (const form of FORMS) {
    for (const match of code.matchAll(form)) {
      const groups = match.groups!;
      // Inside a text, the same words are no import.
      const keyword = match.index + match[0].search(/import|export/);
      if (bare.slice(keyword, keyword + 6).trim() === "") continue;
      const what = groups["what"];
      const typeOnly = (groups["typeof"] !== undefined && groups["late"] === undefined) ||
        (what !== undefined && isTypeOnly(what.trim()));
      found.push({ specifier: groups["specifier"]!, line: lineOf(source, match.index), typeOnly });
    }
  }
  return found.sort((a, b) => a.line - b.line);
}
