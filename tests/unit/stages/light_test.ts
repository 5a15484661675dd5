import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";

interface ModuleInfo {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly isDynamic?: boolean;
    readonly code?: { readonly specifier?: string };
  }[];
}

/** Returns all modules that run when a module is imported, by `deno info`: types and late imports are left out. */
async function loadedBy(entry: URL): Promise<Set<string>> {
  const args = ["info", "--json", fileURLToPath(entry)];
  const { stdout } = await new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "null" }).output();
  const { modules, redirects } = JSON.parse(new TextDecoder().decode(stdout)) as {
    readonly modules: readonly ModuleInfo[];
    readonly redirects: Readonly<Record<string, string>>;
  };
  const bySpecifier = new Map(modules.map((one) => [one.specifier, one]));
  const loaded = new Set<string>();
  const visit = (specifier: string) => {
    if (loaded.has(specifier)) return;
    loaded.add(specifier);
    for (const { isDynamic, code } of bySpecifier.get(specifier)?.dependencies ?? []) {
      const found = code?.specifier;
      if (found !== undefined && isDynamic !== true) visit(redirects[found] ?? found);
    }
  };
  visit(entry.href);
  return loaded;
}

Deno.test("planning loads no tensor engine and no decoder: the kinds do without", async () => {
  const root = new URL("../../../", import.meta.url);
  const loaded = await loadedBy(new URL("stages/mod.ts", root));
  const paths = [...loaded].map((one) => one.replace(root.href, ""));
  assertEquals(paths.includes("stages/train/kind.ts"), true);
  const packages = new Set(paths.flatMap((one) => /^npm:\/?((?:@[^/]+\/)?[^/@]+)/.exec(one)?.[1] ?? []));
  assertEquals([...packages].sort(), ["zod"]);
  // `import` reads JSON of a few hundred bytes, to know what network it brings, and `dataset` the header of an array or
  // of an image; `score` knows the least side of SSIM.
  const light = [
    "science/formats/byte_image.ts",
    "science/formats/format_error.ts",
    "science/formats/jpeg/exif_orientation.ts",
    "science/formats/jpeg/segments.ts",
    "science/formats/npy.ts",
    "science/metrics/similarity.ts",
    "science/metrics/vectors.ts",
    "science/tensor/devices.ts",
  ];
  assertEquals(paths.filter((one) => /^science\/(?:formats|tensor|metrics)\//.test(one)).sort(), light);
});

Deno.test("a command that finds everything up to date has loaded neither kinds nor pages", async () => {
  const root = new URL("../../../", import.meta.url);
  for (const entry of ["cli/main.ts", "cli/commands/run.ts", "cli/commands/plan.ts", "cli/commands/status.ts"]) {
    const paths = [...await loadedBy(new URL(entry, root))].map((one) => one.replace(root.href, ""));
    assertEquals(paths.includes("cli/io.ts"), true, entry);
    const heavy =
      /^(?:(?:artifacts|pages\/report|science|stages)\/|(?:package\/doors\/(?:engine|kinds)|pages\/mod|mod)\.ts$)/;
    assertEquals(paths.filter((one) => heavy.test(one)), [], entry);
  }
});
