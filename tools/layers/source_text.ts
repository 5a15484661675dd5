/** What may come before a slash that begins a regular expression; after anything else it divides. */
const BEFORE_REGEX =
  /(?:^|[(,=:;!&|?{}[+\-*%<>~^]|=>|\b(?:return|typeof|case|in|of|do|else|void|throw|await|yield))\s*$/;

const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y;
const TEXT = /"(?:\\[\s\S]|[^"\\\n])*"?|'(?:\\[\s\S]|[^'\\\n])*'?/y;
const REGEX = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/y;
/** Of a template, what comes before its end or its next `${`, and these. */
const PIECE = /(?:\\[\s\S]?|(?!\$\{)[^`\\])*/y;
const PIECE_END = /`|\$\{/y;

/**
 * TypeScript source with comments blanked out, and with the texts in it blanked out too unless they are kept. Offsets and
 * lines stay what they were. A scanner of a page is enough to find imports and names; it is not a parser.
 */
export function blankSource(source: string, options: { readonly keepTexts: boolean }): string {
  let out = "";
  /** Depth of braces inside each open `${` of a template. */
  const braces: number[] = [];

  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = out.length;
    return pattern.exec(source)?.[0];
  };
  const keep = (text: string) => void (out += text);
  const blank = (text: string) => keep(text.replaceAll(/[^\n]/g, " "));
  const keepText = options.keepTexts ? keep : blank;

  while (out.length < source.length) {
    const char = source[out.length]!;
    const comment = char === "/" ? take(COMMENT) : undefined;
    const regex = char === "/" && BEFORE_REGEX.test(out.slice(-40)) ? take(REGEX) : undefined;
    if (comment !== undefined) blank(comment);
    else if (regex !== undefined) keepText(regex);
    else if (char === '"' || char === "'") {
      const text = take(TEXT)!;
      keep(char);
      keepText(text.slice(1));
    } else {
      keep(char);
      const top = braces.length - 1;
      const closes = char === "}" && braces[top] === 0;
      if (closes) braces.pop();
      else if (top >= 0 && (char === "{" || char === "}")) braces[top]! += char === "{" ? 1 : -1;
      if (!closes && char !== "`") continue;
      keepText(take(PIECE)!);
      const end = take(PIECE_END);
      keep(end ?? "");
      if (end === "${") braces.push(0);
    }
  }
  return out;
}

/** 1-based line of an offset. */
export function lineOf(source: string, offset: number): number {
  let line = 1;
  for (let at = source.indexOf("\n"); at >= 0 && at < offset; at = source.indexOf("\n", at + 1)) line++;
  return line;
}
