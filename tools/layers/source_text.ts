/** What may come before a slash that begins a regular expression; after anything else it divides. */
const BEFORE_REGEX =
  /(?:^|[(,=:;!&|?{}[+\-*%<>~^]|=>|\b(?:return|typeof|case|in|of|do|else|void|throw|await|yield))\s*$/;

const TOKENS = {
  line: /\/\/[^\n]*/y,
  block: /\/\*[\s\S]*?\*\//y,
  double: /"(?:\\[\s\S]|[^"\\\n])*"?/y,
  single: /'(?:\\[\s\S]|[^'\\\n])*'?/y,
  regex: /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/y,
};

/**
 * TypeScript source with comments blanked out, and with the texts in it blanked out too unless they are kept. Offsets and
 * lines stay what they were. A scanner of a page is enough to find imports and names; it is not a parser.
 */
export function blankSource(source: string, options: { readonly keepTexts: boolean }): string {
  let out = "";
  let at = 0;
  /** Depth of braces inside each open `${` of a template. */
  const braces: number[] = [];

  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0];
  };
  const keep = (text: string, hidden: boolean) => {
    out += hidden ? text.replaceAll(/[^\n]/g, " ") : text;
    at += text.length;
  };
  /** The rest of a template up to its end or its next `${`. */
  const template = () => {
    let end = at;
    while (end < source.length && source[end] !== "`" && !source.startsWith("${", end)) {
      end += source[end] === "\\" ? 2 : 1;
    }
    keep(source.slice(at, end), !options.keepTexts);
    if (source[at] === "`") keep("`", false);
    else if (at < source.length) {
      keep("${", false);
      braces.push(0);
    }
  };

  while (at < source.length) {
    const char = source[at]!;
    if (char === "/") {
      const comment = take(TOKENS.line) ?? take(TOKENS.block);
      const regex = comment === undefined && BEFORE_REGEX.test(out.slice(-40)) ? take(TOKENS.regex) : undefined;
      if (comment !== undefined) keep(comment, true);
      else if (regex !== undefined) keep(regex, !options.keepTexts);
      else keep("/", false);
    } else if (char === '"' || char === "'") {
      const text = take(char === '"' ? TOKENS.double : TOKENS.single)!;
      keep(char, false);
      keep(text.slice(1), !options.keepTexts);
    } else if (char === "`") {
      keep("`", false);
      template();
    } else if (char === "{" && braces.length > 0) {
      braces[braces.length - 1]!++;
      keep(char, false);
    } else if (char === "}" && braces.length > 0) {
      keep(char, false);
      if (braces.at(-1) === 0) {
        braces.pop();
        template();
      } else braces[braces.length - 1]!--;
    } else keep(char, false);
  }
  return out;
}

/** 1-based line of an offset. */
export function lineOf(source: string, offset: number): number {
  let line = 1;
  for (let at = source.indexOf("\n"); at >= 0 && at < offset; at = source.indexOf("\n", at + 1)) line++;
  return line;
}
