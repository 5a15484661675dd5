import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { makeTempFolder } from "../engine/support/temp.ts";
import { runCliWith } from "./capture.ts";

const runCli = (...args: string[]) => runCliWith({}, ...args);

const stage = (id: string, timesteps: number) =>
  `${id}: { uses: schedule, with: { betas: ldm/cosine, timesteps: ${timesteps} } }`;
const yaml = (id: string, timesteps: number, head = "name: small") => `${head}\nstages:\n  ${stage(id, timesteps)}\n`;

const [ONE, TWO] = [yaml("a", 1250), yaml("a", 1251)];

async function makeFolder(files: Readonly<Record<string, string>>) {
  const folder = await makeTempFolder();
  const path = (name: string) => join(folder.path, name);
  Deno.writeTextFileSync(path("deno.json"), "{}");
  for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(path(name), text);
  return { path, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

/**
 * Texts of `one.yaml` and `two.yaml`, a change between their runs, and true if the second run warns about the first.
 */
const NAMESAKES: Readonly<Record<string, readonly [one: string, two: string, (at: string) => void, warned: boolean]>> =
  {
    "other values": [ONE, TWO, () => {}, true],
    "a name in quotes": [yaml("a", 1250, '"name": "small"'), TWO, () => {}, true],
    "a name in braces": [`{ name: small, stages: { ${stage("a", 1250)} } }`, TWO, () => {}, true],
    "other stages": [yaml("b", 1250), TWO, () => {}, true],
    "a copy": [ONE, ONE, () => {}, false],
    "the first was removed": [ONE, TWO, (at) => Deno.removeSync(at), false],
    "the first was renamed": [ONE, TWO, (at) => Deno.renameSync(at, `${at}.old.yaml`), false],
    "the first has another name now": [
      ONE,
      TWO,
      (at) => Deno.writeTextFileSync(at, ONE.replace("small", "small-1")),
      false,
    ],
    "the first is a link to the second now": [ONE, TWO, (at) => {
      Deno.removeSync(at);
      Deno.symlinkSync("two.yaml", at);
    }, false],
    "another name": [ONE, TWO.replace("small", "other"), () => {}, false],
  };

for (const [what, [one, two, change, warned]] of Object.entries(NAMESAKES)) {
  Deno.test(`run and plan ${warned ? "name" : "say nothing of"} another file of the same name: ${what}`, async () => {
    await using folder = await makeFolder({ "one.yaml": one, "two.yaml": two });
    const [first, second] = [folder.path("one.yaml"), folder.path("two.yaml")];
    const before = await runCli("run", first);
    assertEquals([before.code, before.error.includes("both show")], [0, false], before.error);
    change(first);
    for (const command of ["plan", "run"]) {
      const { code, error, out } = await runCli(command, second);
      assertEquals([code, (error + out).includes("both show")], [0, warned], error + out);
      if (warned) assertStringIncludes(error + out, `${second} and ${first} both show "small" in`);
    }
    // The warning is given once: the outputs now shown are this file's own.
    const again = await runCli("run", second, "--set", `a.timesteps=1300`);
    assertEquals([again.code, (again.error + again.out).includes("both show")], [0, false], again.error);
  });
}

Deno.test("stores that share outputs/ name each other before one moves the other's files", async () => {
  await using folder = await makeFolder({ "p.yaml": ONE });
  Deno.mkdirSync(folder.path("far"));
  const [file, ours, other, far] = ["p.yaml", ".noiseline", "other", "far/store"].map(folder.path) as [
    string,
    string,
    string,
    string,
  ];
  const isMoved = (n: string) => {
    try {
      return Deno.statSync(folder.path(`outputs/small/a.mine${n}`)).isDirectory;
    } catch {
      return false;
    }
  };
  const run = async (store: string, timesteps: number) => {
    const args = [file, "--store", store, "--set", `a.timesteps=${timesteps}`];
    const [plan, ran] = [await runCli("plan", ...args), await runCli("run", ...args)];
    assertEquals([plan.code, ran.code], [0, 0], ran.error);
    const said = [plan, ran].map(({ out, error }) =>
      /the stores (\S+) and (\S+) both show/.exec(out + error)?.slice(1)
    );
    assertEquals(said[0], said[1]);
    return said[1];
  };
  assertEquals(await run(ours, 1250), undefined);
  // The same bytes are nobody's loss, and a store elsewhere has its own outputs/.
  assertEquals(await run(other, 1250), undefined);
  assertEquals(await run(far, 1251), undefined);
  assertEquals(isMoved(""), false);
  assertEquals(await run(ours, 1252), undefined);
  assertEquals(await run(other, 1251), [other, ours]);
  assertEquals(isMoved(""), true);
  // The files shown there now are those of the store `other` itself.
  assertEquals(await run(other, 1253), undefined);
  assertEquals(isMoved("-2"), false);
  assertEquals(await run(ours, 1254), [ours, other]);
  assertEquals(isMoved("-2"), true);
});

Deno.test("a file that is made from another is not warned of while both give the same", async () => {
  await using folder = await makeFolder({ "one.yaml": ONE, "two.yaml": `# Made from one.yaml.\n${ONE}` });
  await runCli("run", folder.path("one.yaml"));
  for (const command of ["plan", "run"]) {
    const { code, error, out } = await runCli(command, folder.path("two.yaml"));
    assertEquals([code, (error + out).includes("both show")], [0, false], error + out);
  }
});
