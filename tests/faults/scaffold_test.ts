import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { CLONE } from "../support/cli_process.ts";
import { Project } from "../support/project.ts";

/** Type what `new` said, and what a careful user would type besides. */
async function shell(cwd: string, command: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("sh", {
    // A user's shell is not started by `deno task`, as these tests may be.
    args: ["-c", `unset INIT_CWD npm_config_user_agent; ${command}`],
    cwd,
    env: { NO_COLOR: "1", PATH: `${join(Deno.execPath(), "..")}:${Deno.env.get("PATH") ?? ""}` },
  }).output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert(success, `${command}\n${said}`);
  return said;
}

Deno.test("a new stage outside the clone passes every check, its test and its run", async () => {
  await using project = new Project({ bare: true });
  const { code, json, stderr } = await project.cli(["new", "stage", "brightness", "--folder", "my work", "--json"]);
  assertEquals(code, 0, stderr);
  await shell(project.root, json.next.join(" && "));
  const home = project.path("my work");
  await shell(home, "deno check . && deno fmt --check && deno lint");
  await shell(home, "deno task noiseline validate brightness.yaml");
  assertEquals(JSON.parse(project.read("my work/outputs/brightness/brightness/metrics.json")).metrics[0].count, 150);
  assert((await shell(home, "deno task noiseline run brightness.yaml")).includes("nothing to do"));
});

Deno.test("a new stage in a folder with settings of its own works with what new says", async () => {
  await using project = new Project();
  const { json } = await project.cli(["new", "stage", "brightness", "--json"]);
  await shell(project.root, json.next.join(" && "));
  await shell(project.root, `deno check --config=${join(CLONE, "deno.json")} brightness_test.ts && deno lint`);
});

Deno.test("new stages and pipelines in the clone pass its own checks", async () => {
  const folder = await Deno.makeTempDir({ dir: CLONE, prefix: "new-test-" });
  try {
    await using project = new Project({ bare: true });
    const options = { cwd: CLONE };
    const { json } = await project.cli(["new", "stage", "brightness", "--folder", folder, "--json"], options);
    assertEquals(json.files.length, 3);
    for (const template of ["smoke", "digits"]) {
      const made = await project.cli(
        ["new", "pipeline", `my-${template}`, "-t", template, "-f", folder, "--json"],
        options,
      );
      assertEquals(made.code, 0, made.stderr);
      await shell(CLONE, `deno task validate ${folder}/my-${template}.yaml`);
    }
    await shell(CLONE, `deno check ${folder} && deno fmt --check ${folder} && deno lint ${folder}`);
    await shell(CLONE, json.next[0]);
    // The store would be the clone's own, which is no test's business.
    await shell(CLONE, `${json.next.at(-1)} --store ${project.path("store")}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a new pipeline runs outside the clone", async () => {
  await using project = new Project({ bare: true });
  const { code, stderr } = await project.cli(["new", "pipeline", "my_smoke", "-t", "smoke", "-f", "lab"]);
  assertEquals(code, 0, stderr);
  const ran = await project.cli(["run", "lab/my_smoke.yaml"]);
  assertEquals(ran.code, 0, ran.stderr);
  assertEquals(project.list("lab/outputs"), ["my_smoke"]);
});

const SORTS = ["pipeline", "stage", "network", "objective", "path", "sampler"];

/** The commands that `new` printed, for a shell in the folder where it was called. */
function printedBy(said: string): string {
  const lines = said.split("\nnext:\n")[1]!.split("\n");
  return lines.slice(0, lines.findIndex((line) => !line.startsWith("  "))).map((line) => line.trim()).join(" && ");
}

/** What a user does in a folder: write one of each sort there or in one below, and type what that prints. */
async function tryAll(stands: string, call: string, { folder = ".", also = "", sorts = SORTS } = {}): Promise<void> {
  for (const sort of sorts) {
    const said = await shell(stands, `${call} new ${sort} my_${sort} --folder ${folder}`);
    const printed = printedBy(said);
    assert(printed.includes(`my_${sort}`), said);
    await shell(stands, also === "" ? printed : printed.replace(/ run (\S+)$/, ` run $1 ${also}`));
  }
}

const PROGRAM = `deno run -A ${join(CLONE, "cli/main.ts")}`;

Deno.test("what new prints works as it is printed: in an empty folder", async () => {
  await using project = new Project({ bare: true });
  await tryAll(project.root, PROGRAM);
});

Deno.test("what new prints works as it is printed: for and in a folder below a project", async () => {
  await using project = new Project({ bare: true });
  await shell(project.root, `${PROGRAM} new pipeline first`);
  await tryAll(project.root, "deno task noiseline", { folder: "own" });
  Deno.mkdirSync(project.path("own/deep"));
  await tryAll(project.path("own/deep"), "deno task noiseline", { sorts: ["pipeline", "sampler"] });
  assertEquals(project.list("own/deep"), ["my_pipeline.yaml", "my_sampler.ts", "my_sampler_test.ts"]);
  assertEquals(project.list("outputs"), ["my_pipeline", "my_stage"]);
});

Deno.test("what new prints works as it is printed: in a folder below the clone", async () => {
  await using project = new Project({ bare: true });
  const folder = await Deno.makeTempDir({ dir: CLONE, prefix: "new-test-" });
  try {
    // The store would be the clone's own, which is no test's business.
    await tryAll(folder, "deno task", { also: `--store ${project.path("store")}` });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
