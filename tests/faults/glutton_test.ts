import { assert, assertEquals, assertMatch } from "@std/assert";
import { childrenOf, isGoneWithin } from "../support/proc.ts";
import type { Json } from "../support/cli_process.ts";
import { Project } from "../support/project.ts";

const MEBIBYTE = 1 << 20;

function pipeline(takes: string, more = "", amount = 0): string {
  return `name: demo\nstages:\n  a: { uses: ./glutton.ts, with: { takes: ${takes}, amount: ${amount} }${more} }\n`;
}

async function end(project: Project, takes: string, more = "", amount = 0): Promise<Json> {
  project.write("p.yaml", pipeline(takes, more, amount));
  const { code, events, stderr } = await project.cli(["run", "p.yaml", "--json"]);
  const finished = events.find(({ type }) => type === "stage-finished");
  assert(finished !== undefined, stderr);
  return { code, ...finished, runId: events.at(-1).runId };
}

/** Returns the peak memory of a process in bytes. */
function peakOf(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) * 1024;
}

Deno.test("run stops a stage that takes more memory than it may, and it can be given more", async () => {
  await using project = new Project({ stages: ["glutton"] });
  for (const takes of ["arrays", "objects"]) {
    const { code, state, message, fix } = await end(project, takes, ", resources: { memory: 400MiB }");
    assertEquals([code, state], [1, "failed"]);
    assertMatch(message, /over its limit of 400 MiB; it was stopped$|^it ran out of memory: /, takes);
    assertMatch(fix, /resources: \{ memory: /);
    assertEquals(project.list(".noiseline/tmp"), []);
  }
  const { code } = await end(project, "nothing", ", resources: { memory: 400MiB }");
  assertEquals(code, 0);
  // The memory limit of a process does not affect its result.
  const { stages } = (await project.cli(["plan", "p.yaml", "--json", "--set", "a.takes=nothing"])).json;
  assertEquals(stages[0].state, "cached");
});

Deno.test("run refuses an amount of memory that is none", async () => {
  await using project = new Project({ stages: ["glutton"] });
  for (const memory of ["lots", "0GiB", "5"]) {
    project.write("p.yaml", pipeline("nothing", `, resources: { memory: "${memory}" }`));
    const { code, stderr } = await project.cli(["run", "p.yaml"]);
    assertEquals(code, 2, stderr);
    assertMatch(stderr, /p\.yaml:3:.*memory[^]*500MB or 8GiB/);
  }
});

Deno.test("run ends at the second signal when a stage loops and hears nothing", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    await using project = new Project({ stages: ["glutton"] });
    project.write("p.yaml", pipeline("time"));
    await using running = project.start(["run", "p.yaml", "--json"]);
    await running.event(({ type }) => type === "stage-progress");
    const [child] = childrenOf(running.pid);
    running.signal(signal);
    // Two signals at once may be one press of a key.
    await running.event(({ type }) => type === "stopping");
    await new Promise((resolve) => setTimeout(resolve, 500));
    running.signal(signal);
    const { code, events } = await running.outcome();
    assertEquals(code, 130);
    assertEquals(events.at(-1).status, "interrupted");
    assert(await isGoneWithin(child!), "the stage outlived its run");
    assertEquals(project.list(".noiseline/tmp"), []);
  }
});

Deno.test("run stops a stage that loops when its time is over", async () => {
  await using project = new Project({ stages: ["glutton"] });
  const { code, message, fix } = await end(project, "time", ", timeout: 2s");
  assertEquals(code, 1);
  assertMatch(message, /longer than its timeout of 2 s/);
  assertMatch(fix, /raise timeout of a/);
});

const PRINTS = {
  prints: "lines",
  unbroken: "without a break",
  breaks: "nothing but line breaks",
  bytes: "what is not UTF-8",
};
for (const [takes, what] of Object.entries(PRINTS)) {
  Deno.test(`run keeps a bounded log and flat memory when a stage prints ${what}`, async () => {
    await using project = new Project({ stages: ["glutton"] });
    const mebibytes = ["breaks", "bytes"].includes(takes) ? 200 : 1_000;
    project.write("p.yaml", pipeline(takes, "", mebibytes));
    await using running = project.start(["run", "p.yaml", "--json"]);
    let peak = 0;
    const timer = setInterval(() => {
      try {
        peak = Math.max(peak, peakOf(running.pid));
      } catch {
        // The process has just ended.
      }
    }, 20);
    const { code, events, stderr } = await running.outcome();
    clearInterval(timer);
    assertEquals(code, 0, stderr);
    const { size } = Deno.statSync(project.path(`.noiseline/runs/${events.at(-1).runId}/logs/a.log`));
    assert(
      size > 60 * MEBIBYTE && size < 70 * MEBIBYTE,
      `a log of ${size} bytes for ${mebibytes} MiB that were printed`,
    );
    // A run without a stage takes about 100 MiB, and V8 keeps 150 to 300 MiB of garbage until it has to clean up (369
    // MiB in all for 300 MiB that were printed, 396 MiB for 1,200): far less than all that was printed.
    assert(peak > 0 && peak < 600 * MEBIBYTE, `the engine held ${peak} bytes`);
    const log = project.read(`.noiseline/runs/${events.at(-1).runId}/logs/a.log`);
    assertMatch(log.slice(-200), /\n… \d+ lines left out: a log holds 64 MiB of each stage\n$/);
  });
}

Deno.test("run keeps ten thousand files of a stage, and ends although timers go on", async () => {
  await using project = new Project({ stages: ["glutton"] });
  assertEquals((await end(project, "timers")).state, "ran");
  assertEquals((await end(project, "files", "", 10_000)).state, "ran");
  assertEquals(project.files("outputs/demo/a").length, 10_001);
  assertEquals(project.list(".noiseline/tmp"), []);
});

Deno.test("run shows notes up to a number, and keeps all of them in the log", async () => {
  await using project = new Project({ stages: ["glutton"] });
  project.write("p.yaml", pipeline("notes", "", 20_000));
  const { code, events } = await project.cli(["run", "p.yaml", "--json"]);
  assertEquals(code, 0);
  const shown = events.filter(({ type }) => type === "stage-note");
  assertEquals(shown.length, 1_001);
  assertMatch(shown.at(-1).message, /further notes are only in the log/);
  const log = project.read(`.noiseline/runs/${events.at(-1).runId}/logs/a.log`);
  assertEquals(log.match(/^note: note \d+$/gm)?.length, 20_000);
});
