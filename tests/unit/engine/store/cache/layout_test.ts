import { assertEquals } from "@std/assert";
import { seal, unseal } from "../../../../../engine/store/cache/layout.ts";
import { resultManifestSchema } from "../../../../../schemas/records.ts";
import { key, manifestOf } from "../../support/manifest.ts";

const MANIFEST = manifestOf("x", [{ path: "a.txt", size: 3, sha256: key("a") }]);

Deno.test("unseal() gives back what was sealed", () => {
  assertEquals(unseal(seal(MANIFEST), resultManifestSchema), { record: MANIFEST });
});

Deno.test("unseal() finds a record cut at any length, with any byte flipped, or with more behind it", () => {
  const whole = seal(MANIFEST);
  const damaged = { problem: "damaged" } as const;
  for (let length = 0; length < whole.length; length++) {
    assertEquals(unseal(whole.subarray(0, length), resultManifestSchema), damaged, `cut at ${length}`);
    const flipped = whole.slice();
    flipped[length]! ^= 1;
    assertEquals(unseal(flipped, resultManifestSchema), damaged, `flipped at ${length}`);
  }
  assertEquals(unseal(new Uint8Array([...whole, 10]), resultManifestSchema), damaged);
});

Deno.test("unseal() tells a whole record of another version from a damaged one", () => {
  assertEquals(unseal(seal({ ...MANIFEST, format: 2 }), resultManifestSchema), { problem: "foreign" });
});
