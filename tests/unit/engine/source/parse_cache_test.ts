import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { parseYamlCached } from "../../../../engine/source/parse_cache.ts";

/** Long enough to be worth caching. */
function longSource(last: string) {
  const lines = Array.from({ length: 4_000 }, (_, index) => `key${index}: value ${index}`);
  return { name: "long.yaml", text: `${lines.join("\n")}\nlast: ${last}\n` };
}

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name);
}

Deno.test("parseYamlCached() gives the same value and positions from the cache", async () => {
  const folder = await Deno.makeTempDir();
  const parsed = parseYamlCached(longSource("1"), folder);
  assertEquals(names(folder).length, 1);
  const cached = parseYamlCached(longSource("1"), folder);
  if (!parsed.ok || !cached.ok) throw new Error("both must parse");
  assertEquals(cached.value.value, parsed.value.value);
  assertEquals(cached.value.locate(["last"])?.start, parsed.value.locate(["last"])?.start);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("parseYamlCached() parses again when the cache is damaged, and does not cache what JSON cannot say", async () => {
  const folder = await Deno.makeTempDir();
  parseYamlCached(longSource("1"), folder);
  const path = join(folder, names(folder)[0]!);
  await Deno.writeTextFile(path, (await Deno.readTextFile(path)).replace("value 17", "value 18"));
  const healed = parseYamlCached(longSource("1"), folder);
  assertEquals(healed.ok && (healed.value.value as Record<string, unknown>)["key17"], "value 17");
  parseYamlCached(longSource(".nan"), folder);
  assertEquals(names(folder).length, 1);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("parseYamlCached() writes nothing where no store exists, and keeps only the newest few texts", async () => {
  const folder = await Deno.makeTempDir();
  parseYamlCached(longSource("1"), join(folder, "absent"));
  assertEquals(names(folder), []);
  for (let edit = 0; edit < 12; edit++) parseYamlCached(longSource(String(edit)), folder);
  assertEquals(names(folder).length, 8);
  await Deno.remove(folder, { recursive: true });
});
