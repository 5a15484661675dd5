import { FormatError } from "../format_error.ts";
import type { SafetensorsTensor } from "../safetensors.ts";
import { DTYPES, type SafetensorsArray, type SafetensorsDType } from "../safetensors_dtype.ts";
import { ByteCursor } from "./byte_cursor.ts";
import { describe, PickleList, type PickleWorld, readPickle } from "./pickle.ts";
import { openStoredZip } from "./stored_zip.ts";

/** The pickle of 0x1950a86a20f9469cfc6c, torch's mark of the format that torch.save wrote up to 1.5. */
const LEGACY = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
const LEGACY_PROTOCOL = 1001;
const ZIP = [0x50, 0x4b, 3, 4];
/** torch's own limit. */
const MAX_AXES = 64;

class StorageType {
  constructor(readonly dtype: SafetensorsDType) {}
}

const STORAGE_TYPES = new Map<string, unknown>([
  ["torch FloatStorage", new StorageType("F32")],
  ["torch DoubleStorage", new StorageType("F64")],
  ["torch IntStorage", new StorageType("I32")],
  ["torch LongStorage", new StorageType("I64")],
  ["torch ByteStorage", new StorageType("U8")],
]);

/** Numbers that tensors are views of. */
class Storage {
  data: SafetensorsArray = new Uint8Array();
  constructor(readonly dtype: SafetensorsDType, readonly length: number) {}
}

/** Offset and strides count elements. */
class StorageView {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/**
 * Read what `torch.save(module.state_dict(), path)` wrote, as zip or in the legacy format (torch/serialization.py).
 * Nothing in the file is run. Time and memory are bounded by its size.
 *
 * @returns tensors by name, row-major, in the order of the file; those that share numbers there share a buffer here
 * @throws FormatError for a file that is damaged, or holds anything but a dict of tensors of float32, float64, int32,
 * int64 and uint8 in the processor's memory order
 */
export function readTorchStateDict(bytes: Uint8Array): ReadonlyMap<string, SafetensorsTensor> {
  const storages = new Map<string, Storage>();
  const begins = (mark: readonly number[]) => mark.every((byte, i) => bytes[i] === byte);
  if (!begins(LEGACY) && !begins(ZIP)) refuse("torch file", "other first bytes", "a zip, or torch's legacy format");
  const root = begins(ZIP) ? readZip(bytes, storages) : readLegacy(bytes, storages);
  if (!(root instanceof Map)) return refuse("state dict", describe(root), "a dict of tensors");

  const tensors = new Map<string, SafetensorsTensor>();
  let copied = 0;
  for (const [name, view] of root) {
    const what = `state dict, ${describe(name)}`;
    if (typeof name !== "string" || !(view instanceof StorageView)) return refuse(what, describe(view), "a tensor");
    const { count, inOrder } = layOut(what, view);
    const { dtype, data } = view.storage;
    if (!inOrder) copied += count * DTYPES[dtype].bytes;
    // Strides of 0 and shared storages could make a small file hold more than there is memory.
    if (copied > bytes.length) refuse(what, `${copied} bytes out of order`, `at most the file's ${bytes.length}`);
    const numbers = inOrder ? data.subarray(view.offset, view.offset + count) : gather(view, count);
    tensors.set(name, { dtype, shape: view.shape, data: numbers });
  }
  return tensors;
}

/** FOLDER/data.pkl, FOLDER/byteorder (not before torch 2.0) and FOLDER/data/KEY. */
function readZip(bytes: Uint8Array, storages: Map<string, Storage>): unknown {
  const files = openStoredZip(bytes);
  const folders = [...files.keys()].flatMap((name) => /^([^/]+\/)data\.pkl$/.exec(name)?.slice(1) ?? []);
  if (folders.length !== 1) refuse("torch file", `a zip with ${folders.length} data.pkl`, "one, in a folder");
  const read = (name: string) => {
    const file = files.get(folders[0] + name);
    return file === undefined ? refuse("torch file", "nothing", `a file ${describe(name)} in the zip`) : file();
  };
  const order = files.has(`${folders[0]}byteorder`) ? new TextDecoder().decode(read("byteorder")) : "little";
  if (order !== "little") refuse("torch file", `byte order ${describe(order)}`, "little");
  const root = readPickle(new ByteCursor(read("data.pkl")), torchWorld(storages));
  for (const [key, storage] of storages) fill(storage, key, read(`data/${key}`));
  return root;
}

/** Five pickles: mark, protocol, facts of the machine, the object, keys of storages; then each storage, with its length. */
function readLegacy(bytes: Uint8Array, storages: Map<string, Storage>): unknown {
  const cursor = new ByteCursor(bytes, LEGACY.length);
  const world = torchWorld(storages);
  const protocol = readPickle(cursor, world);
  if (protocol !== LEGACY_PROTOCOL) refuse("torch file", `protocol ${describe(protocol)}`, `${LEGACY_PROTOCOL}`);
  const machine = readPickle(cursor, world);
  if (!(machine instanceof Map && machine.get("little_endian") === true)) {
    refuse("torch file", "another byte order", "little_endian");
  }
  const root = readPickle(cursor, world);
  const keys = readPickle(cursor, world);
  if (
    !(keys instanceof PickleList) || keys.items.length !== storages.size || new Set(keys.items).size !== storages.size
  ) {
    return refuse("torch file", "other keys of storages", "each that a tensor has, once");
  }
  for (const key of keys.items) {
    const storage = storages.get(key as string) ?? refuse("torch file", `storage ${describe(key)}`, "one of a tensor");
    const length = cursor.uint(8);
    if (length !== storage.length) refuse(`storage ${describe(key)}`, `${length} numbers`, `${storage.length}`);
    fill(storage, key, cursor.take(length * DTYPES[storage.dtype].bytes));
  }
  if (cursor.at !== bytes.length) refuse("torch file", `${bytes.length} bytes`, `${cursor.at}`);
  return root;
}

function fill(storage: Storage, key: unknown, bytes: Uint8Array): void {
  const { bytes: size, array } = DTYPES[storage.dtype];
  if (bytes.length !== storage.length * size) {
    refuse(`storage ${describe(key)}`, `${bytes.length} bytes`, `${storage.length * size}`);
  }
  // A copy begins at an address that the numbers can have.
  storage.data = new array(new Uint8Array(bytes).buffer);
}

/** All that the pickle of a state dict names (torch/_utils.py). */
function torchWorld(storages: Map<string, Storage>): PickleWorld {
  return {
    globals: new Map<string, unknown>([
      ...STORAGE_TYPES,
      ["collections OrderedDict", orderedDict],
      ["torch._utils _rebuild_tensor_v2", rebuildTensor],
      ["torch._utils _rebuild_parameter", ([tensor]: readonly unknown[]) => tensor],
    ]),
    persistent(id) {
      const [kind, type, key, location, length, view] = Array.isArray(id) ? id : [];
      const good = kind === "storage" && type instanceof StorageType && typeof key === "string" && isSize(length);
      if (!good || typeof location !== "string" || (view ?? null) !== null) {
        return refuse("persistent id in a pickle", describe(id), "type, key, device and length of a storage");
      }
      const known = storages.get(key) ?? new Storage(type.dtype, length);
      if (known.dtype !== type.dtype || known.length !== length) {
        refuse(`storage ${describe(key)}`, `${length} ${type.dtype}`, `${known.length} ${known.dtype}, as before`);
      }
      storages.set(key, known);
      return known;
    },
  };
}

function orderedDict([list, ...rest]: readonly unknown[]): Map<unknown, unknown> {
  if (list === undefined) return new Map();
  // Python 2 gives a list of pairs. It is emptied, for many calls could name one long list.
  const pairs = list instanceof PickleList ? list.items.splice(0) : [null];
  const entries = pairs.map((pair) => pair instanceof PickleList && pair.items.length === 2 ? pair.items : null);
  if (rest.length > 0 || entries.includes(null)) {
    refuse("OrderedDict in a pickle", "other arguments", "a list of pairs");
  }
  return new Map(entries as [unknown, unknown][]);
}

function rebuildTensor([storage, offset, shape, strides, , hooks, ...rest]: readonly unknown[]): StorageView {
  const plain = hooks instanceof Map && hooks.size === 0 && rest.length === 0;
  if (!plain || !(storage instanceof Storage) || !isSize(offset) || !isSizes(shape) || !isSizes(strides)) {
    return refuse("tensor in a pickle", "other arguments", "storage, offset, shape, strides and no hooks");
  }
  if (shape.length !== strides.length) refuse("tensor in a pickle", `${strides.length} strides`, `${shape.length}`);
  return new StorageView(storage, offset, shape, strides);
}

function layOut(what: string, { storage, offset, shape, strides }: StorageView) {
  const empty = shape.includes(0);
  let [count, last, inOrder] = [1, offset, true];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const [length, stride] = [shape[axis]!, strides[axis]!];
    inOrder &&= length === 1 || stride === count;
    last += (length - 1) * stride;
    count *= length;
  }
  if (!empty && last >= storage.length) refuse(what, `its last number at ${last}`, `one of ${storage.length}`);
  return empty ? { count: 0, inOrder: true } : { count, inOrder };
}

/** The numbers of a view one row after the other. */
function gather({ storage: { dtype, data }, offset, shape, strides }: StorageView, count: number): SafetensorsArray {
  const { bytes, array } = DTYPES[dtype];
  const numbers = new array(new ArrayBuffer(count * bytes));
  let next = 0;
  const copy = (axis: number, from: number) => {
    if (axis === shape.length) numbers[next++] = data[from]!;
    else for (let i = 0; i < shape[axis]!; i++) copy(axis + 1, from + i * strides[axis]!);
  };
  copy(0, offset);
  return numbers;
}

function isSize(value: unknown): value is number {
  return typeof value === "number" && value >= 0;
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length <= MAX_AXES && value.every(isSize);
}

function refuse(what: string, got: string, wanted: string): never {
  throw new FormatError(what, { got, wanted });
}
