import { assertEquals } from "@std/assert";
import { deno, makePlace, writeModules } from "../../docs/place.ts";

Deno.test("every ts block of the documents type-checks as a module of its own", async () => {
  await using place = await makePlace();
  const { names, where } = writeModules(place.path);
  const wrong = await deno(place.path, "check", ...names);
  assertEquals(wrong, undefined, `${wrong}\n${where}`);
});
