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

testsAlone(import.meta.url)("stages have their memory in huge pages, or as the user sets it", async () => {
  setVariable("GLIBC_TUNABLES", undefined);
  assertEquals(await variableOfChild("GLIBC_TUNABLES"), "glibc.malloc.hugetlb=1");
  setVariable("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0");
  assertEquals(await variableOfChild("GLIBC_TUNABLES"), "glibc.malloc.hugetlb=0");
});
