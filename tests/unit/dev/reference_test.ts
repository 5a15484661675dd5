import { assertEquals } from "@std/assert";
import { globSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { referencePages } from "../../../dev/generate_reference.ts";

const REFERENCE = fileURLToPath(new URL("../../../docs/reference", import.meta.url));

Deno.test("the reference says what the schemas, the commands and the table of metrics say now", async () => {
  const pages = await referencePages();
  const stale = Object.keys(pages).filter((name) => Deno.readTextFileSync(join(REFERENCE, name)) !== pages[name]);
  assertEquals(stale, [], "run deno task generate");
  assertEquals(globSync("**/*.md", { cwd: REFERENCE }).sort(), Object.keys(pages).sort());
});
