import { assert, assertEquals, assertMatch } from "@std/assert";
import { pathToFileURL } from "node:url";
import { describeFile } from "../../engine/process/describe.ts";
import { askGraph, Child, LOADING_LIMITS } from "../../engine/process/runtime.ts";
import { childrenOf, hasProgram, isGoneWithin, onlyIf } from "../support/proc.ts";
import { Project } from "../support/project.ts";
import { until } from "../support/until.ts";

/**
 * Returns a stage whose module does something at its top level, which runs when the module is loaded to be described,
 * before any stage runs.
 */
function stageWith(top: string, body = `await outputs.out.write("text.txt", "fine\\n");`): string {
  return `import { defineStage } from "noiseline";
import { z } from "zod";

${top}

export default defineStage({
  summary: "Loads oddly",
  params: z.strictObject({ file: z.string().optional() }),
  inputs: {},
  outputs: { out: { type: "files", description: "One line" } },
  async run({ outputs }) {
    ${body}
  },
});
`;
}

const YAML = "name: demo\nstages:\n  a: { uses: ./odd.ts }\n";

/** Things that a module may try while it is loaded, and the expected refusals. */
const TOPS: Readonly<Record<string, readonly [string, RegExp]>> = {
  reads: [`Deno.readTextFileSync("/etc/passwd");`, /while it was loaded: the stage may not read \/etc\/passwd/],
  writes: [`Deno.writeTextFileSync("/tmp/noiseline-spoilt", "x");`, /while it was loaded: the stage may not write/],
  asks: [`Deno.env.get("HOME");`, /while it was loaded: the stage may not read the variable HOME/],
  fetches: [`await fetch("https://example.com/");`, /while it was loaded: the stage may not use the network/],
  starts: [`new Deno.Command("/bin/true").outputSync();`, /while it was loaded: the stage may not start programs/],
  throws: [`throw "a text";`, /a text/],
  leaves: [`Deno.exit(0);`, /gave no answer; it must not end the process/],
  waits: [`await new Promise(() => {});`, /while it was loaded: the code awaits a promise that never settles/],
  misses: [`import "./not_there.ts";`, /not_there\.ts/],
};

for (const [name, [top, told]] of Object.entries(TOPS)) {
  Deno.test(`plan says what is wrong when a stage ${name} while it is loaded`, async () => {
    await using project = new Project({ files: { "odd.ts": stageWith(top), "p.yaml": YAML } });
    const { code, stderr } = await project.cli(["plan", "p.yaml"]);
    assertEquals(code, 2, stderr);
    assertMatch(stderr, /^p\.yaml:3:\d+: error: cannot use \.\/odd\.ts: /);
    assertMatch(stderr, told);
    assertMatch(stderr, /fix:/);
    assertEquals(project.list("."), ["deno.json", "odd.ts", "p.yaml"]);

    project.write("odd.ts", stageWith(""));
    const mended = await project.cli(["run", "p.yaml"]);
    assertEquals(mended.code, 0, mended.stderr);
  });
}

Deno.test("a file that takes more time or memory than loading may is stopped, and so is the search for what it imports", async () => {
  const hoards =
    `const kept = []; for (;;) { kept.push(new Uint8Array(1 << 24).fill(1)); await new Promise((r) => setTimeout(r, 10)); }`;
  await using project = new Project({
    files: { "hoards.ts": stageWith(hoards), "loops.ts": stageWith(`for (;;);`), "zero.ts": `import "./endless.ts";` },
  });
  // A process that has only started holds a good part of 300 MiB.
  const little = { ...LOADING_LIMITS, timeoutMs: 600_000, memory: 300 * 2 ** 20 };
  const hoarding = await describeFile(project.path("hoards.ts"), [], little);
  assert("error" in hoarding);
  assertMatch(hoarding.error, /^loading it took (29\d|[34]\d\d) MiB of memory and was stopped$/);
  assertEquals(hoarding.fix, "correct the file; it must load without side effects");

  const looping = await describeFile(project.path("loops.ts"), [], { ...LOADING_LIMITS, timeoutMs: 2_000 });
  assert("error" in looping);
  assertEquals(looping.error, "loading it took more than 2 s and was stopped");

  Deno.symlinkSync("/dev/zero", project.path("endless.ts"));
  const reading = await askGraph([], pathToFileURL(project.path("zero.ts")).href, little);
  assert("error" in reading);
  assertMatch(reading.error, /^it took (29\d|[3-9]\d\d) MiB of memory and was stopped$/);
});

Deno.test({
  ...onlyIf(
    hasProgram("taskset"),
    "no taskset",
    "time in which a process waits for a busy processor is none of its time",
  ),
  fn: async () => {
    // All on one processor, of those that this process may use. Linux may share a processor among sessions before it
    // does among processes, so each rival leads its own.
    const [, processor = "0"] = Deno.readTextFileSync("/proc/self/status").match(/^Cpus_allowed_list:\t(\d+)/m) ?? [];
    const rivals = Array.from({ length: 6 }, () => {
      return new Deno.Command("taskset", { args: ["-c", processor, "sh", "-c", "while :; do :; done"], detached: true })
        .spawn();
    });
    try {
      // The child ends once it has waited for longer than it may take, whatever part of the processor it gets.
      const work = `const waited = () => Number(Deno.readTextFileSync("/proc/thread-self/schedstat").split(" ")[1]);
        while (waited() < 4e9) for (let i = 0; i < 1e6; i++);`;
      for (const excludesWaiting of [true, false]) {
        using child = new Child(["eval", work], { ...LOADING_LIMITS, timeoutMs: 3_000, excludesWaiting });
        const pin = ["-a", "-p", "-c", processor, `${child.pid}`];
        await new Deno.Command("taskset", { args: pin, stdout: "null" }).output();
        await child.read((stdout) => stdout.pipeTo(new WritableStream()), () => {});
        assertEquals(child.timedOut, !excludesWaiting);
      }
    } finally {
      for (const rival of rivals) {
        rival.kill("SIGKILL");
        await rival.status;
      }
    }
  },
});

Deno.test("a stage that prints 600 MB while it is loaded is described, in bounded memory", async () => {
  const top = `const much = new Uint8Array(1 << 20).fill(0x78); for (let i = 0; i < 300; i++) {` +
    ` Deno.stdout.writeSync(much); Deno.stderr.writeSync(much); } console.log();`;
  await using project = new Project({ files: { "odd.ts": stageWith(top) } });
  // No limit of time ends it, however busy the machine is.
  const described = await describeFile(project.path("odd.ts"), [], { ...LOADING_LIMITS, timeoutMs: 600_000 });
  assert(!("error" in described), JSON.stringify(described));
});

Deno.test({
  ...onlyIf(
    hasProgram("mkfifo"),
    "no mkfifo",
    "plan refuses at once what is no file of code, and after 20 s a stage that imports a pipe",
  ),
  async fn() {
    await using project = new Project({
      files: { "imports.ts": stageWith(`import "./pipe.ts";`), "folder.ts/a.ts": "" },
    });
    await new Deno.Command("mkfifo", { args: [project.path("pipe.ts")] }).output();
    Deno.symlinkSync("/dev/zero", project.path("zero.ts"));
    Deno.openSync(project.path("large.ts"), { write: true, create: true }).truncateSync(1 << 30);
    const told = {
      pipe: /it is not a regular file/,
      zero: /it is not a regular file/,
      folder: /it is not a regular file/,
      large: /it is larger than 16 MiB/,
      imports: /it took more than 20 s and was stopped/,
    };
    await Promise.all(
      Object.entries(told).map(async ([name, message]) => {
        project.write(`${name}.yaml`, `name: demo\nstages:\n  a: { uses: ./${name}.ts }\n`);
        const plans = [project.cli(["plan", `${name}.yaml`]), project.cli(["plan", `${name}.ts`])];
        for (const { code, stderr } of await Promise.all(plans)) {
          assertEquals(code, 2, stderr);
          assertMatch(stderr, message);
        }
      }),
    );
  },
});

Deno.test({
  ...onlyIf(
    hasProgram("mkfifo") && hasProgram("setpriv"),
    "no mkfifo or setpriv",
    "what loads a stage's code goes with a command that is killed",
  ),
  async fn() {
    await using project = new Project({ files: { "odd.ts": stageWith(`import "./pipe.ts";`), "p.yaml": YAML } });
    await new Deno.Command("mkfifo", { args: [project.path("pipe.ts")] }).output();
    await using running = project.start(["plan", "p.yaml"]);
    // Before setpriv has become Deno, it may not have asked the kernel yet to kill it with its parent.
    const isInfo = (pid: number) => {
      const [program, ...args] = Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
      return !program!.endsWith("/setpriv") && args.includes("info");
    };
    let child: number | undefined;
    while (child === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      child = childrenOf(running.pid).find(isInfo);
    }
    running.signal("SIGKILL");
    assert(await isGoneWithin(child), "it outlived the command");
  },
});

Deno.test("run gives a stage nothing that another run left in the storage of the browser's interfaces", async () => {
  // In a worker these interfaces exist again, whatever the main thread has removed.
  const body = `
    const code = \`(async () => {
      const store = await caches.open("x");
      const old = await store.match("http://a.invalid/");
      await store.put("http://a.invalid/", new Response("kept"));
      postMessage(old === undefined ? "nothing" : await old.text());
    })().catch((error) => postMessage(String(error)))\`;
    const worker = new Worker("data:text/javascript," + encodeURIComponent(code), { type: "module" });
    const found = await new Promise<string>((resolve) => worker.onmessage = ({ data }) => resolve(data));
    worker.terminate();
    const local = localStorage.getItem("a") ?? "nothing";
    localStorage.setItem("a", "kept");
    await outputs.out.write("text.txt", found + " " + local);`;
  await using project = new Project({ files: { "odd.ts": stageWith("", body), "p.yaml": YAML } });
  for (const force of [[], ["--force", "a"], ["--force", "a"]]) {
    const { code, stdout, stderr } = await project.cli(["run", "p.yaml", ...force]);
    assertEquals(code, 0, stderr);
    assert(!`${stdout}${stderr}`.includes("not deterministic"), stdout);
    assertEquals(project.read("outputs/demo/a/text.txt"), "nothing nothing");
  }
});

Deno.test("run follows a link that is given as an external file, by its content, and nothing else beside it", async () => {
  const stage = `import { defineStage, externalFile } from "noiseline";
import { z } from "zod";

export default defineStage({
  summary: "Reads what it was given",
  params: z.strictObject({ data: externalFile(z.string()), also: z.string().optional() }),
  inputs: {},
  outputs: { out: { type: "files", description: "A copy" } },
  async run({ params, outputs }) {
    await outputs.out.write("text.txt", await Deno.readTextFile(params.data));
    if (params.also !== undefined) await Deno.readTextFile(params.also);
  },
});
`;
  await using project = new Project({ files: { "copy.ts": stage, "one.txt": "one", "two.txt": "two" } });
  const write = (also = "") =>
    project.write("p.yaml", `name: demo\nstages:\n  a: { uses: ./copy.ts, with: { data: link.txt${also} } }\n`);
  write();
  Deno.symlinkSync("one.txt", project.path("link.txt"));
  assertEquals((await project.cli(["run", "p.yaml"])).code, 0);
  assertEquals(project.read("outputs/demo/a/text.txt"), "one");

  Deno.removeSync(project.path("link.txt"));
  Deno.symlinkSync("two.txt", project.path("link.txt"));
  const { stages } = (await project.cli(["plan", "p.yaml", "--json"])).json;
  assertEquals([stages[0].state, stages[0].reasons[0].code], ["run", "external"]);
  assertEquals((await project.cli(["run", "p.yaml"])).code, 0);
  assertEquals(project.read("outputs/demo/a/text.txt"), "two");

  write(`, also: "${project.path("one.txt")}"`);
  const { code, stderr } = await project.cli(["run", "p.yaml"]);
  assertEquals(code, 1);
  assertMatch(stderr, /the stage may not read .*one\.txt: it is not one of its inputs/);
});

Deno.test("run refuses a file whose name is not UTF-8", async () => {
  // TypeScript cannot create such a name, but a stage's native code can: here the test does so.
  const body = `
    await outputs.out.write("text.txt", "x");
    for (let i = 0; i < 3_000 && Array.from(Deno.readDirSync(outputs.out.folder)).length < 2; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }`;
  await using project = new Project({ files: { "odd.ts": stageWith("", body), "p.yaml": YAML } });
  await using running = project.start(["run", "p.yaml", "--json"]);
  const { runId } = await running.event(({ type }) => type === "run-started");
  const folder = project.path(`.noiseline/tmp/${runId}-a/out/out`);
  await until("the stage's own file", () => project.exists(`.noiseline/tmp/${runId}-a/out/out/text.txt`));
  const made = await new Deno.Command("sh", { args: ["-c", `: > "$(printf 'bad\\377name')"`], cwd: folder }).output();
  assert(made.success);
  const { code, events } = await running.outcome();
  assertEquals(code, 1);
  const { message, fix } = events.find(({ type }) => type === "stage-finished");
  assertMatch(message, /output "out" has a file name that cannot be kept/);
  assertMatch(fix, /UTF-8/);
  assertEquals(project.list(".noiseline/tmp"), []);
});
