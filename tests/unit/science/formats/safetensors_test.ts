import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { FormatError } from "../../../../science/formats/format_error.ts";
import {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsTensor,
} from "../../../../science/formats/safetensors.ts";

const encoder = new TextEncoder();

/** Returns the bytes of a file. */
const encode = (file: Parameters<typeof encodeSafetensors>[0]) =>
  new Uint8Array(Buffer.concat(encodeSafetensors(file)));

/** Returns a file with this header, written by hand. */
function fileOf(header: string | Uint8Array, data: number[] = []): Uint8Array {
  const json = typeof header === "string" ? encoder.encode(header) : header;
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

const SAMPLE: Record<string, SafetensorsTensor> = {
  w: { shape: [2, 1], data: Float32Array.of(1.5, -2) },
  bytes: { shape: [3], data: Uint8Array.of(1, 2, 3) },
  step: { shape: [], data: BigInt64Array.of(-5n) },
  table: { shape: [1], data: Float64Array.of(Math.PI) },
  t: { shape: [2], data: Int32Array.of(-1, 7) },
  none: { shape: [0, 4], data: new Float32Array(0) },
};

Deno.test("encodeSafetensors() writes the bytes of the format when there is one tensor", () => {
  const bytes = encode({ tensors: { a: { shape: [1], data: Float32Array.of(1) } } });
  // huggingface/safetensors, format description: u64 length, JSON padded with spaces, data.
  const header = '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.padEnd(56, " ");
  assertEquals(bytes, fileOf(header, [0, 0, 0x80, 0x3f]));
});

Deno.test("decodeSafetensors() gives back what was encoded", () => {
  const metadata = { format: "noiseline", step: "100" };
  const decoded = decodeSafetensors(encode({ tensors: SAMPLE, metadata }));
  assertEquals({ ...decoded.tensors }, SAMPLE);
  assertEquals(decoded.metadata, metadata);
});

Deno.test("encodeSafetensors() gives the same bytes when tensors and metadata come in another order", () => {
  const reversed = Object.fromEntries(Object.entries(SAMPLE).reverse());
  assertEquals(
    encode({ tensors: SAMPLE, metadata: { b: "1", a: "2" } }),
    encode({ tensors: reversed, metadata: { a: "2", b: "1" } }),
  );
});

Deno.test("encodeSafetensors() aligns each tensor to its element size", () => {
  const bytes = encode({ tensors: SAMPLE });
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  assertEquals(length % 8, 0);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  assertEquals(Object.keys(header), ["step", "table", "none", "t", "w", "bytes"]);
  assertEquals(header.bytes.data_offsets, [32, 35]);
});

Deno.test("decodeSafetensors() reads a view in the middle of a buffer", () => {
  const bytes = encode({ tensors: SAMPLE });
  const shifted = new Uint8Array(bytes.length + 3);
  shifted.set(bytes, 3);
  assertEquals({ ...decodeSafetensors(shifted.subarray(3)).tensors }, SAMPLE);
});

const tensor = (begin: number, end: number, shape = `[${(end - begin) / 4}]`) =>
  `{"dtype":"F32","shape":${shape},"data_offsets":[${begin},${end}]}`;

const BROKEN: [string, Uint8Array, string][] = [
  ["is shorter than its length field", new Uint8Array(7), "got 7 bytes"],
  ["declares a header past its end", fileOf("{}").with(0, 200), "got 2 bytes after the length, wanted 200"],
  ["declares a huge header", fileOf("{}").with(7, 0x7f), "wanted at most 100000000"],
  ["has a header that is not JSON", fileOf("{nonsense"), "not JSON"],
  ["has a header that is not UTF-8", fileOf(Uint8Array.of(0x22, 0xff, 0x22)), "not JSON"],
  ["has a header that is a list", fileOf("[]"), "wanted a JSON object"],
  ["describes a tensor by a number", fileOf('{"a":1}'), 'tensor "a": got 1'],
  ["has an unknown dtype", fileOf('{"a":{"dtype":"BF16","shape":[],"data_offsets":[0,2]}}', [0, 0]), 'got "BF16"'],
  ["has an unknown key", fileOf(`{"a":{"extra":1,${tensor(0, 4).slice(1)}}`, [0, 0, 0, 0]), 'key "extra"'],
  ["has a negative dimension", fileOf(`{"a":${tensor(0, 4, "[-1]")}}`, [0, 0, 0, 0]), "got [-1]"],
  ["has offsets backwards", fileOf(`{"a":${tensor(4, 0, "[1]")}}`, [0, 0, 0, 0]), "begin <= end"],
  [
    "has a shape of another size",
    fileOf(`{"a":${tensor(0, 4, "[2]")}}`, [0, 0, 0, 0]),
    "wanted 8 for F32 of shape [2]",
  ],
  ["has tensors that overlap", fileOf(`{"a":${tensor(0, 8)},"b":${tensor(4, 8)}}`, new Array(8).fill(0)), "overlap"],
  ["has a gap", fileOf(`{"a":${tensor(4, 8)}}`, new Array(8).fill(0)), "leave a gap"],
  ["is cut off in the data", fileOf(`{"a":${tensor(0, 8)}}`, [0, 0, 0, 0]), "cut off"],
  ["goes on after the data", fileOf(`{"a":${tensor(0, 4)}}`, [0, 0, 0, 0, 9]), "after the last tensor"],
  ["has metadata that are not strings", fileOf('{"__metadata__":{"a":1}}'), "an object of strings"],
];

for (const [what, bytes, message] of BROKEN) {
  Deno.test(`decodeSafetensors() throws FormatError when the file ${what}`, () => {
    assertThrows(() => decodeSafetensors(bytes), FormatError, message);
  });
}

Deno.test("encodeSafetensors() throws when name or shape are wrong", () => {
  const data = Float32Array.of(1, 2);
  const encoding = (name: string, wrong: SafetensorsTensor) => () => encodeSafetensors({ tensors: { [name]: wrong } });
  assertThrows(encoding("__metadata__", { shape: [2], data }), RangeError, "reserves");
  assertThrows(encoding("a", { shape: [3], data }), RangeError, "got 2 elements");
  assertThrows(encoding("a", { shape: [-2, -1], data }), RangeError, "shape [-2,-1]");
});

/** Decodes; FormatError is the only error that may be thrown. */
function decodeOrFormatError(bytes: Uint8Array): void {
  try {
    decodeSafetensors(bytes);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
}

Deno.test("a message names what is wrong in a few words, however long the names in a file are", () => {
  const long = "n".repeat(5_000_000);
  const headers = [
    { [long]: 1 },
    { [long]: { dtype: "F32", shape: [1], data_offsets: [0, 4], [long]: 1 } },
    { a: { dtype: long, shape: [1], data_offsets: [0, 4] } },
    { [long]: { dtype: "F32", shape: [1], data_offsets: [4, 8] } },
    { __metadata__: { [long]: 1 } },
  ];
  for (const header of headers) {
    const { message } = assertThrows(
      () => decodeSafetensors(fileOf(JSON.stringify(header), [0, 0, 0, 0])),
      FormatError,
    );
    assert(message.length < 1_600 && message.startsWith("safetensors "), message.slice(0, 2_000));
  }
});

Deno.test("decodeSafetensors() throws nothing but FormatError when the bytes are noise", () => {
  const valid = encode({ tensors: SAMPLE, metadata: { a: "b" } });
  const noise = fc.uint8Array({ maxLength: 64 });
  const headers = fc.json().map((json) => fileOf(json, [0, 0, 0, 0]));
  const damaged = fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    .map((edits) => edits.reduce((bytes, [at, value]) => bytes.with(at, value), valid));
  const cut = fc.nat(valid.length - 1).map((length) => valid.slice(0, length));
  fc.assert(fc.property(fc.oneof(noise, headers, damaged, cut), decodeOrFormatError), { seed: 1, numRuns: 2000 });
});

Deno.test("decodeSafetensors() throws when any prefix of a file is read", () => {
  const valid = encode({ tensors: SAMPLE });
  for (let length = 0; length < valid.length; length++) {
    assertThrows(() => decodeSafetensors(valid.slice(0, length)), FormatError);
  }
});

Deno.test("decodeSafetensors() gives back arbitrary names and numbers", () => {
  const arrays = fc.dictionary(
    fc.string({ unit: "binary" }).filter((name) => name !== "__metadata__"),
    fc.array(fc.float(), { maxLength: 5 }),
  );
  const strings = fc.dictionary(fc.string(), fc.string());
  fc.assert(
    fc.property(arrays, strings, (values, metadata) => {
      const tensors = Object.fromEntries(
        Object.entries(values).map(([name, list]) => [
          name,
          { shape: [list.length], data: Float32Array.from(list) },
        ]),
      );
      const decoded = decodeSafetensors(encode({ tensors, metadata }));
      assertEquals(new Map(Object.entries(decoded.tensors)), new Map(Object.entries(tensors)));
      assertEquals(new Map(Object.entries(decoded.metadata)), new Map(Object.entries(metadata)));
    }),
    { seed: 1, numRuns: 300 },
  );
});

Deno.test("decodeSafetensors() keeps names that mean something to JavaScript", () => {
  const data = Float32Array.of(1);
  const tensors = Object.fromEntries(
    ["__proto__", "constructor", "7", "3"].map((name) => [name, { shape: [1], data }]),
  );
  const decoded = decodeSafetensors(encode({ tensors }));
  assertEquals(Object.keys(decoded.tensors).sort(), ["3", "7", "__proto__", "constructor"]);
});
