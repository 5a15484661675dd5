/**
 * Digests Python programs by their tokens, without starting a Python. A syntax tree follows from its tokens alone: ends
 * of lines and blocks are among them, and comments and layout are not.
 */
import { isUtf8 } from "node:buffer";
import { sha256Of } from "../store/reading.ts";

/** A token: its text; or 0 at the end of a line, 1 where an indented block begins, -1 where one ends. */
type Token = string | 0 | 1 | -1;

/** Files larger than people write are digested by their bytes. */
const MAX_BYTES = 1 << 20;
const INDENT = /(?:[ \t]*\f)*([ \t]*)/y;
const SPACE = /(?:[ \t\f]|\\\n)*/y;
const COMMENT = /#[^\n\r\0]*/y;
const STRING = /(?:[rR][bBfFtT]?|[bBfFtT][rR]?|[uU])?("""|'''|"|')/y;
/** Names, numbers and operators, as https://docs.python.org/3/reference/lexical_analysis.html defines them. */
const PLAIN = new RegExp(
  [
    /[\p{XIDS}_][\p{XIDC}]*/u,
    /0[xXbBoO][\da-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?[jJ]?/,
    /\*\*=?|\/\/=?|>>=?|<<=?|\.\.\.|->|:=|!=|[-+*/%&|^@=<>]=?|[~:;,.()[\]{}]/,
  ].map(({ source }) => source).join("|"),
  "yu",
);
const CLOSING: ReadonlyMap<string, string> = new Map([["(", ")"], ["[", "]"], ["{", "}"]]);

/** Thrown for text that is no Python, that versions of Python read differently, or whose comments count. */
class UnclearError extends Error {}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}

/**
 * Splits a program into tokens. An f-string is one token, whatever is in it.
 * @param text with line feeds alone, as Python reads all ends of lines
 * @throws UnclearError
 */
export function* pythonTokens(text: string): Generator<Token> {
  const blocks = [""];
  const open: string[] = [];
  let isStart = true;
  for (let at = 0; at < text.length;) {
    const [space, indent = ""] = matchAt(isStart ? INDENT : SPACE, text, at)!;
    at += space.length;
    const [comment = ""] = matchAt(COMMENT, text, at) ?? [];
    if (/^#\s*type:/.test(comment)) throw new UnclearError();
    at += comment.length;
    if (at === text.length || text[at] === "\n") {
      if (!isStart && open.length === 0) yield 0;
      isStart = open.length === 0;
      at++;
      continue;
    }
    if (isStart) {
      if (text[at] === "\\") throw new UnclearError();
      // Blocks whose indentation does not begin with that of the outer one depend on the width of a tab.
      if (indent !== blocks[0] && indent.startsWith(blocks[0]!)) {
        blocks.unshift(indent);
        yield 1;
      }
      for (; indent !== blocks[0]; yield -1) if (blocks.shift() === undefined) throw new UnclearError();
    }
    isStart = false;
    const string = matchAt(STRING, text, at);
    const end = string && endOfString(text, at + string[0].length, string);
    const token = string ? text.slice(at, end) : matchAt(PLAIN, text, at)?.[0];
    if (token === undefined) throw new UnclearError();
    if (CLOSING.has(token)) open.push(CLOSING.get(token)!);
    else if (/^[)\]}]$/.test(token) && open.pop() !== token) throw new UnclearError();
    at += token.length;
    yield token;
  }
  if (open.length > 0) throw new UnclearError();
  if (!isStart) yield 0;
}

/** Returns where a string ends. @param start its prefix with its quote, and the quote alone */
function endOfString(text: string, from: number, [start, quote]: readonly string[]): number {
  const isFormat = /[fFtT]/.test(start!);
  for (let at = from; at < text.length; at++) {
    if (text.startsWith(quote!, at)) return at + quote!.length;
    if (text[at] === "\n" && quote!.length === 1) break;
    // After a backslash, a brace still begins a field.
    if (text[at] === "\\" && !(isFormat && /[{}]/.test(text[at + 1] ?? ""))) at++;
    else if (isFormat && text[at] === "{") at = text[at + 1] === "{" ? at + 1 : endOfField(text, at + 1) - 1;
  }
  throw new UnclearError();
}

/** Returns where a field of an f-string ends. Since Python 3.12 it may hold the quotes of its string. */
function endOfField(text: string, from: number): number {
  let [depth, isSpec] = [0, false];
  for (let at = from; at < text.length;) {
    const string = isSpec ? undefined : matchAt(STRING, text, at);
    const char = text[string === undefined ? at++ : at]!;
    if (string !== undefined) at = endOfString(text, at + string[0].length, string);
    else if (isSpec && char === "{") at = endOfField(text, at);
    else if (char === "#" && !isSpec) break;
    else if (char === "}" && depth === 0) return at;
    else if (CLOSING.has(char)) depth++;
    else if (/[)\]}]/.test(char)) depth--;
    else if (char === ":" && depth === 0) isSpec = true;
  }
  throw new UnclearError();
}

/** Names of what reads or compiles the text of a program or of its modules, or knows the lines of code. */
const READERS = new Set([
  ...["inspect", "linecache", "tokenize", "traceback", "triton", "numba", "builtins", "__builtins__", "__code__"],
  ...["_getframe", "__loader__", "__spec__", "dill", "cloudpickle"],
]);
/** The same for the bare names; with a dot before them, these are methods such as `model.eval()`. */
const BARE_READERS = new Set(["exec", "eval", "compile"]);
/** Names in an f-string, whose parts are no tokens, and the name of a file with code. */
const IN_STRING = new RegExp(
  `^[rR]?[fFtT].*\\b(?:${[...READERS, ...BARE_READERS, "__file__"].join("|")})\\b|\\.py["']+$`,
  "s",
);

function isReader(token: Token, index: number, tokens: readonly Token[], all: ReadonlySet<Token>): boolean {
  if (typeof token !== "string") return false;
  const isMember = tokens[index - 1] === ".";
  return READERS.has(token) || (BARE_READERS.has(token) && !isMember) || IN_STRING.test(token) ||
    // `torch.compile` and `model.compile()`, but not `re.compile`.
    (token === "compile" && tokens[index - 2] !== "re") || (token === "jit" && all.has("torch")) ||
    (token === "argv" && tokens[index + 2] === "0");
}

/** The encoding that a file says it has, in one of its first two lines. */
const ENCODING = /^(?:[^\n]*\n)?[ \t\f]*#[^\n]*?coding[:=][ \t]*([-\w.]+)/;

/**
 * Digests a Python file by what Python's parser reads.
 * @returns undefined if its bytes count; and `isReader`: true if the program may read the text of all its files
 */
export function digestPython(bytes: Uint8Array): { readonly digest: string; readonly isReader: boolean } | undefined {
  if (bytes.length > MAX_BYTES || !isUtf8(bytes)) return undefined;
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes).replaceAll("\r\n", "\n");
  if (!/^utf-?8$/i.test(ENCODING.exec(text)?.[1] ?? "utf-8")) return undefined;
  try {
    const tokens = [...pythonTokens(text)];
    const all = new Set(tokens);
    if (all.has("__file__")) return undefined;
    const digest = sha256Of(`noiseline/python/1\n${JSON.stringify(tokens)}`);
    return { digest, isReader: tokens.some((token, index) => isReader(token, index, tokens, all)) };
  } catch (error) {
    if (error instanceof UnclearError) return undefined;
    throw error;
  }
}
