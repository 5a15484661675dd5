import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { closeAppended } from "../../../engine/store/files.ts";
import { listFiles } from "../../../engine/store/folders.ts";
import { hasProgram } from "../../support/proc.ts";
import { makeTempFolder } from "../engine/support/temp.ts";
import { runCli } from "./capture.ts";

const YAML = `name: small
stages:
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 100 } }
`;
const LONG = "n".repeat(300);

/** A pipeline that has run and is tagged, and the command line with its store. */
async function makeRan() {
  const folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  Deno.writeTextFileSync(file, YAML);
  const store = join(folder.path, ".noiseline");
  const cli = async (...args: string[]) => {
    const { code, out, error } = await runCli(...args.map((one) => one.replace(/^@/, `${folder.path}/`)));
    assert(!/internal error|\n\s+at /.test(error), `${args.join(" ")}: ${error}`);
    return { code, said: out + error };
  };
  assertEquals((await cli("run", file)).code, 0);
  assertEquals((await cli("tag", "good", file)).code, 0);
  return { folder: folder.path, store, cli, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

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

/** Files of the store by what they are, and what can lie in their place. */
const PARTS = {
  manifest: (store: string) => listFiles(join(store, "results")).files.map((path) => join(store, "results", path)),
  object: (store: string) => listFiles(join(store, "objects")).files.map((path) => join(store, "objects", path)),
  index: (store: string) => [join(store, "index.jsonl")],
  "view record": (store: string) => [join(store, "views/small.jsonl")],
  lock: (store: string) => [join(store, "locks/still.lock"), join(store, "locks/turn.lock")],
  run: (store: string) => listFiles(join(store, "runs")).files.map((path) => join(store, "runs", path)),
};

const ODD = {
  folder: (path: string) => Deno.mkdirSync(join(path, "deep"), { recursive: true }),
  pipe: (path: string) => {
    if (hasProgram("mkfifo")) new Deno.Command("mkfifo", { args: [path] }).outputSync();
  },
  device: (path: string) => Deno.symlinkSync("/dev/zero", path),
  loop: (path: string) => Deno.symlinkSync(path, path),
  "file without an end in sight": (path: string) => {
    Deno.writeTextFileSync(path, "{");
    Deno.truncateSync(path, 300 * 2 ** 20);
  },
};

for (const [what, put] of Object.entries(ODD)) {
  Deno.test(`a ${what} in the place of any file of the store is passed over or said, and the next run heals it`, async () => {
    for (const [part, pathsOf] of Object.entries(PARTS)) {
      // Reading it takes no memory, and half a second.
      if (what.startsWith("file") && !["manifest", "view record"].includes(part)) continue;
      await using ran = await makeRan();
      const { folder, store, cli } = ran;
      for (const path of pathsOf(store)) {
        closeAppended(path);
        Deno.removeSync(path);
        put(path);
      }
      // What is only remembered would hide it.
      Deno.removeSync(join(store, "cache"), { recursive: true });
      if (part === "manifest") Deno.removeSync(join(store, "index.jsonl"));
      const at = ["--store", join(folder, ".noiseline")];
      for (
        const args of [["verify", ...at], ["gc", ...at], ["runs", ...at], ["status", "@p.yaml"], ["report", "@p.yaml"]]
      ) {
        assert([0, 1].includes((await cli(...args)).code), `${args.join(" ")} with a ${what} for a ${part}`);
      }
      const run = await cli("run", "@p.yaml", "--jobs", "1");
      assertEquals(run.code, 0, `${what} for a ${part}: ${run.said}`);
      const verified = await cli("verify", ...at);
      assertEquals([verified.code, verified.said.includes("all good")], [0, true], `${what} for a ${part}`);
    }
  });
}
