import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { createHash } from "node:crypto";
import { sha256 } from "../../../tensor/random/sha256.ts";

Deno.test("sha256 is that of OpenSSL, for texts of any length", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    const words = [...sha256(bytes)].map((word) => word.toString(16).padStart(8, "0"));
    assertEquals(words.join(""), createHash("sha256").update(bytes).digest("hex"));
  }));
});
