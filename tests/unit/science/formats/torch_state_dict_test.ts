/** Files in tests/golden/torch were written by torch 2.15.0, with dev/fid/make_torch_fixtures.py. */
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { zipSync } from "fflate";
import { FormatError } from "../../../../science/formats/format_error.ts";
import { decodeSafetensors } from "../../../../science/formats/safetensors.ts";
import { readTorchStateDict } from "../../../../science/formats/torch/state_dict.ts";

const FOLDER = new URL("../../../golden/torch/", import.meta.url);
const golden = (name: string) => Deno.readFileSync(new URL(name, FOLDER));
const ZIP = golden("zip.pth");
const LEGACY = golden("legacy.pth");

/** Encodes a text with one byte per character. */
function latin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

const chars = (...bytes: number[]) => String.fromCharCode(...bytes);
const uint = (value: number, size: number) =>
  chars(...Array.from({ length: size }, (_, i) => Math.floor(value / 256 ** i) % 256));
const str = (value: string) => `X${uint(value.length, 4)}${value}`;
/** LONG1 for numbers that BININT cannot hold. */
const int = (value: number) => value < 2 ** 31 ? `J${uint(value, 4)}` : `\x8a\x06${uint(value, 6)}`;
const tuple = (...items: string[]) => `(${items.join("")}t`;
const call = (name: string, ...args: string[]) => `c${name.replace(" ", "\n")}\n${tuple(...args)}R`;

const ORDERED_DICT = call("collections OrderedDict");
const storage = (length: number, { type = "Float", key = "0" } = {}) =>
  `${tuple(str("storage"), `ctorch\n${type}Storage\n`, str(key), str("cpu"), int(length))}Q`;
const tensor = (from: string, shape: number[], strides: number[], offset = 0) =>
  call(
    "torch._utils _rebuild_tensor_v2",
    from,
    int(offset),
    tuple(...shape.map(int)),
    tuple(...strides.map(int)),
    "\x89",
    ORDERED_DICT,
  );
const dict = (items: Record<string, string>) =>
  `}(${Object.entries(items).map(([name, value]) => str(name) + value).join("")}u`;

const MARK = "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
const MACHINE = `\x80\x02${dict({ little_endian: "\x88" })}.`;
const HEAD = `${MARK}\x80\x02M\xe9\x03.${MACHINE}`;
const TWO = "\0\0\x80\x3f\0\0\0\x40";
/** Returns a legacy file with one storage, 0, of two numbers: 1 and 2. */
const legacy = (pickle: string, tail = `\x80\x02](${str("0")}e.${uint(2, 8)}${TWO}`) =>
  latin1(`${HEAD}\x80\x02${pickle}.${tail}`);
const zip = (pickle: string, files: Record<string, Uint8Array> = { "data/0": latin1(TWO) }) => {
  const all = Object.entries({ "data.pkl": latin1(`\x80\x02${pickle}.`), ...files });
  return zipSync(Object.fromEntries(all.map(([name, bytes]) => [`a/${name}`, bytes])), { level: 0 });
};
const WEIGHT = tensor(storage(2), [2], [1]);

for (const [name, file] of [["a zip", ZIP], ["the legacy format", LEGACY]] as const) {
  Deno.test(`readTorchStateDict() reads from ${name} what torch says is in it`, async () => {
    const { tensors, metadata } = decodeSafetensors(golden("wanted.safetensors"));
    const read = await readTorchStateDict(file);
    assertEquals([...read.keys()], metadata.order!.split("\n"));
    for (const [name, { shape, data }] of read) {
      assertEquals({ name, shape, data: [...data] }, {
        name,
        ...tensors[name]!,
        data: [...tensors[name]!.data],
      });
    }
    // Typed arrays compare 0 and -0 as equal.
    assert(Object.is(read.get("special")!.data[2], -0));
  });
}

Deno.test("tensors that share numbers in the file share them here", async () => {
  const read = await readTorchStateDict(LEGACY);
  assertStrictEquals(read.get("shared.part")!.data.buffer, read.get("shared.all")!.data.buffer);
});

Deno.test("the bytes may lie anywhere in a buffer, also in one of Node's", async () => {
  const shifted = new Uint8Array(LEGACY.length + 3);
  shifted.set(LEGACY, 3);
  for (const bytes of [shifted.subarray(3), Buffer.from(LEGACY)]) {
    assertEquals(await readTorchStateDict(bytes), await readTorchStateDict(LEGACY));
  }
});

Deno.test("what Python 2 and torch before 0.4 pickled is read: text in bytes, an OrderedDict of pairs, other calls", async () => {
  const tensor = call("torch._utils _rebuild_tensor", storage(2), int(0), tuple(int(2)), tuple(int(1)));
  const pair = `]q\x02(U\x06weight${tensor}e`;
  const old = `ccollections\nOrderedDict\nq\x01](${pair}e\x85R}U\x09_metadata}sb`;
  assertEquals([...await readTorchStateDict(legacy(old))].map(([name, { data }]) => [name, [...data]]), [["weight", [
    1,
    2,
  ]]]);
});

Deno.test("files made here are read, so that those below are refused for what is wrong with them", async () => {
  const wanted = new Map([["weight", { shape: [2], data: Float32Array.of(1, 2) }]]);
  assertEquals(await readTorchStateDict(legacy(dict({ weight: WEIGHT }))), wanted);
  assertEquals(await readTorchStateDict(zip(dict({ weight: WEIGHT }))), wanted);
});

const REFUSED: Record<string, readonly [file: Uint8Array, message: string]> = {
  // Files that torch itself saves, and that we do not read.
  "a checkpoint around the state dict": [golden("checkpoint.pth"), 'state dict, "epoch": got 3, wanted a tensor'],
  "another dtype": [golden("bfloat16.pth"), 'got global "torch BFloat16Storage"'],
  "another protocol": [golden("protocol4.pth"), "got protocol 4, wanted 2"],
  "a module, which is code": [golden("module.pth"), 'got global "torch.nn.modules.linear Linear"'],
  // Files that are not torch files.
  "no bytes": [new Uint8Array(), "got other first bytes"],
  "other bytes": [latin1("\x80\x02}."), "got other first bytes, wanted a zip, or torch's legacy format"],
  "a changed mark": [latin1(HEAD.replace("\x19.", "\x18.")), "got other first bytes"],
  "another protocol of torch": [latin1(`${MARK}\x80\x02M\xea\x03.${MACHINE}\x80\x02}.\x80\x02].`), "protocol 1002"],
  "big-endian numbers": [latin1(`${HEAD.replace("\x88", "\x89")}\x80\x02}.\x80\x02].`), "wanted 1001, little_endian"],
  "big-endian numbers in a zip": [zip("}", { byteorder: latin1("big") }), 'byte order "big"'],
  // Code.
  "a function of the system": [legacy(call("os system", str("id"))), 'got global "os system"'],
  "a function of the system in a zip": [zip(call("builtins eval", str("1"))), 'got global "builtins eval"'],
  "another function of torch": [legacy(call("torch load", str("x"))), 'got global "torch load"'],
  "a known name in another module": [legacy(call("x OrderedDict")), 'got global "x OrderedDict"'],
  "a call of a class": [legacy(call("torch FloatStorage")), "got a call of no function"],
  "a call of data": [legacy(`${str("x")})R`), "got a call of no function"],
  "a call without a tuple": [legacy("ccollections\nOrderedDict\n]R"), "got a call of no function"],
  "INST": [legacy("(ios\nsystem\n"), 'got opcode "i"'],
  "OBJ": [legacy("(ctorch\nFloatStorage\no"), 'got opcode "o"'],
  "NEWOBJ": [legacy("ctorch\nFloatStorage\n)\x81"), "got opcode"],
  "EXT1": [legacy("\x82\x01"), "got opcode"],
  "a persistent id as text": [legacy("P0\n"), 'got opcode "P"'],
  "a state other than _metadata": [legacy(`}}${str("x")}Nsb`), "got an object with a state"],
  "a state of what is no dict": [legacy(`N}${str("_metadata")}Nsb`), "got None"],
  "a global without an end": [latin1(`${HEAD}\x80\x02cos`), "got global"],
  // Wrong persistent ids.
  "an id that is no tuple": [legacy("NQ"), "persistent id"],
  "an id of another kind": [legacy(`${tuple(str("module"), "N", "N", "N", "N")}Q`), "persistent id"],
  "an id without a class": [legacy(storage(2).replace("ctorch\nFloatStorage\n", str("F32"))), "persistent id"],
  "an id with a negative length": [legacy(storage(-1)), "persistent id"],
  "an id with a view": [legacy(storage(2).replace("tQ", `${tuple(str("v"), int(0), int(1))}tQ`)), "persistent id"],
  "one key with two lengths": [legacy(`${storage(2)}${storage(1)}`), 'storage "0": got 1 F32, wanted 2 F32, as before'],
  "one key with two types": [legacy(`${storage(2)}${storage(2, { type: "Int" })}`), "got 2 I32, wanted 2 F32"],
  "a length beyond the file": [legacy(dict({ a: tensor(storage(2 ** 46), [1], [1]) })), "got 2 numbers"],
  "both lengths beyond the file": [
    legacy(dict({ a: tensor(storage(2 ** 46), [1], [1]) }), `\x80\x02](${str("0")}e.${uint(2 ** 46, 8)}${TWO}`),
    `got 8 bytes, wanted ${2 ** 48} from byte`,
  ],
  "a length that overflows": [
    legacy(dict({ a: WEIGHT }), `\x80\x02](${str("0")}e.${"\xff".repeat(8)}${TWO}`),
    "numbers, wanted 2",
  ],
  "a storage that has no numbers": [legacy(dict({ a: WEIGHT }), "\x80\x02]."), "got 1 storages, 0 bytes more"],
  "numbers of no storage": [legacy("}"), 'got storage "0"'],
  "numbers of one storage twice": [
    legacy(dict({ a: WEIGHT }), `\x80\x02](${str("0")}${str("0")}e.${uint(2, 8)}${TWO}`),
    'storage "0"',
  ],
  "bytes left over": [
    legacy(dict({ a: WEIGHT }), `\x80\x02](${str("0")}e.${uint(2, 8)}${TWO}x`),
    "got 0 storages, 1 bytes more",
  ],
  "a storage that the zip has not": [zip(dict({ a: tensor(storage(2, { key: "1" }), [2], [1]) })), '"data/1"'],
  "a storage out of the folder": [zip(dict({ a: tensor(storage(2, { key: "../0" }), [2], [1]) })), '"data/../0"'],
  "a storage of another size in the zip": [zip(dict({ a: tensor(storage(3), [2], [1]) })), "got 8 bytes, wanted 12"],
  // Wrong tensors.
  "a view beyond its storage": [legacy(dict({ a: tensor(storage(2), [2], [1], 1) })), "got 3 numbers of its storage"],
  "strides beyond the storage": [legacy(dict({ a: tensor(storage(2), [2], [2]) })), "got 3 numbers of its storage"],
  "a shape that overflows": [
    legacy(dict({ a: tensor(storage(2), [2 ** 40, 2 ** 40], [2 ** 40, 1]) })),
    "of its storage",
  ],
  "more numbers than memory, by strides of 0": [
    legacy(dict({ a: tensor(storage(2), [2 ** 40, 2], [0, 1]) })),
    `got ${2 ** 41} numbers out of order, wanted no more bytes than the file's`,
  ],
  "more axes than torch has": [
    legacy(dict({ a: tensor(storage(2), Array(65).fill(1), Array(65).fill(1)) })),
    "got other arguments",
  ],
  "strides for other axes": [legacy(dict({ a: tensor(storage(2), [2], [1, 1]) })), "got other arguments"],
  "a negative shape": [legacy(dict({ a: tensor(storage(2), [-1], [1]) })), "got other arguments"],
  "a tensor of no storage": [legacy(dict({ a: tensor("N", [2], [1]) })), "got other arguments"],
  "a tensor of a tensor": [legacy(dict({ a: tensor(WEIGHT, [2], [1]) })), "got other arguments"],
  "a tensor with hooks": [
    legacy(dict({ a: WEIGHT.replace(`${ORDERED_DICT}tR`, `${dict({ x: "N" })}tR`) })),
    "got other arguments",
  ],
  "a tensor with bits of sign": [
    legacy(dict({ a: WEIGHT.replace(`${ORDERED_DICT}tR`, `${ORDERED_DICT}${dict({ neg: "\x88" })}tR`) })),
    "got other arguments",
  ],
  "a parameter of data": [
    legacy(dict({ a: call("torch._utils _rebuild_parameter", int(3), "\x88", ORDERED_DICT) }), "\x80\x02]."),
    'state dict, "a": got 3, wanted a tensor',
  ],
  "an OrderedDict of a text": [legacy(call("collections OrderedDict", str("x"))), "OrderedDict"],
  "an OrderedDict of no pairs": [legacy(call("collections OrderedDict", "](]e")), "OrderedDict"],
  // Objects that are not state dicts.
  "a tensor alone": [legacy(WEIGHT), "state dict: got an object, wanted a dict of tensors"],
  "a nested dict": [legacy(dict({ a: WEIGHT, b: "}" })), 'state dict, "b": got a dict, wanted a tensor'],
  "a dict in itself": [legacy(`}q\0${str("a")}h\0s`, "\x80\x02]."), 'state dict, "a": got a dict'],
  "a name that is a number": [legacy(`}K\x03${WEIGHT}s`), "got 3 as a key, wanted a name"],
  "a storage as a tensor": [legacy(dict({ a: storage(2) })), 'state dict, "a": got an object'],
  // Pickles that no pickler writes.
  "a memo of a huge number": [legacy("}r\xff\xff\xff\xff"), "got memo 4294967295"],
  "a memo that is not set": [legacy("h\x05"), "got memo 5, wanted one that is set"],
  "nothing on the stack": [legacy("R"), "got too few values, wanted 2"],
  "an end without a mark": [legacy("t"), "got the end of a group"],
  "a mark without an end": [legacy("}("), "wanted one value"],
  "two values": [legacy("}}"), "wanted one value"],
  "below a mark": [legacy("}(q\0a"), "wanted 1"],
  "a key without a value": [legacy("}(Nu"), "got a key without a value"],
  "items of what is no dict": [legacy("](NNu"), "wanted a dict"],
  "appending to what is no list": [legacy("}Na"), "wanted a list"],
  "an integer of many bytes": [legacy(`\x8a\xff${"\x7f".repeat(255)}`), "got 255 bytes, wanted at most 6"],
  "a text beyond the file": [legacy("X\xff\xff\xff\x7f"), "got 2147483647 bytes"],
  "a name of a large": [legacy(dict({ ["n".repeat(2 ** 20)]: "N" })), "got 1048576 bytes, wanted at most 65536"],
  "dicts without end": [legacy("}".repeat(500_001)), "got more than 500000 opcodes"],
  "marks in marks without end": [legacy("(".repeat(500_001)), "got more than 500000 opcodes"],
  // Wrong zips.
  "a zip without a pickle": [zipSync({ "a/data/0": latin1(TWO) }, { level: 0 }), "a zip with 0 data.pkl"],
  "a zip with two pickles": [
    zipSync({ "a/data.pkl": latin1("N."), "b/data.pkl": latin1("N.") }, { level: 0 }),
    "with 2",
  ],
  "a compressed file": [zipSync({ "a/data.pkl": new Uint8Array(9999) }), "wanted at most its"],
  "a name that leads out": [zipSync({ "a/../../x": latin1("x") }, { level: 0 }), "invalid relative path"],
};

Deno.test("a long list that many calls name is read once", async () => {
  // 10,000 pairs in 10,000 calls: if they were read each time, that would be 10^8.
  const pickle = `](${`](${str("a")}Ne`.repeat(10_000)}eq\0${"ccollections\nOrderedDict\nh\0\x85R".repeat(10_000)}`;
  await assertRejects(() => readTorchStateDict(legacy(pickle)), FormatError, "wanted one value");
});

for (const [name, [file, message]] of Object.entries(REFUSED)) {
  Deno.test(`readTorchStateDict() refuses ${name}`, async () => {
    await assertRejects(() => readTorchStateDict(file), FormatError, message);
  });
}

/** Returns a zip with a changed field in one of its directory's entries. */
function withEntry(entry: number, field: number, size: 2 | 4, value: number): Uint8Array {
  const bytes = zip(dict({ weight: WEIGHT }));
  const view = new DataView(bytes.buffer);
  let at = view.getUint32(bytes.length - 6, true);
  for (let i = 0; i < entry; i++) at += 46 + view.getUint16(at + 28, true);
  if (size === 2) view.setUint16(at + field, value, true);
  else view.setUint32(at + field, value, true);
  return bytes;
}

Deno.test("a zip whose directory lies about a file is refused", async () => {
  for (
    const [field, size, value, message] of [
      [16, 4, 1, "checksum of a/data/0: got"],
      [20, 4, 9, "9 != 8"],
      [24, 4, 2 ** 32 - 1, "8 != 4294967295"],
      [42, 4, 0, "one name in both places"], // the first file's offset
      [42, 4, 2 ** 32 - 1, "got no file"],
      [42, 4, 3, "got no file"],
    ] as const
  ) await assertRejects(() => readTorchStateDict(withEntry(1, field, size, value)), FormatError, message);
});

Deno.test("a zip with more or fewer files than its end says is refused", async () => {
  for (
    const [count, message] of [[1, "a directory that goes on"], [3, "unexpected EOF"], [
      65535,
      "unexpected EOF",
    ]] as const
  ) {
    const bytes = zip(dict({ weight: WEIGHT }));
    new DataView(bytes.buffer).setUint16(bytes.length - 12, count, true);
    await assertRejects(() => readTorchStateDict(bytes), FormatError, message);
  }
});

Deno.test("a zip with two files of one name, or files that share bytes, is refused", async () => {
  const bytes = zip(dict({ weight: WEIGHT }), { "data/0": latin1(TWO), "data/1": latin1(TWO) });
  const twice = latin1(new TextDecoder("latin1").decode(bytes).replaceAll("a/data/1", "a/data/0"));
  await assertRejects(() => readTorchStateDict(twice), FormatError, "names that differ");

  const large = zip(dict({ weight: WEIGHT }), { "data/0": new Uint8Array(2 ** 16) });
  const view = new DataView(large.buffer);
  const start = view.getUint32(large.length - 6, true);
  // The last entry 100 times, under other names.
  const entry = large.slice(start + 46 + "a/data.pkl".length, large.length - 22);
  const entries = Array.from({ length: 100 }, (_, i) => {
    const copy = entry.slice();
    copy[copy.length - 1] = 128 + i;
    return [...copy];
  }).flat();
  const end = large.slice(-22);
  new DataView(end.buffer).setUint16(10, 100, true);
  new DataView(end.buffer).setUint32(12, entries.length, true);
  const bomb = Uint8Array.from([...large.subarray(0, start), ...entries, ...end]);
  await assertRejects(() => readTorchStateDict(bomb), FormatError, "one name in both places");
});

Deno.test("many tensors that order one storage anew are refused before they fill the memory", async () => {
  const square = tensor(`${storage(1024)}q\0`, [32, 32], [1, 32]);
  const again = tensor("h\0", [32, 32], [1, 32]);
  const names = Array.from({ length: 99 }, (_, i) => [`${i}`, i === 0 ? square : again]);
  const file = zip(dict(Object.fromEntries(names)), { "data/0": new Uint8Array(4096) });
  await assertRejects(() => readTorchStateDict(file), FormatError, "out of order");
});

/** Reads any bytes, which gives a state dict or a FormatError. */
async function readOrRefuse(bytes: Uint8Array) {
  try {
    const read = await readTorchStateDict(bytes);
    const buffers = new Set<ArrayBuffer>();
    for (const [name, { shape, data }] of read) {
      assertEquals(typeof name, "string");
      assertEquals(data.length, shape.includes(0) ? 0 : shape.reduce((product, length) => product * length, 1));
      buffers.add(data.buffer);
    }
    const total = [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0);
    assert(total <= 2 * bytes.length, `${total} bytes of a file of ${bytes.length}`);
    return read;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return undefined;
  }
}

Deno.test("a file that is cut off anywhere is refused", async () => {
  const small = [legacy(dict({ weight: WEIGHT })), zip(dict({ weight: WEIGHT }))];
  // Trying each length of a golden file would take seconds.
  for (const [file, step] of [[ZIP, 17], [LEGACY, 17], [small[0]!, 1], [small[1]!, 1]] as const) {
    for (let length = 0; length < file.length; length += step) {
      await assertRejects(() => readTorchStateDict(file.subarray(0, length)), FormatError);
    }
  }
});

Deno.test("a zip with any byte changed gives the same tensors or is refused", async () => {
  const wanted = await readTorchStateDict(ZIP);
  const change = fc.tuple(fc.nat(ZIP.length - 1), fc.integer({ min: 1, max: 255 }));
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
      const bytes = ZIP.slice();
      for (const [at, bits] of changes) bytes[at]! ^= bits;
      const read = await readOrRefuse(bytes);
      if (read !== undefined) assertEquals(read, wanted);
    }),
    { numRuns: 300 },
  );
});

Deno.test("any change of a legacy file, which has no checksums, gives whole tensors or is refused", async () => {
  const change = fc.tuple(fc.nat(LEGACY.length - 1), fc.nat(255));
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
      const bytes = LEGACY.slice();
      for (const [at, byte] of changes) bytes[at] = byte;
      await readOrRefuse(bytes);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("any row of opcodes gives whole tensors or is refused", async () => {
  const pieces = [
    "N",
    "\x88",
    "K\x02",
    "K\0",
    str("a"),
    str("_metadata"),
    "(",
    ")",
    "\x85",
    "\x86",
    "\x87",
    "t",
    "]",
    "a",
  ];
  pieces.push("e", "}", "s", "u", "q\0", "q\x01", "h\0", "h\x01", "Q", "R", "b", ".", storage(2), WEIGHT, ORDERED_DICT);
  pieces.push(
    "ctorch._utils\n_rebuild_tensor_v2\n",
    "ccollections\nOrderedDict\n",
    "ctorch\nLongStorage\n",
    "\x8a\x01\xff",
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...pieces), { maxLength: 30 }), async (row) => {
      await readOrRefuse(legacy(row.join("")));
      await readOrRefuse(zip(row.join("")));
    }),
    { numRuns: 1000 },
  );
});
