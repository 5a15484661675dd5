import { ByteCursor } from "../byte_cursor.ts";
import { refuse } from "../format_error.ts";
import { DTYPES, type SafetensorsArray, type SafetensorsDType, type SafetensorsTensor } from "../safetensors.ts";
import { openZip } from "../archives.ts";
import { describe, PickleList, readPickle } from "./pickle.ts";

/** The pickle of 0x1950a86a20f9469cfc6c, the magic number of the format that torch.save wrote up to 1.5. */
const LEGACY = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
const LEGACY_PROTOCOL = 1001;
const ZIP = [0x50, 0x4b, 3, 4];
/** torch's own limit. */
const MAX_AXES = 64;

class StorageType {
  constructor(readonly dtype: SafetensorsDType) {}
}

/** All globals that the pickle of a state dict refers to (torch/_utils.py). */
const GLOBALS = new Map<string, unknown>([
  ["collections OrderedDict", orderedDict],
  ["torch._utils _rebuild_tensor", (args: Values) => rebuildTensor([...args, false, new Map()])], // before 0.4
  ["torch._utils _rebuild_tensor_v2", rebuildTensor],
  ["torch._utils _rebuild_parameter", ([tensor]: Values) => tensor],
  ["torch FloatStorage", new StorageType("F32")],
  ["torch DoubleStorage", new StorageType("F64")],
  ["torch IntStorage", new StorageType("I32")],
  ["torch LongStorage", new StorageType("I64")],
  ["torch ByteStorage", new StorageType("U8")],
]);

/** Numbers that tensors are views of. Their bytes come after the pickle. */
class Storage {
  numbers: SafetensorsArray = new Uint8Array();
  constructor(readonly dtype: SafetensorsDType, readonly length: number) {}
}

type PickleOptions = NonNullable<Parameters<typeof readPickle>[3]>;
type Sizes = readonly number[];
type Values = readonly unknown[];
type Storages = Map<string, Storage>;

/** A tensor's view of a storage. Offset and strides count numbers, not bytes. */
class View {
  constructor(readonly storage: Storage, readonly offset: number, readonly shape: Sizes, readonly strides: Sizes) {}
}

/**
 * Reads a file that `torch.save(module.state_dict(), path)` wrote, as a zip or in the legacy format
 * (torch/serialization.py). Nothing in the file is run. Time and memory are bounded by the file's size.
 *
 * @param options.entry the name of a state dict in the file's dict. If it is there, whatever stands beside it is passed
 * over, such as the optimizer's state and a program's own objects, which are not made
 * @returns tensors by name in the order of the file, row-major; tensors that share numbers in the file share a buffer
 * @throws FormatError for a file that is damaged, or holds anything but a dict of dense tensors of float32, float64,
 * int32, int64 and uint8
 */
export async function readTorchStateDict(
  bytes: Uint8Array,
  { entry }: { readonly entry?: string } = {},
): Promise<ReadonlyMap<string, SafetensorsTensor>> {
  const begins = (mark: Sizes) => mark.every((byte, i) => bytes[i] === byte);
  if (!begins(ZIP) && !begins(LEGACY)) refuse("torch file", "other first bytes", "a zip, or torch's legacy format");
  const lenient = entry !== undefined;
  const whole = begins(ZIP) ? await readZip(bytes, { lenient }) : readLegacy(bytes, { lenient });
  const root = whole instanceof Map && lenient && whole.has(entry) ? whole.get(entry) : whole;
  if (!(root instanceof Map)) return refuse("state dict", describe(root), "a dict of tensors");
  const tensors = new Map<string, SafetensorsTensor>();
  // Strides of 0 and shared storages could make a small file unpack to more than the memory.
  let room = bytes.length;
  for (const [name, view] of root) {
    const what = `state dict, ${describe(name)}`;
    if (!(view instanceof View)) return refuse(what, describe(view), "a tensor");
    const { count, inOrder } = layOut(what, view);
    const { numbers } = view.storage;
    if (!inOrder) room -= count * numbers.BYTES_PER_ELEMENT;
    if (room < 0) refuse(what, `${count} numbers out of order`, `no more bytes than the file's ${bytes.length}`);
    const data = inOrder ? numbers.subarray(view.offset, view.offset + count) : gather(view, count);
    tensors.set(name, { shape: view.shape, data });
  }
  return tensors;
}

/** Reads a zip of FOLDER/data.pkl, FOLDER/byteorder (in newer files) and FOLDER/data/KEY. */
async function readZip(bytes: Uint8Array, options: PickleOptions): Promise<unknown> {
  const files = await openZip(bytes, "torch file");
  const total = files.values().reduce((sum, { size }) => sum + size, 0);
  // Files that are compressed or share bytes could make a small zip unpack to more than the memory.
  if (total > bytes.length) {
    refuse("torch file", `${total} bytes in a zip`, `at most its ${bytes.length}, uncompressed`);
  }
  const folders = [...files.keys()].flatMap((name) => /^([^/]+\/)data\.pkl$/.exec(name)?.slice(1) ?? []);
  if (folders.length !== 1) refuse("torch file", `a zip with ${folders.length} data.pkl`, "one, in a folder");
  const read = (name: string) =>
    (files.get(folders[0] + name) ?? refuse("torch file", "nothing", `${describe(name)} in the zip`)).read(total);
  const order = files.has(`${folders[0]}byteorder`) ? new TextDecoder().decode(await read("byteorder")) : "little";
  if (order !== "little") refuse("torch file", `byte order ${describe(order)}`, "little");
  const storages: Storages = new Map();
  const cursor = new ByteCursor("torch file", await read("data.pkl"));
  const root = readPickle(cursor, GLOBALS, (id) => findStorage(storages, id), options);
  for (const [key, storage] of storages) fill(storage, new Uint8Array(await read(`data/${key}`)));
  return root;
}

/**
 * Reads the legacy format, which is five pickles: magic number, protocol, facts of the machine, the object, and the
 * keys of the storages; then the length and numbers of each storage.
 */
function readLegacy(bytes: Uint8Array, options: PickleOptions): unknown {
  const cursor = new ByteCursor("torch file", bytes, LEGACY.length);
  const storages: Storages = new Map();
  const read = () => readPickle(cursor, GLOBALS, (id) => findStorage(storages, id), options);
  const [protocol, machine, root, keys] = [read(), read(), read(), read()];
  if (protocol !== LEGACY_PROTOCOL || !(machine instanceof Map) || machine.get("little_endian") !== true) {
    refuse("torch file", `protocol ${describe(protocol)}`, `${LEGACY_PROTOCOL}, little_endian`);
  }
  for (const key of keys instanceof PickleList ? keys.items : []) {
    const storage = storages.get(key as string) ?? refuse("torch file", `storage ${describe(key)}`, "a tensor's, once");
    storages.delete(key as string);
    const length = cursor.uint(8);
    if (length !== storage.length) refuse("storage in a torch file", `${length} numbers`, `${storage.length}`);
    fill(storage, new Uint8Array(cursor.take(length * DTYPES[storage.dtype].BYTES_PER_ELEMENT)));
  }
  const left = bytes.length - cursor.at;
  if (storages.size + left > 0) refuse("torch file's end", `${storages.size} storages, ${left} bytes more`, "no more");
  return root;
}

/** @param bytes a copy, so that it begins at an address that is aligned for the numbers */
function fill(storage: Storage, bytes: Uint8Array<ArrayBuffer>): void {
  const wanted = storage.length * DTYPES[storage.dtype].BYTES_PER_ELEMENT;
  if (bytes.length !== wanted) refuse("storage in a torch file", `${bytes.length} bytes`, `${wanted}`);
  storage.numbers = new DTYPES[storage.dtype](bytes.buffer);
}

/**
 * Returns the storage of a persistent id ("storage", type, key, device, length), to be filled later. In legacy files
 * the id has a view as well, which must be None.
 */
function findStorage(storages: Storages, id: unknown): Storage {
  const [kind, type, key, device, length, view] = Array.isArray(id) ? id : [];
  const texts = kind === "storage" && typeof key === "string" && typeof device === "string";
  if (!texts || !(type instanceof StorageType) || !isSize(length) || (view ?? null) !== null) {
    return refuse("persistent id in a torch file", describe(id), "type, key, device and length of a storage");
  }
  const storage = storages.get(key) ?? new Storage(type.dtype, length);
  if (storage.dtype !== type.dtype || storage.length !== length) {
    refuse(`storage ${describe(key)}`, `${length} ${type.dtype}`, `${storage.length} ${storage.dtype}, as before`);
  }
  storages.set(key, storage);
  return storage;
}

function orderedDict([list, ...rest]: Values): Map<unknown, unknown> {
  // Python 2 passes a list of pairs. The list is emptied, since many calls could refer to one long list.
  const pairs = list instanceof PickleList ? list.items.splice(0) : list === undefined ? [] : [null];
  const entries = pairs.map((pair) => pair instanceof PickleList && pair.items.length === 2 ? pair.items : [null]);
  if (rest.length > 0 || entries.some(([key]) => typeof key !== "string")) {
    refuse("OrderedDict in a torch file", "other arguments", "a list of names and values");
  }
  return new Map(entries as [unknown, unknown][]);
}

function rebuildTensor([storage, offset, shape, strides, , hooks, ...rest]: Values): View {
  const plain = hooks instanceof Map && hooks.size === 0 && rest.length === 0;
  const sizes = isSize(offset) && isSizes(shape) && isSizes(strides) && shape.length === strides.length;
  if (!plain || !sizes || !(storage instanceof Storage)) {
    return refuse("tensor in a torch file", "other arguments", "storage, offset, shape, strides and no hooks");
  }
  return new View(storage, offset, shape, strides);
}

function layOut(what: string, { storage, offset, shape, strides }: View) {
  if (shape.includes(0)) return { count: 0, inOrder: true };
  let [count, last, inOrder] = [1, offset, true];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const [length, stride] = [shape[axis]!, strides[axis]!];
    inOrder &&= length === 1 || stride === count;
    last += (length - 1) * stride;
    count *= length;
  }
  if (last >= storage.length) refuse(what, `${last + 1} numbers of its storage`, `at most ${storage.length}`);
  return { count, inOrder };
}

/** Returns the numbers of a view, row-major. */
function gather({ storage, offset, shape, strides }: View, count: number): SafetensorsArray {
  // The copy is the same for all kinds of arrays, so one type stands for all.
  const [from, gathered] = [storage.numbers as Float64Array, new DTYPES[storage.dtype](count) as Float64Array];
  let next = 0;
  const copy = (axis: number, at: number) => {
    if (axis === shape.length) gathered[next++] = from[at]!;
    else for (let i = 0; i < shape[axis]!; i++) copy(axis + 1, at + i * strides[axis]!);
  };
  copy(0, offset);
  return gathered as SafetensorsArray;
}

function isSize(value: unknown): value is number {
  return typeof value === "number" && value >= 0;
}

function isSizes(value: unknown): value is Sizes {
  return Array.isArray(value) && value.length <= MAX_AXES && value.every(isSize);
}
