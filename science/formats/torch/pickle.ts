import { FormatError } from "../format_error.ts";
import type { ByteCursor } from "../byte_cursor.ts";

/** A Python list. A Python tuple is an array here, a dict a Map with names as keys, and None is null. */
export class PickleList {
  readonly items: unknown[] = [];
}

/** Stands for an object of a program's own, which is not made. */
const UNREAD = {};

/** Enough for 20,000 tensors. The limit protects memory, since an opcode of one byte can make an object of hundreds. */
const MAX_OPCODES = 500_000;
const MAX_TEXT_BYTES = 65_536;
/** Larger than any size in memory, and still exact in a number. */
const MAX_INTEGER_BYTES = 6;

/**
 * Reads a pickle of protocol 2 (opcodes: Python's Lib/pickletools.py) to its end. Only plain data and calls of
 * `globals` are supported. Nothing is imported, and no object is given a state except `_metadata`, which torch adds to
 * an OrderedDict, and which is dropped.
 *
 * @param globals values by `module name`; a function among them may be called, and gets a tuple
 * @param persistent returns the object that is kept outside the pickle under an id
 * @param options.lenient true: objects of other globals are not made but passed over, and so is what a dict has under
 * keys that are no names
 * @throws FormatError for other opcodes and globals, for what no pickler writes, and for a pickle that is cut off
 */
export function readPickle(
  cursor: ByteCursor,
  globals: ReadonlyMap<string, unknown>,
  persistent: (id: unknown) => unknown,
  { lenient = false }: { readonly lenient?: boolean } = {},
): unknown {
  const start = cursor.at;
  const memo = new Map<number, unknown>();
  // A mark begins a group of values. The opcodes after it cannot reach values below the mark.
  const groups: unknown[][] = [[]];
  const refuse = (got: string, wanted: string): never => {
    throw new FormatError(`torch file, pickle at byte ${start}, up to byte ${cursor.at}`, { got, wanted });
  };
  const push = (value: unknown) => void groups.at(-1)!.push(value);
  const pop = (count: number) => {
    const group = groups.at(-1)!;
    return group.length < count ? refuse("too few values", `${count}`) : group.splice(group.length - count);
  };
  const popGroup = () => groups.length > 1 ? groups.pop()! : refuse("the end of a group", "its beginning first");
  const isUnread = () => groups.at(-1)!.at(-1) === UNREAD;
  const top = <T>(type: new () => T): T => {
    const value = groups.at(-1)!.at(-1);
    return value instanceof type ? value : refuse(describe(value), type === PickleList ? "a list" : "a dict");
  };
  const within = (limit: number, length: number) =>
    length <= limit ? length : refuse(`${length} bytes`, `at most ${limit}`);
  const text = (length: number) => cursor.text(within(MAX_TEXT_BYTES, length));
  const line = () => text(cursor.bytes.subarray(cursor.at).indexOf(0x0a) + 1).slice(0, -1);
  const integer = (length: number) => {
    const value = cursor.uint(within(MAX_INTEGER_BYTES, length));
    return value < 256 ** length / 2 ? value : value - 256 ** length;
  };
  const put = (index: number) => {
    // Picklers number memos from 0 upward, and each takes more than a byte, so a larger index is not from a pickler.
    if (index > cursor.at - start) refuse(`memo ${index}`, "the number after the last");
    memo.set(index, groups.at(-1)!.at(-1));
  };
  const get = (index: number) => memo.has(index) ? push(memo.get(index)) : refuse(`memo ${index}`, "one that is set");
  const append = (items: readonly unknown[]) => isUnread() || items.forEach((item) => top(PickleList).items.push(item));
  const setItems = (items: readonly unknown[]) => {
    if (items.length % 2 !== 0) refuse("a key without a value", "pairs");
    if (isUnread()) return;
    const dict = top(Map<unknown, unknown>);
    for (let i = 0; i < items.length; i += 2) {
      if (typeof items[i] === "string") dict.set(items[i], items[i + 1]);
      else if (!lenient) refuse(`${describe(items[i])} as a key`, "a name");
    }
  };
  const global = (name: string) => {
    // Tensors of another type are refused by its name.
    if (lenient && !globals.has(name) && !/^torch \w+Storage$/.test(name)) return push(UNREAD);
    if (!globals.has(name)) refuse(`global ${describe(name)}`, `one of ${[...globals.keys()].join(", ")}`);
    push(globals.get(name));
  };
  const call = ([called, args]: readonly unknown[]) => {
    if (called === UNREAD) return push(UNREAD);
    if (typeof called !== "function" || !Array.isArray(args)) return refuse("a call of no function", "one of torch's");
    push(called(args));
  };
  const build = ([state]: readonly unknown[]) => {
    if (isUnread()) return;
    const known = state instanceof Map && state.size === 1 && state.has("_metadata");
    if (!known || !top(Map)) refuse("an object with a state", "a dict with _metadata");
  };
  const opcodes: Readonly<Record<string, () => void>> = {
    N: () => push(null),
    "\x88": () => push(true),
    "\x89": () => push(false),
    K: () => push(cursor.uint(1)),
    M: () => push(cursor.uint(2)),
    J: () => push(integer(4)),
    "\x8a": () => push(integer(cursor.uint(1))),
    G: () => push(new DataView(cursor.take(8).slice().buffer).getFloat64(0)),
    X: () => push(text(cursor.uint(4))),
    U: () => push(text(cursor.uint(1))), // as Python 2 writes it
    "(": () => void groups.push([]),
    ")": () => push([]),
    "\x85": () => push(pop(1)),
    "\x86": () => push(pop(2)),
    "\x87": () => push(pop(3)),
    t: () => push(popGroup()),
    "]": () => push(new PickleList()),
    a: () => append(pop(1)),
    e: () => append(popGroup()),
    "}": () => push(new Map()),
    s: () => setItems(pop(2)),
    u: () => setItems(popGroup()),
    q: () => put(cursor.uint(1)),
    r: () => put(cursor.uint(4)),
    h: () => get(cursor.uint(1)),
    j: () => get(cursor.uint(4)),
    c: () => global(`${line()} ${line()}`),
    Q: () => push(persistent(pop(1)[0])),
    R: () => call(pop(2)),
    "\x81": () => pop(2)[0] === UNREAD ? push(UNREAD) : refuse('opcode "\x81"', "those of plain data"),
    b: () => build(pop(1)),
  };
  const [proto, protocol] = cursor.take(2);
  if (proto !== 0x80 || protocol !== 2) refuse(`protocol ${protocol}`, "2, as torch.save writes by default");
  for (let count = 0; count < MAX_OPCODES; count++) {
    const opcode = String.fromCharCode(cursor.uint(1));
    if (opcode === ".") {
      return groups.length === 1 && groups[0]!.length === 1 ? pop(1)[0] : refuse("a rest", "one value");
    }
    (opcodes[opcode] ?? (() => refuse(`opcode ${describe(opcode)}`, "those of plain data")))();
  }
  return refuse(`more than ${MAX_OPCODES} opcodes`, "a smaller state dict");
}

/** Describes a value for messages, without its contents. */
export function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (value instanceof Map) return "a dict";
  if (value instanceof PickleList || Array.isArray(value)) return "a list";
  return value !== null && /object|function/.test(typeof value) ? "an object" : String(value ?? "None");
}
