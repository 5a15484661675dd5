import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FormatError } from "../../../../science/formats/format_error.ts";
import { decodeNpy, encodeNpy } from "../../../../science/formats/npy.ts";
import { decodeNpz, encodeNpz } from "../../../../science/formats/npz.ts";

/** More than any array here has. */
const MOST = 2 ** 31;

/** numpy 2: savez(arr_0=arange(8, uint8) as 2x2x2x1, mu=[0.5, -1.25], sigma=[[1, 2], [3, 4]]) */
const BY_NUMPY = [
  "UEsDBC0AAAAAAAAAIQA4Gs1c//////////8JABQAYXJyXzAubnB5AQAQAIgAAAAAAAAAiAAAAAAAAACTTlVNUFkBAHYAeydkZXNj",
  "cic6ICd8dTEnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwgMiwgMiwgMSksIH0gICAgICAgICAgICAgICAg",
  "ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgCgABAgMEBQYHUEsDBC0AAAAAAAAAIQC4EdbF//////////8GABQA",
  "bXUubnB5AQAQAJAAAAAAAAAAkAAAAAAAAACTTlVNUFkBAHYAeydkZXNjcic6ICc8ZjgnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNl",
  "LCAnc2hhcGUnOiAoMiwpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg",
  "ICAgCgAAAAAAAOA/AAAAAAAA9L9QSwMELQAAAAAAAAAhACE1i2n//////////wkAFABzaWdtYS5ucHkBABAAoAAAAAAAAACgAAAA",
  "AAAAAJNOVU1QWQEAdgB7J2Rlc2NyJzogJzxmOCcsICdmb3J0cmFuX29yZGVyJzogRmFsc2UsICdzaGFwZSc6ICgyLCAyKSwgfSAg",
  "ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAKAAAAAAAA8D8AAAAAAAAAQAAA",
  "AAAAAAhAAAAAAAAAEEBQSwECLQMtAAAAAAAAACEAOBrNXIgAAACIAAAACQAAAAAAAAAAAAAAgAEAAAAAYXJyXzAubnB5UEsBAi0D",
  "LQAAAAAAAAAhALgR1sWQAAAAkAAAAAYAAAAAAAAAAAAAAIABwwAAAG11Lm5weVBLAQItAy0AAAAAAAAAIQAhNYtpoAAAAKAAAAAJ",
  "AAAAAAAAAAAAAACAAYsBAABzaWdtYS5ucHlQSwUGAAAAAAMAAwCiAAAAZgIAAAAA",
].join("");

Deno.test("decodeNpz() reads what numpy wrote", async () => {
  const read = (name: string) => decodeNpz(Uint8Array.fromBase64(BY_NUMPY), name, MOST);
  const [arr_0, mu, sigma] = await Promise.all(["arr_0", "mu", "sigma"].map(read));
  assertEquals(arr_0, { shape: [2, 2, 2, 1], data: Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7) });
  assertEquals(mu, { shape: [2], data: Float64Array.of(0.5, -1.25) });
  assertEquals(sigma, { shape: [2, 2], data: Float64Array.of(1, 2, 3, 4) });
});

Deno.test("encodeNpy() writes what numpy reads: 64-byte alignment, a tuple for one axis too", () => {
  const bytes = encodeNpy({ shape: [3], data: Float32Array.of(1, 2, 3) });
  assertEquals(bytes.length, 128 + 12);
  const header = new TextDecoder().decode(bytes.subarray(10, 128));
  assertEquals(header.trimEnd(), "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }");
  assertEquals(header.at(-1), "\n");
});

Deno.test("arrays survive npz, and the same arrays are the same bytes", async () => {
  const number = fc.oneof(fc.double(), fc.constantFrom(NaN, Infinity, -0));
  const any = [fc.array(number, { maxLength: 20 }), fc.uint8Array({ maxLength: 20 })] as const;
  await fc.assert(fc.asyncProperty(...any, async (values, bytes) => {
    const arrays = {
      a: { shape: [values.length], data: Float64Array.from(values) },
      b: { shape: [1, bytes.length, 1], data: Uint8Array.from(bytes) },
      c: { shape: [2], data: Int32Array.of(-1, 2) },
    };
    for (const [name, array] of Object.entries(arrays)) {
      assertEquals(await decodeNpz(encodeNpz(arrays), name, MOST), array);
    }
    assertEquals(encodeNpz(arrays), encodeNpz(arrays));
  }));
});

Deno.test("reading throws nothing but FormatError when bytes are cut, changed or of another order", async () => {
  const npy = encodeNpy({ shape: [2], data: Float64Array.of(1, 2) });
  for (let length = 0; length < npy.length; length++) {
    assertThrows(() => decodeNpy(npy.subarray(0, length)), FormatError);
  }
  const replaced = (from: string, to: string) => {
    const bytes = npy.slice();
    const at = new TextDecoder("ascii").decode(npy).indexOf(from);
    bytes.set(new TextEncoder().encode(to), at);
    return bytes;
  };
  assertThrows(() => decodeNpy(replaced("False", "True ")), FormatError, "np.ascontiguousarray(a)");
  assertThrows(
    () => decodeNpy(replaced("<f8", ">f8")),
    FormatError,
    "got >f8, wanted one of |u1, <u2, <i4, <f4, <f8; convert it, as a.astype('<f8') does",
  );
  await assertRejects(() => decodeNpz(Uint8Array.of(1, 2, 3), "mu", MOST), FormatError);
});

Deno.test("decodeNpz() refuses an array that says it is larger than memory before it makes room for it", async () => {
  const bytes = encodeNpz({ mu: { shape: [1], data: Float64Array.of(1) } });
  const view = new DataView(bytes.buffer);
  // The size before compression, 24 bytes into the entry of the central directory, whose offset ends the file.
  const entry = view.getUint32(bytes.length - 6, true);
  view.setUint32(entry + 24, 2 ** 32 - 2, true);
  await assertRejects(() => decodeNpz(bytes, "mu", MOST), FormatError, "136 != 4294967294");
  // An uncompressed array has only one size, so this one is marked compressed; the method is 10 bytes into the entry.
  view.setUint16(entry + 10, 8, true);
  assertEquals(await decodeNpz(bytes, "sigma", MOST), undefined);
  await assertRejects(
    () => decodeNpz(bytes, "mu", MOST),
    FormatError,
    "npz file, mu.npy: got 4294967294 bytes, wanted at most 2147483648",
  );
});
