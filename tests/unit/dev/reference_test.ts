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

Deno.test("no text of the reference is taken for HTML, which GitHub would leave out", async () => {
  const prose = Object.entries(await referencePages()).map(([name, text]) => {
    return [name, text.replaceAll(/^```[^]*?^```|`[^`\n]*`|<!--.*-->/gm, "")] as const;
  });
  assertEquals(prose.filter(([, text]) => /<\w/.test(text)).map(([name]) => name), []);
});
