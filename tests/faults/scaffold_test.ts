import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { CLONE, type Json } from "../support/cli_process.ts";
import { Project } from "../support/project.ts";

/** Types a command that `new` printed, or one that a careful user would type besides. */
async function shell(cwd: string, command: string, cache = ""): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("sh", {
    // A user's shell is not started by `deno task`, as these tests may be.
    args: ["-c", `unset INIT_CWD npm_config_user_agent; ${command}`],
    cwd,
    env: {
      NO_COLOR: "1",
      PATH: `${join(Deno.execPath(), "..")}:${Deno.env.get("PATH") ?? ""}`,
      NOISELINE_CACHE: cache,
    },
  }).output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert(success, `${command}\n${said}`);
  return said;
}

const PROGRAM = `deno run -A ${join(CLONE, "cli/main.ts")}`;
const SORTS = ["pipeline", "stage", "network", "objective", "path", "sampler"];

/** Returns the commands that `new` printed, for a shell in the folder where it was called. */
function printedBy(said: string): string[] {
  const lines = said.split("\nnext:\n")[1]!.split("\n");
  return lines.slice(0, lines.findIndex((line) => !line.startsWith("  "))).map((line) => line.trim());
}

/**
 * Returns one command for all printed tests, which differ in the last word: checking types takes ten seconds, for one
 * file or for five.
 */
function testsOf(commands: readonly string[]): string {
  const split = commands.map((command) => [command.replace(/ \S+$/, ""), command.split(" ").at(-1)!] as const);
  const [beginning, ...others] = new Set(split.map(([beginning]) => beginning));
  assertEquals(others, []);
  assertEquals(beginning!.startsWith("deno test -A"), true, beginning);
  return [beginning, ...split.map(([, file]) => file)].join(" ");
}

interface Try {
  /** The folder to which `new` writes, relative to the user's folder. */
  readonly folder?: string;
  /** Arguments that are added to each `run` command. */
  readonly also?: string;
  readonly sorts?: readonly string[];
  /** True to leave types unchecked, if another test checks them with the same settings. */
  readonly untyped?: true;
  readonly cache: string;
}

/**
 * Does what a user does in a folder: creates a file of each sort there or below, and types the commands that `new`
 * prints.
 */
async function tryAll(
  stands: string,
  call: string,
  { folder = ".", also = "", sorts = SORTS, untyped, cache }: Try,
): Promise<void> {
  const entered = new Set<string>();
  const tests: string[] = [];
  const commands: string[] = [];
  for (const sort of sorts) {
    const said = await shell(stands, `${call} new ${sort} my_${sort} --folder "${folder}"`, cache);
    const printed = printedBy(said);
    const enter = printed[0]!.startsWith("cd ") ? printed.shift()! : "true";
    entered.add(enter);
    for (const command of printed) {
      assert(command.includes(`my_${sort}`), said);
      if (command.startsWith("deno test ")) tests.push(command);
      else commands.push(command.replace(/ run (\S+)$/, ` run $1 ${also}`));
    }
  }
  assertEquals(entered.size, 1);
  if (tests.length > 0) commands.unshift(testsOf(tests).replace(/^deno test/, untyped ? "$& --no-check" : "$&"));
  await shell(stands, [...entered, ...commands].join(" && "), cache);
}

Deno.test("what new prints works as it is printed, wherever it is called", async (t) => {
  // The stages of a pipeline are the same wherever the pipeline lies, so one place computes them for all.
  await using shared = new Project({ bare: true });
  const cache = shared.path("cache");

  await t.step("in an empty folder, where all passes every check", async () => {
    await using project = new Project({ bare: true });
    await tryAll(project.root, PROGRAM, { cache });
    await shell(project.root, "deno fmt --check && deno lint");
    await shell(project.root, "deno task noiseline validate my_stage.yaml");
    assertEquals(JSON.parse(project.read("outputs/my_stage/my_stage/metrics.json")).metrics[0].count, 150);
    assert((await shell(project.root, "deno task noiseline run my_stage.yaml")).includes("nothing to do"));
  });

  await t.step("for a new folder", async () => {
    await using project = new Project({ bare: true });
    const made = async (...args: string[]): Promise<Json> => {
      const { code, json, stderr } = await project.cli(["new", ...args, "-f", "my work", "--json"]);
      assertEquals(code, 0, stderr);
      return json;
    };
    const { next } = await made("stage", "brightness");
    await shell(project.root, next.join(" && ").replace("deno test", "$& --no-check"), cache);
    assertEquals(project.list("my work/outputs"), ["brightness"]);
    await made("pipeline", "my_smoke", "-t", "smoke");
    await shell(project.root, `${PROGRAM} run "my work/my_smoke.yaml"`, cache);
    assertEquals(project.list("my work/outputs"), ["brightness", "my_smoke"]);
  });

  await t.step("for and in a folder below a project", async () => {
    await using project = new Project({ bare: true });
    await shell(project.root, `${PROGRAM} new pipeline first`);
    // The first place has checked the types with these settings.
    await tryAll(project.root, "deno task noiseline", { folder: "my own", untyped: true, cache });
    Deno.mkdirSync(project.path("my own/deep"));
    const sorts = ["pipeline", "sampler"];
    await tryAll(project.path("my own/deep"), "deno task noiseline", { sorts, untyped: true, cache });
    assertEquals(project.list("my own/deep"), ["my_pipeline.yaml", "my_sampler.ts", "my_sampler_test.ts"]);
    assertEquals(project.list("outputs"), ["my_pipeline", "my_stage"]);
  });

  await t.step("in a folder with settings of its own", async () => {
    await using project = new Project();
    await tryAll(project.root, PROGRAM, { sorts: ["stage", "network"], cache });
    await shell(project.root, "deno lint");
  });

  await t.step("in a folder below the clone, whose own checks all passes", async () => {
    const folder = await Deno.makeTempDir({ dir: CLONE, prefix: "new-test-" });
    try {
      // Without this option, the store would be the clone's own, which tests must not touch.
      await tryAll(folder, "deno task", { also: `--store ${shared.path("store")}`, cache });
      await shell(CLONE, `deno task new pipeline my_digits -t digits -f ${folder}`);
      await shell(CLONE, `deno task validate ${folder}/my_digits.yaml`);
      await shell(CLONE, `deno fmt --check ${folder} && deno lint ${folder}`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});
