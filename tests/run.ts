/**
 * `deno task test`: runs the default tests, those outside `cluster`, `faults` and `long`. `deno test` starts each file
 * in an isolate of its own, which loads and compiles once more all modules that it tests: a quarter of the time, with
 * hundreds of files. So neighbours, which test much the same modules, are imported together. A file that is named to
 * `deno test` still runs alone.
 *
 * @module
 */
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";

const ROOT = import.meta.dirname!;
/** Files per isolate: more would make the last ones run while the other processors wait. */
const SIZE = 12;

function filesBelow(folder: string): string[] {
  const entries = Array.from(Deno.readDirSync(folder)).sort((a, b) => a.name < b.name ? -1 : 1);
  return entries.flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(join(folder, name)) : name.endsWith("_test.ts") ? [join(folder, name)] : []
  );
}

const OTHERS = ["cluster", "faults", "long"].map((name) => join(ROOT, name, "/"));
const files = filesBelow(ROOT).filter((file) => !OTHERS.some((folder) => file.startsWith(folder)));
const folder = await Deno.makeTempDir({ prefix: "noiseline-tests-" });
try {
  const groups = Array.from(
    { length: Math.ceil(files.length / SIZE) },
    (_, i) => files.slice(i * SIZE, (i + 1) * SIZE),
  );
  for (const [index, group] of groups.entries()) {
    const imports = group.map((file) => `import ${JSON.stringify(pathToFileURL(file))};\n`);
    const name = `${String(index).padStart(3, "0")}-${relative(ROOT, dirname(group[0]!)).replaceAll(/[\\/]/g, "-")}`;
    await Deno.writeTextFile(join(folder, `${name}_test.ts`), imports.join(""));
  }
  const config = join(ROOT, "../deno.json");
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--parallel", "--quiet", "--no-check", "--config", config, ...Deno.args, folder],
    cwd: join(ROOT, ".."),
    // Tests wait for processes that they start: one more than there are processors run at once.
    env: { DENO_JOBS: String(navigator.hardwareConcurrency + 1) },
  }).spawn().status;
  Deno.exitCode = code;
} finally {
  await Deno.remove(folder, { recursive: true });
}
