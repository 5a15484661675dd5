import { assertEquals } from "@std/assert";
import { DenoChild } from "../../../../engine/process/runtime.ts";

async function variableOfChild(name: string): Promise<string> {
  let said = "";
  const bounds = { timeoutMs: 60_000, memory: undefined };
  using child = new DenoChild(["eval", `console.log(Deno.env.get("${name}"))`], bounds);
  await child.read(async (stdout) => {
    said = await new Response(stdout).text();
  }, () => {});
  return said.trim();
}

Deno.test("stages have their memory in huge pages, or as the user sets it", async () => {
  const before = Deno.env.get("GLIBC_TUNABLES");
  Deno.env.delete("GLIBC_TUNABLES");
  try {
    assertEquals(await variableOfChild("GLIBC_TUNABLES"), "glibc.malloc.hugetlb=1");
    Deno.env.set("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0");
    assertEquals(await variableOfChild("GLIBC_TUNABLES"), "glibc.malloc.hugetlb=0");
  } finally {
    if (before === undefined) Deno.env.delete("GLIBC_TUNABLES");
    else Deno.env.set("GLIBC_TUNABLES", before);
  }
});
