import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { hasProgram } from "../../support/proc.ts";
import { makeRan } from "./ran.ts";

const LONG = "n".repeat(300);

Deno.test("a place that cannot be used is one error that names it, with exit code 2", async () => {
  await using ran = await makeRan();
  const { folder, cli } = ran;
  Deno.mkdirSync(join(folder, "dir/mine"), { recursive: true });
  Deno.symlinkSync(join(folder, "dir"), join(folder, "link"));
  if (hasProgram("mkfifo")) new Deno.Command("mkfifo", { args: [join(folder, "pipe")] }).outputSync();
  const pipes = hasProgram("mkfifo") ? [["export", "good", "-o", "@pipe"], ["import", "@pipe"]] : [];
  const stored = [
    "verify",
    "gc",
    "runs",
    "tag --list",
    "tag x @p.yaml",
    "plan @p.yaml",
    "run @p.yaml",
    "status @p.yaml",
  ]
    .concat("report @p.yaml", "metrics @p.yaml", "export @p.yaml -o @results", "import @p.yaml", "compare good")
    .flatMap((text) => ["@p.yaml", `@${LONG}`].map((store) => [...text.split(" "), "--store", store]));
  const inStore = [
    ["report", "@p.yaml", "-o", "@dir"],
    ["report", "@p.yaml", "-o", "@p.yaml/page.html"],
    ["report", "@p.yaml", "-o", `@${LONG}`],
    ["compare", "@p.yaml", "-o", "@dir"],
    ["metrics", "@p.yaml", "--tensorboard", "@p.yaml"],
    ["export", "good", "-o", "@dir"],
    ["export", "good", "-o", "@link"],
    ["export", "good", "-o", "/dev/null"],
    ["export", "good", "-o", `@${LONG}`],
    ["export", "good", "-o", "@p.yaml/results"],
    ["export", LONG, "-o", "@results"],
    ["import", "@dir"],
    ["import", "/dev/zero"],
    ["import", "@.noiseline"],
    ["import", `@${LONG}`],
    ["runs", LONG],
    ["compare", LONG],
    ["logs", "@p.yaml", "schedule", "--run", LONG],
    ["logs", "@p.yaml", "schedule", "--run", "../../.."],
    ["tag", LONG, "@p.yaml"],
    ...pipes,
  ].map((args) =>
    /p\.yaml|^import/.test(args[1]!) || args[0] === "metrics" ? args : [...args, "--store", "@.noiseline"]
  );
  for (const args of [...stored, ...inStore]) {
    const { code, said } = await cli(...args);
    assertEquals(code, 2, `${args.join(" ")}: ${said}`);
    assertEquals(said.match(/error: /g)?.length, 1, `${args.join(" ")}: ${said}`);
    assertStringIncludes(said, "fix:");
  }
  assertEquals(Array.from(Deno.readDirSync(join(folder, "dir")), ({ name }) => name), ["mine"]);
  assert(!Deno.lstatSync("/dev/null").isFile);
  const left = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.includes(".tmp"));
  assertEquals(left, []);
});

Deno.test("a tag is moved to the results of a pipeline when it is told to be", async () => {
  await using ran = await makeRan();
  assertEquals((await ran.cli("tag", "good", "@p.yaml")).code, 2);
  const { code, said } = await ran.cli("tag", "good", "@p.yaml", "--force");
  assertEquals([code, said], [0, "good: 1 result of small\n"]);
});
