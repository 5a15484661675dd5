import { assertEquals } from "@std/assert";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { folderMeant } from "../../../cli/main.ts";
import { programIn, TOOLKIT, withTypedCommands } from "../../../package/program.ts";
import { changeFolder, setVariable, testsAlone } from "../../support/own_process.ts";
import { makeTempFolder } from "../engine/support/temp.ts";

Deno.test("commands are named as they can be typed: in the clone, beside a task of one's own, and anywhere", async () => {
  await using folder = await makeTempFolder();
  assertEquals(programIn(join(TOOLKIT, "pipelines")), ["deno", "task"]);
  const program = ["deno", "run", "-A", join(TOOLKIT, "cli/main.ts")];
  assertEquals(programIn(folder.path), program);
  for (const text of ["{}", "no JSON", '{ "tasks": { "run": "deno run x.ts" } }']) {
    Deno.writeTextFileSync(join(folder.path, "deno.json"), text);
    assertEquals(programIn(folder.path), program);
  }
  Deno.writeTextFileSync(join(folder.path, "deno.json"), '{ "tasks": { "noiseline": "deno run -A ../cli/main.ts" } }');
  assertEquals(programIn(join(folder.path, "below")), ["deno", "task", "noiseline"]);
});

const alone = testsAlone(import.meta.url);

alone(
  "a text names commands for the current folder, and nothing else of it changes",
  async () => {
    await using folder = await makeTempFolder();
    const text = "see `deno task doctor`, deno task setup:tensorflow --gpu; deno task noiseline plan; a deno task";
    const program = `deno run -A ${TOOLKIT}cli/main.ts`;
    changeFolder(TOOLKIT);
    assertEquals(withTypedCommands(text), text);
    changeFolder(folder.path);
    assertEquals(
      withTypedCommands(text),
      `see \`${program} doctor\`, ${program} setup tensorflow --gpu; deno task noiseline plan; a deno task`,
    );
  },
);

alone("an installed command is named as it is called, and a task that started this one as a task", async () => {
  await using folder = await makeTempFolder();
  const bin = join(folder.path, "bin");
  Deno.mkdirSync(bin);
  setVariable("PATH", `${Deno.env.get("PATH")}:${bin}`);
  const script = (address: string) =>
    Deno.writeTextFileSync(join(bin, "noiseline"), `#!/bin/sh\nexec deno run -A '${address}' "$@"\n`);
  script("file:///another/clone/cli/main.ts");
  assertEquals(programIn(folder.path, false), ["deno", "run", "-A", join(TOOLKIT, "cli/main.ts")]);
  script(pathToFileURL(join(TOOLKIT, "cli/main.ts")).href);
  assertEquals(programIn(folder.path, false), ["noiseline"]);
  assertEquals(programIn(TOOLKIT, false), ["noiseline"]);
  assertEquals(programIn(TOOLKIT, true), ["deno", "task"]);
});

Deno.test("arguments are meant from where the user stands, unless a task or a script stands between", async () => {
  await using folder = await makeTempFolder();
  const at = (...names: string[]) => join(folder.path, ...names);
  for (const one of ["p/own/deep", "p/other", "q/own"]) Deno.mkdirSync(at(one), { recursive: true });
  const tasks = { noiseline: "deno run -A ../cli/main.ts", both: "deno task noiseline run both.yaml" };
  for (const one of ["p", "q"]) Deno.writeTextFileSync(at(one, "deno.json"), JSON.stringify({ tasks }));
  for (const one of ["p/root.yaml", "p/both.yaml", "p/own/both.yaml", "p/own/x.yaml"]) {
    Deno.writeTextFileSync(at(one), "");
  }
  const user = at("p/own");
  const home = at("p");
  const cases: [args: string[], cwd: string, start: string, meant: string][] = [
    // As `deno task` starts the program, for arguments that the user typed.
    [["plan", "x.yaml"], home, user, user],
    [["plan", "./x.yaml", "--store=../s"], home, user, user],
    [["plan", "none.yaml"], home, user, user],
    [["plan", at("p/root.yaml")], home, user, user],
    [["new", "stage", "a", "--folder", "other"], home, user, user],
    [["gc"], home, at("p/own/deep"), at("p/own/deep")],
    [["plan", "root.yaml"], home, home, home],
    // Names relative to the deno.json: a path that was typed that way, or a path in a task.
    [["plan", "root.yaml"], home, user, home],
    [["plan", "own/x.yaml"], home, user, home],
    [["plan", "x.yaml", "--store", "./root.yaml"], home, user, home],
    [["run", "both.yaml"], home, user, home],
    // Inherited variables: a script has changed the folder since.
    [["plan", "x.yaml"], user, user, user],
    [["plan", "x.yaml"], at("p/other"), user, at("p/other")],
    [["plan", "x.yaml"], at("q"), user, at("q")],
    [["plan", "x.yaml"], at("q/own"), user, at("q/own")],
    [["plan", "x.yaml"], home, at("q/own"), home],
    [["plan", "x.yaml"], home, "/nowhere", home],
    // `deno task --config` of the clone.
    [["run", "x.yaml"], resolve(TOOLKIT), user, user],
    [["run", "none.yaml"], resolve(TOOLKIT), user, resolve(TOOLKIT)],
    [["run", "pipelines/digits.yaml"], resolve(TOOLKIT), user, resolve(TOOLKIT)],
    [["runs"], resolve(TOOLKIT), user, resolve(TOOLKIT)],
  ];
  for (const [args, cwd, start, meant] of cases) {
    assertEquals(folderMeant(args, cwd, start), meant, `${args} in ${cwd}, from ${start}`);
  }
});
