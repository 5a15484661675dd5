import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { FormatError } from "../../science/formats/format_error.ts";
import { decodeNpy, encodeNpy } from "../../science/formats/npy.ts";
import { encodeNpz } from "../../science/formats/npz.ts";
import { open as openFiles } from "../../stages/dataset/files.ts";
import type { Items } from "../../stages/dataset/items.ts";
import { open as openNumpy } from "../../stages/dataset/numpy.ts";
import { tryFields } from "../support/zip_fields.ts";

const GOLDEN = new URL("../golden/sources/", import.meta.url).pathname;
const rows = { shape: [3, 2, 2, 1], data: Uint8Array.from({ length: 12 }, (_, i) => 5 * i) };
const labels = { shape: [3], data: Int32Array.of(2, 0, 1) };
const npz = encodeNpz({ x: rows, y: labels });
const npy = encodeNpy(rows);
/** The bytes of an .npy before its numbers, which have no checksum. */
const NPY_HEADER = npy.length - 12;

type Open = (path: string) => Promise<Items>;
const CASES: Readonly<Record<string, readonly [bytes: Uint8Array, until: number, open: Open]>> = {
  "rows.npz": [npz, npz.length, (path) => {
    return openNumpy({ source: "numpy", path, column: "x", labels: { column: "y" } });
  }],
  "rows.npy": [npy, NPY_HEADER, (path) => openNumpy({ source: "numpy", path })],
  "folders.zip": [Deno.readFileSync(join(GOLDEN, "folders.zip")), Infinity, (path) => {
    return openFiles([path], { source: "zip" });
  }],
  "folders.tar.gz": [Deno.readFileSync(join(GOLDEN, "folders.tar.gz")), Infinity, (path) => {
    return openFiles([path], { source: "tar" });
  }],
};

/** Returns the values of the first item alone, as a stage with `limit: 1` reads them, and the labels. */
async function valuesOf(items: Items): Promise<string> {
  if (items.broken.size > 0 || typeof items.labels === "string") throw new FormatError("x", { got: "", wanted: "" });
  const read = await Array.fromAsync(items.read([0]));
  if (read.some((item) => typeof item === "string")) throw new FormatError("x", { got: "", wanted: "" });
  return JSON.stringify([items.names, [...items.labels?.of ?? []], read]);
}

for (const [name, [bytes, until, open]] of Object.entries(CASES)) {
  Deno.test(`a flipped bit of ${name} is refused, or leaves the values as they are`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      const path = join(folder, name);
      const attempt = async (content: Uint8Array) => {
        await Deno.writeFile(path, content);
        return await valuesOf(await open(path));
      };
      const wanted = await attempt(bytes);
      let refused = 0;
      for (let at = 0; at < Math.min(until, bytes.length); at++) {
        const flipped = bytes.with(at, bytes[at]! ^ 1 << at % 8);
        try {
          assertEquals(await attempt(flipped), wanted, `byte ${at}`);
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
          refused++;
        }
      }
      assert(refused > 20, `${refused}`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

/** An .npy with another header of the same length. */
function withHeader(change: (text: string) => string, version = 1): Uint8Array {
  const text = change(new TextDecoder().decode(npy.subarray(10, NPY_HEADER)).trimEnd()).padEnd(NPY_HEADER - 11);
  const out = npy.slice();
  out.set(new TextEncoder().encode(`${text}\n`), 10);
  return out.with(6, version);
}

Deno.test("two fields or entries of one name, unknown versions and numbers beyond the shape are refused", async () => {
  const refusals = [
    withHeader((text) => text.replace("}", "'shape': (1, 2, 2, 3), }")),
    withHeader((text) => text.replace("}", "'more': True, }")),
    withHeader((text) => text, 4),
    withHeader((text) => text, 0),
    withHeader((text) => text.replace("(3, 2", "(2, 2")),
  ];
  for (const bytes of refusals) await assertRejects(() => Promise.try(decodeNpy, bytes), FormatError);
  assertEquals(decodeNpy(withHeader((text) => text)), rows);
  const path = await Deno.makeTempFile({ suffix: ".npz" });
  try {
    // Renamed in both places, y is a second x.
    const text = new TextDecoder("latin1").decode(npz).replaceAll("y.npy", "x.npy");
    await Deno.writeFile(path, Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
    const open = () => openNumpy({ source: "numpy", path, column: "x" });
    await assertRejects(open, FormatError, 'two of the name "x.npy"');
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a zip is read or refused as an error, whatever a field of its directory and of its end says", async () => {
  const values = [0n, 1n, 0xffffn, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];
  const { refused, served } = await tryFields(values, [2, 4, 8]);
  assert(refused > 1_000 && served > 1_000, `${refused} refused, ${served} served`);
});
