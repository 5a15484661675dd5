import { assertEquals, assertThrows } from "@std/assert";
import { decodeCifarBatch } from "../../../../science/formats/cifar_binary.ts";
import { FormatError } from "../../../../science/formats/format_error.ts";

/** Returns two records whose planes can be told apart: red counts up, green is 100, blue is the record's number. */
function twoRecords(): Uint8Array {
  const bytes = new Uint8Array(2 * 3073);
  for (const n of [0, 1]) {
    const record = bytes.subarray(n * 3073, (n + 1) * 3073);
    record[0] = 3 + n;
    for (let at = 0; at < 1024; at++) {
      record[1 + at] = at % 256;
      record[1 + 1024 + at] = 100;
      record[1 + 2048 + at] = n;
    }
  }
  return bytes;
}

Deno.test("decodeCifarBatch() turns planes into pixels", () => {
  const { count, pixels, labels } = decodeCifarBatch(twoRecords());
  assertEquals(count, 2);
  assertEquals([...labels], [3, 4]);
  // Row 1, column 2 of the second image: red is 34 = 32 + 2.
  assertEquals([...pixels.subarray((1024 + 34) * 3, (1024 + 35) * 3)], [34, 100, 1]);
});

Deno.test("decodeCifarBatch() refuses cut files and labels that do not exist", () => {
  assertThrows(() => decodeCifarBatch(twoRecords().subarray(0, 6000)), FormatError, "6000 bytes");
  assertThrows(() => decodeCifarBatch(new Uint8Array()), FormatError, "0 bytes");
  const wrong = twoRecords();
  wrong[3073] = 10;
  assertThrows(() => decodeCifarBatch(wrong), FormatError, "record 1: got 10");
});
