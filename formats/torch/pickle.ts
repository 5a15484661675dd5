import { FormatError } from "../format_error.ts";
import type { ByteCursor } from "./byte_cursor.ts";

/** What a pickle may have from outside itself. */
export interface PickleWorld {
  /** By `module name`. A pickle may call what is a function here; it gets a tuple. */
  readonly globals: ReadonlyMap<string, unknown>;
  /** What stands for an object that is kept outside the pickle. */
  persistent(id: unknown): unknown;
}

/** A list of Python's; its tuples are arrays here, its dicts Maps, its None is null. */
export class PickleList {
  readonly items: unknown[] = [];
}

/** Enough for 40,000 tensors. One byte can make an object of hundreds. */
const MAX_OPCODES = 1_000_000;
const MAX_TEXT_BYTES = 65_536;
/** More than any size in memory, and exact in a number. */
const MAX_INTEGER_BYTES = 6;

/**
 * Read a pickle of protocol 2 (opcodes: Python's Lib/pickletools.py) to its end. Only what plain data and calls of
 * `world.globals` take is known. Nothing is imported, and no object is given a state but `_metadata`, which torch adds to
 * an OrderedDict and which is dropped.
 *
 * @throws FormatError for other opcodes and globals, for what no pickler writes, and for a pickle that is cut off
 */
export function readPickle(cursor: ByteCursor, { globals, persistent }: PickleWorld): unknown {
  const start = cursor.at;
  const memo = new Map<number, unknown>();
  // A mark begins a group of values; what follows it cannot reach below.
  const groups: unknown[][] = [[]];
  const refuse = (got: string, wanted: string): never => {
    throw new FormatError(`torch file, pickle at byte ${start}, up to byte ${cursor.at}`, { got, wanted });
  };
  const push = (value: unknown) => void groups.at(-1)!.push(value);
  const pop = (count = 1): unknown[] => {
    const group = groups.at(-1)!;
    return group.length < count ? refuse("too few values", `${count}`) : group.splice(group.length - count);
  };
  const popGroup = () => groups.length > 1 ? groups.pop()! : refuse("the end of a group", "its beginning first");
  const text = (length: number) =>
    length <= MAX_TEXT_BYTES ? cursor.text(length) : refuse(`a text of ${length} bytes`, `at most ${MAX_TEXT_BYTES}`);
  const line = () => {
    const length = cursor.bytes.subarray(cursor.at, cursor.at + MAX_TEXT_BYTES).indexOf(0x0a);
    return length < 0 ? refuse("a line without an end", "a name") : text(length + 1).slice(0, -1);
  };
  const integer = (length: number) => {
    if (length > MAX_INTEGER_BYTES) refuse(`an integer of ${length} bytes`, `at most ${MAX_INTEGER_BYTES}`);
    const value = cursor.uint(length);
    push(value < 256 ** length / 2 ? value : value - 256 ** length);
  };
  const put = (index: number) => {
    // Picklers count upward, and each number takes more than a byte.
    if (index > cursor.at - start) refuse(`memo ${index}`, "one that follows the last");
    const [value] = pop();
    push(value);
    memo.set(index, value);
  };
  const get = (index: number) => push(memo.has(index) ? memo.get(index) : refuse(`memo ${index}`, "one that is set"));
  const append = (items: readonly unknown[]) => {
    const list = groups.at(-1)!.at(-1);
    if (!(list instanceof PickleList)) return refuse(describe(list), "a list");
    for (const item of items) list.items.push(item);
  };
  const setItems = (items: readonly unknown[]) => {
    const dict = groups.at(-1)!.at(-1);
    if (!(dict instanceof Map) || items.length % 2 !== 0) return refuse(describe(dict), "a dict, keys and values");
    for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
  };
  const global = (name: string) => {
    if (!globals.has(name)) refuse(`global ${describe(name)}`, `one of ${[...globals.keys()].join(", ")}`);
    push(globals.get(name));
  };
  const call = ([called, args]: readonly unknown[]) => {
    if (typeof called !== "function" || !Array.isArray(args)) return refuse(`a call of ${describe(called)}`, "none");
    push(called(args));
  };
  const build = ([state]: readonly unknown[]) => {
    if (state instanceof Map && state.size === 1 && state.has("_metadata")) return setItems([]);
    refuse("an object with a state", "an OrderedDict with _metadata");
  };
  const opcodes: Readonly<Record<string, () => void>> = {
    N: () => push(null),
    "\x88": () => push(true),
    "\x89": () => push(false),
    K: () => push(cursor.uint(1)),
    M: () => push(cursor.uint(2)),
    J: () => integer(4),
    "\x8a": () => integer(cursor.uint(1)),
    X: () => push(text(cursor.uint(4))),
    U: () => push(text(cursor.uint(1))), // written by Python 2
    "(": () => void groups.push([]),
    ")": () => push([]),
    "\x85": () => push(pop(1)),
    "\x86": () => push(pop(2)),
    "\x87": () => push(pop(3)),
    t: () => push(popGroup()),
    "]": () => push(new PickleList()),
    a: () => append(pop()),
    e: () => append(popGroup()),
    "}": () => push(new Map()),
    s: () => setItems(pop(2)),
    u: () => setItems(popGroup()),
    q: () => put(cursor.uint(1)),
    r: () => put(cursor.uint(4)),
    h: () => get(cursor.uint(1)),
    j: () => get(cursor.uint(4)),
    c: () => global(`${line()} ${line()}`),
    Q: () => push(persistent(pop()[0])),
    R: () => call(pop(2)),
    b: () => build(pop()),
  };
  if (cursor.uint(2) !== 0x0280) refuse("another protocol", "2, as torch.save writes unless it is told otherwise");
  for (let count = 0; count < MAX_OPCODES; count++) {
    const opcode = String.fromCharCode(cursor.uint(1));
    if (opcode === ".") {
      return groups.length === 1 && groups[0]!.length === 1 ? pop()[0] : refuse("a rest", "one value");
    }
    (opcodes[opcode] ?? (() => refuse(`opcode ${describe(opcode)}`, "those of plain data")))();
  }
  return refuse(`more than ${MAX_OPCODES} opcodes`, "a smaller state dict");
}

/** For messages; does not look inside. */
export function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (value === null) return "None";
  if (value instanceof Map) return "a dict";
  if (value instanceof PickleList || Array.isArray(value)) return "a list or tuple";
  return typeof value === "object" || typeof value === "function" ? "an object of torch" : String(value);
}
