import { assertEquals } from "@std/assert";
import { Child } from "../../../../engine/process/runtime.ts";
import { setVariable, testsAlone } from "../../../support/own_process.ts";

async function variableOfChild(name: string): Promise<string> {
  let said = "";
  const bounds = { timeoutMs: 60_000, memory: undefined };
  using child = new Child(["eval", `console.log(Deno.env.get("${name}"))`], bounds);
  await child.read(async (stdout) => {
    said = await new Response(stdout).text();
  }, () => {});
  return said.trim();
}

const DEFAULTS = { GLIBC_TUNABLES: "glibc.malloc.hugetlb=1", GOMP_SPINCOUNT: "10000" };

testsAlone(import.meta.url)("stages have huge pages and threads that wait briefly, or what the user sets", async () => {
  for (const [name, value] of Object.entries(DEFAULTS)) {
    setVariable(name, undefined);
    assertEquals(await variableOfChild(name), value);
    setVariable(name, "other");
    assertEquals(await variableOfChild(name), "other");
  }
});
