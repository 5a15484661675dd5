import { assert, assertEquals } from "@std/assert";
import { CLONE } from "../../../../support/cli_process.ts";

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly { readonly code?: { readonly specifier: string }; readonly isDynamic?: boolean }[];
}

Deno.test("whoever uses no shared cache loads neither it nor its client", async () => {
  const args = ["info", "--json", "package/doors/engine.ts"];
  const { stdout } = await new Deno.Command(Deno.execPath(), { args, cwd: CLONE, stderr: "null" }).output();
  const { modules, roots } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: Module[]; roots: string[] };
  const byName = new Map(modules.map((module) => [module.specifier, module]));
  const reached = new Set<string>();
  const visit = (specifier: string): void => {
    if (reached.has(specifier)) return;
    reached.add(specifier);
    for (const { code, isDynamic } of byName.get(specifier)?.dependencies ?? []) {
      if (code !== undefined && isDynamic !== true) visit(code.specifier);
    }
  };
  roots.forEach(visit);
  assert(reached.size > 100, "the walk found the engine");
  const loaded = [...reached].filter((name) => name.includes("/engine/store/cache/") || name.includes("aws4fetch"));
  // These modules say where a cache is.
  assertEquals(loaded.map((name) => name.split("/").at(-1)).sort(), ["location.ts", "open_cache.ts"]);
});
