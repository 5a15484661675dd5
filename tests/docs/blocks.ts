import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** One fenced block of a Markdown file. */
export interface Block {
  /** The file and line, such as `README.md:14`. */
  readonly place: string;
  readonly language: string;
  readonly text: string;
}

/** Returns README, CONTRIBUTING and all files below docs. */
export function documents(): string[] {
  const found = ["README.md", "CONTRIBUTING.md"].map((name) => join(ROOT, name));
  const visit = (folder: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      if (isDirectory) visit(join(folder, name));
      else if (name.endsWith(".md")) found.push(join(folder, name));
    }
  };
  visit(join(ROOT, "docs"));
  return found.sort();
}

/** Returns the fenced blocks of a Markdown text, without the indentation of their fence. */
export function findBlocks(text: string, name: string): Block[] {
  const blocks: Block[] = [];
  let open: { fence: string; indent: string; language: string; line: number; lines: string[] } | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    const fence = /^(\s*)(`{3,}|~{3,})\s*([^\s`{]*)/.exec(line);
    if (open === undefined) {
      if (fence === null) continue;
      open = { indent: fence[1]!, fence: fence[2]!, language: fence[3]!, line: index + 1, lines: [] };
    } else if (fence !== null && fence[2]!.startsWith(open.fence) && fence[3] === "") {
      blocks.push({ place: `${name}:${open.line}`, language: open.language, text: `${open.lines.join("\n")}\n` });
      open = undefined;
    } else {
      open.lines.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line.trimStart());
    }
  }
  if (open !== undefined) throw new Error(`${name}:${open.line}: the block is never closed`);
  return blocks;
}

export function allBlocks(): Block[] {
  return documents().flatMap((path) => findBlocks(Deno.readTextFileSync(path), relative(ROOT, path)));
}

/** Splits a line of shell as far as documents need it: quotes, and a comment at the end. */
export function splitShell(line: string): string[] {
  const words: string[] = [];
  for (const match of line.matchAll(/(?:^|\s)(#.*$)|(?:"[^"]*"|'[^']*'|[^\s"'])+/g)) {
    if (match[1] !== undefined) break;
    words.push(match[0].trim().replaceAll(/"([^"]*)"|'([^']*)'/g, "$1$2"));
  }
  return words;
}
