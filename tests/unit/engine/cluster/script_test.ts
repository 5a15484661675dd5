import { assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { join } from "node:path";
import { jobScript, nodePaths, quote } from "../../../../engine/cluster/script.ts";
import { clusterFileSchema } from "../../../../schemas/cluster_file.ts";
import { valueOf } from "../../../support/cluster.ts";
import { setVariable } from "../../../support/own_process.ts";
import { makeTempFolder } from "../support/temp.ts";

const settingsOf = (more: object = {}) => clusterFileSchema.parse({ engine: "slurm", cache: "/cache", ...more });
const TASK = { digest: "0".repeat(64), task: ["--part", "7"], log: "/dev/null" };

async function bash(script: string, env: Record<string, string> = {}) {
  const child = new Deno.Command("bash", { stdin: "piped", stdout: "piped", stderr: "piped", env }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(script));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

/**
 * A program in place of Deno that prints its process id, its folders and its arguments, each followed by a zero byte.
 */
const TELLER = '#!/bin/bash\nprintf \'%s\\0\' "$$" "$DENO_DIR" "$TMPDIR" "$@"\n';

/**
 * Runs a script in bash.
 * @returns the program's output, and the process id of that bash
 */
async function execute(names: { base: string; folder: string; packages: string; scratch: string }) {
  await using temp = await makeTempFolder();
  const base = join(temp.path, names.base);
  const [folder, packages] = [join(base, names.folder), `/${names.packages}`];
  Deno.mkdirSync(folder, { recursive: true });
  Deno.writeTextFileSync(join(base, "deno"), TELLER, { mode: 0o700 });
  const settings = { ...settingsOf(), scratch: `/${names.scratch}`, setup: ["export FROM_SETUP=1", "echo $$"] };
  Deno.mkdirSync(join(folder, "ends"));
  const log = join(base, "log");
  const script = jobScript({ ...settings, deno: join(base, "deno"), packages }, { folder, ...TASK, log });
  const slurm = { SLURM_JOB_ID: "9", SLURM_ARRAY_JOB_ID: "8", SLURM_ARRAY_TASK_ID: "3", SLURMD_NODENAME: "n1" };
  const { code, err } = await bash(script, { HOME: "/root", ...slurm });
  assertEquals([...Deno.readDirSync(join(folder, "ends"))].map(({ name }) => name), ["8_3.0.n1.node"]);
  const out = Deno.readTextFileSync(`${log}.3`);
  const end = out.indexOf("\n");
  const told = out.slice(end + 1).split("\0");
  return { code, err, pid: out.slice(0, end), told, folder, packages, scratch: settings.scratch };
}

const HOSTILE = [
  "a b",
  "it's",
  '"',
  "$HOME",
  "`id`",
  "$(id)",
  "a:~",
  "~",
  "-n",
  "*",
  "a\\",
  "a\nb",
  "#SBATCH",
  "é",
  "a;b&c|d",
];

for (const name of HOSTILE) {
  Deno.test(`the script of a job takes ${JSON.stringify(name)} in a path as it is`, async () => {
    const ran = await execute({ base: name, folder: `${name}.folder`, packages: name, scratch: name });
    assertEquals([ran.code, ran.err], [0, ""]);
    const [pid, packages, scratch, ...args] = ran.told;
    assertEquals([packages, scratch], [ran.packages, ran.scratch]);
    assertEquals(args.slice(0, 2), ["run", "-A"]);
    assertEquals(args.slice(-7, -1), ["exec", ran.folder, "--digest", TASK.digest, "--part", "7"]);
    // Deno replaces bash, so that signals reach Deno itself.
    assertEquals(pid, ran.pid);
  });
}

Deno.test("quote() gives a shell the word itself", async () => {
  const words = await fc.sample(
    fc.string({ unit: "binary" }).filter((one) => !one.includes("\0") && one.isWellFormed()),
    300,
  );
  const { out } = await bash(
    `printf '%s\\0' ${words.map(quote).join(" ")}\nX=${quote("/a:~root")}\nprintf '%s\\0' "$X"`,
  );
  assertEquals(out.split("\0"), [...words, "/a:~root", ""]);
});

Deno.test("the script of a job waits for its folder as long as a task for its cache, then ends with code 2 where the node does not see it", async () => {
  await using temp = await makeTempFolder();
  const folder = join(temp.path, "such folder");
  const slept = join(temp.path, "slept");
  const script = jobScript({ ...settingsOf(), deno: "/bin/echo", packages: "/p" }, { folder, ...TASK });
  const PATH = `${temp.path}:${Deno.env.get("PATH")}`;
  const sleeping = async (more: string) => {
    Deno.writeTextFileSync(slept, "");
    Deno.writeTextFileSync(join(temp.path, "sleep"), `#!/bin/sh\necho $1 >> ${slept}\n${more}\n`, { mode: 0o755 });
    const { code, err } = await bash(script, { PATH });
    return { code, err, slept: Deno.readTextFileSync(slept).trim().split("\n").map(Number) };
  };
  const never = await sleeping("");
  assertEquals([never.code, never.slept], [2, [2, 4, 8, 16, 32, 60, 60, 60]]);
  assertStringIncludes(never.err, `noiseline: this node does not see ${folder}`);
  assertEquals(never.err.trim().split("\n").length, 1);
  const late = await sleeping(`[ $1 != 8 ] || mkdir '${folder}'`);
  assertEquals(late, { code: 0, err: "", slept: [2, 4, 8] });
});

Deno.test("a line of setup that fails ends the job with code 2 and is named; what is tested may be false", async () => {
  await using temp = await makeTempFolder();
  const write = (name: string, text: string) => {
    const path = join(temp.path, name);
    Deno.writeTextFileSync(path, text);
    return path;
  };
  const sourced = write("sourced", "module() {\n  true\n\n  return 5\n}\nfalse\ntrue\n");
  const end = async (...setup: string[]) => {
    const paths = { deno: "/bin/echo", packages: "/p" };
    const log = write("log", "");
    const task = { folder: temp.path, ...TASK, log };
    const path = write("job", jobScript({ ...settingsOf({ setup }), ...paths }, task));
    const { code } = await bash(`exec bash '${path}'`);
    const said = Deno.readTextFileSync(log).replace(/^.*\.node: No such file.*\n/m, "");
    assertEquals(said.includes("--part 7"), code === 0, "nothing runs after it");
    return [code, code === 0 ? "" : said.trim().split("\n").at(-1)!.replace("noiseline setup fails: ", "")];
  };
  assertEquals(await end("true", "exit 0"), [2, "exit 0"]);
  assertEquals(await end("no-module load cuda", "true"), [2, "no-module load cuda"]);
  assertEquals(await end(`. ${sourced}`, "module load a"), [2, "module load a"]);
  assertEquals(await end("if true; then", "  false", "fi"), [2, "  false"]);
  assertEquals(await end("if ["), [2, "if ["]);
  assertEquals(await end(`. ${sourced}`, "[ -f /no/file ] && true", "false || true", "set -u"), [0, ""]);
});

Deno.test("the script of a job has setup lines after what login shells have, and nothing of the environment", async () => {
  const secret = "s3cr3t-in-the-environment";
  setVariable("NOISELINE_TEST_SECRET", secret);
  try {
    const settings = settingsOf({ setup: ["module load cuda", "export https_proxy=http://proxy:3128"] });
    const lines = jobScript({ ...settings, ...valueOf(await nodePaths(settings)) }, { folder: "/f", ...TASK }).split(
      "\n",
    );
    assertEquals(lines[0], "#!/bin/bash");
    const at = lines.findIndex((line) => line.includes("/etc/profile"));
    assertEquals(lines.slice(at + 1, at + 3), settings.setup);
    assertEquals(lines.join("\n").includes(secret), false);
    assertEquals(
      jobScript({ ...settingsOf(), ...valueOf(await nodePaths(settings)) }, { folder: "/f", ...TASK }).includes(
        "profile",
      ),
      false,
    );
  } finally {
    setVariable("NOISELINE_TEST_SECRET", undefined);
  }
});

Deno.test("nodePaths() are those of this machine, where the file says no others", async () => {
  const own = valueOf(await nodePaths(settingsOf()));
  assertEquals(own.deno, Deno.execPath());
  assertEquals(Deno.statSync(own.packages).isDirectory, true);
  assertEquals(valueOf(await nodePaths(settingsOf({ deno: "/d", packages: "/p" }))), { deno: "/d", packages: "/p" });
});
