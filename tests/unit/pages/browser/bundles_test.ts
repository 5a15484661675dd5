import { assert, assertEquals } from "@std/assert";
import { bundleOf, SCRIPTS } from "../../../../dev/bundle_pages.ts";

Deno.test("the scripts that pages carry are what their sources say now, and none would end its element", async () => {
  for (const script of SCRIPTS) {
    const written = await Deno.readTextFile(new URL(`../../../../${script}.js`, import.meta.url)).catch(() => "");
    assert(written === await bundleOf(script), `${script}.js is stale. Run: deno task generate`);
    assertEquals(/<\/script|<!--/i.test(written), false, script);
  }
});
