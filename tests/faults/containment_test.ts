import { assert, assertEquals, assertMatch } from "@std/assert";
import { isRoot } from "../support/proc.ts";
import type { Json } from "../support/cli_process.ts";
import { Project } from "../support/project.ts";

const READ = /^the stage may not read .*: it is not one of its inputs$/;
const WRITE = /^the stage may not write .*: it is outside its outputs$/;
const INPUT = /^the stage may not write .*: inputs are read-only$/;
const NET = /^the stage may not use the network: /;
const RUN = /^the stage may not start programs: /;
const SYS = /^the stage may not read facts about this machine: /;
const ENV = /^the stage may not read (the variable HOME|all environment variables)$/;

/** The expected message for each deed of tests/support/stages/hostile.ts. */
const TOLD: Readonly<Record<string, RegExp>> = {
  "read-absolute": READ,
  "read-dots": READ,
  "read-target": READ,
  "read-own-source": READ,
  "read-environ": READ,
  "read-memory": READ,
  "read-node": READ,
  "read-require": READ,
  "read-fetch": READ,
  "read-worker": READ,
  "stat-target": READ,
  "write-target": WRITE,
  "write-node": WRITE,
  "write-temporary": WRITE,
  "write-input": INPUT,
  "append-input": INPUT,
  "remove-input": INPUT,
  "chmod-input": INPUT,
  "link-input": INPUT,
  "move-input": INPUT,
  "link-out": /^the stage may not make links/,
  "net-fetch": /^the stage may not use the network: example\.com:443$/,
  "net-connect": NET,
  "net-node": NET,
  "net-listen": NET,
  "net-resolve": NET,
  "net-unix": /^the stage may not open sockets: /,
  "net-unix-connect": READ,
  "net-unix-abstract": /^the stage may not open sockets: /,
  "open-core-pattern": WRITE,
  "open-kernel-log": READ,
  "open-sys": WRITE,
  "open-terminal": READ,
  "open-shared-memory": WRITE,
  "read-process": READ,
  "read-process-root": READ,
  // Where there is no card at all, this holds by itself.
  "card": /^Error: none here, none in a worker\n/,
  "run-deno": RUN,
  "run-shell": RUN,
  "run-node": /^the stage may not (start programs|read all environment variables)/,
  "run-kill": RUN,
  "env-home": ENV,
  "env-all": ENV,
  "env-node": ENV,
  "env-set": ENV,
  "sys-host": SYS,
  "sys-node": SYS,
  "ffi": /^the stage may not load native code: /,
  "ask": /asked, and the answer was denied/,
  "import-remote": /^the stage may not import deno\.land:443$/,
  "import-file": READ,
  // Deno's cache of other packages decides which of the two messages appears.
  "import-package":
    /^the stage may not load .*: its modules must be known before it runs$|^a package is not on this machine/,
  "import-worker": READ,
  "worker-permissions": /^the stage may not use Worker\.deno\.permissions/,
  "remove-output": /output|No such file/,
  "replace-output": /output|Not a directory/,
  "close-output": /output|Permission denied/,
  "forge-end": /^Error: forged\n/,
  "forge-by-prototype": /overheard 0 messages/,
  "forge-by-getter": /^Error: asked for nothing\n/,
  "forge-by-snapshot": /^Error: of a whole picture: 0 secrets\n/,
  "open-files": /./,
  "sql-attach": /too many attached databases/,
  "sql-vacuum": /too many attached databases/,
  "wasi": /failed to open preopen/,
  "vm": READ,
  "signal-all": RUN,
  "stay": /^Error: ends, and stays\n/,
  "throw-null": /^it threw something that is not an Error: null$/,
  "throw-text": /^only a text$/,
  "throw-bare": /^it threw something that is not an Error: /,
  "throw-trap": /^it threw a value that cannot be shown$/,
  "throw-long": /^Error: long long/,
  "throw-escape": /^Error: red {2}and \\u0007\\u202e\\u009b$/m,
  "reject-unawaited": /nobody waits for me/,
  "throw-later": /thrown by a timer/,
  "exit-0": /^its process ended without finishing the stage$/,
  "exit-3": /^its process ended with code 3 without finishing the stage$/,
  "never": /longer than its timeout of 3 s/,
  "return-odd": /^the stage returned something that is not a way to end: /,
  "dot-name": /relative path .*without \. or \.\./,
  "break-name": /file name that cannot be kept: "two\\nlines"/,
  "escape-name": /file name that cannot be kept: "\\u001b\[2J"/,
  "turning-name": /file name that cannot be kept: "a\u202etxt\.exe"/,
  "slash-name": /file name that cannot be kept/,
  "link-within": /^output "out" holds a file with a second name: one$/,
  "empty-size": /^output "out" claims 15360\.0 GiB, more than the disk holds$/,
  "deep-folders": /output "out" (cannot be read|has a file name that cannot be kept)/,
};

/** Deeds that are refused by permissions that the superuser does not need. */
const NOT_FOR_ROOT = new Set(["close-output"]);

function finished(events: readonly Json[]): Record<string, Json> {
  return Object.fromEntries(events.filter(({ type }) => type === "stage-finished").map((event) => [event.id, event]));
}

/** Returns every file below a folder with its content, so that any change shows. */
function snapshot(project: Project, folder: string): Record<string, string> {
  return Object.fromEntries(project.files(folder).map((name) => [name, project.read(`${folder}/${name}`)]));
}

Deno.test("run stops, explains and outlives every deed of a hostile stage, and nothing outside is touched", async () => {
  await using project = new Project({ stages: ["cook", "hostile"] });
  project.write("lib.cjs", "module.exports = 1;\n");
  project.write("outside/victim.txt", "untouched");
  project.write("given.yaml", "name: given\nstages:\n  given: { uses: ./cook.ts, with: { text: hello } }\n");
  assertEquals((await project.cli(["run", "given.yaml"])).code, 0);
  const before = [snapshot(project, ".noiseline/objects"), snapshot(project, "outside"), project.list(".")];
  const [object] = project.files(".noiseline/objects");

  const targets: Record<string, string> = {
    "read-require": project.path("lib.cjs"),
    "import-file": project.path("lib.cjs"),
    "import-worker": project.path("lib.cjs"),
    "stat-target": project.path("."),
    // The store's own object behind the input, which the stage may read only through its input folder.
    "read-target": project.path(".noiseline/objects", object!),
    "write-target": project.path(".noiseline/objects", object!),
  };
  const deeds = Object.keys(TOLD).filter((deed) => {
    if (!isRoot() || !NOT_FOR_ROOT.has(deed)) return true;
    // deno-lint-ignore no-console
    console.log(`skipped: ${deed}, as the superuser reads what is closed`);
    return false;
  });
  const stages = deeds.map((deed) => {
    const target = targets[deed] ?? project.path("outside/victim.txt");
    const timeout = deed === "never" ? ", timeout: 3s" : "";
    return `  ${deed}: { uses: ./hostile.ts, with: { deed: ${deed}, target: ${JSON.stringify(target)} }, ` +
      `inputs: { from: given }${timeout} }\n`;
  });
  project.write(
    "p.yaml",
    `name: demo\nstages:\n  given: { uses: ./cook.ts, with: { text: hello } }\n${stages.join("")}`,
  );

  const { code, events, stderr } = await project.cli(["run", "p.yaml", "--keep-going", "--json"], {
    env: { NOISELINE_SECRET: "do not tell" },
  });
  assertEquals(code, 1, stderr);
  const ends = finished(events);
  const wrong = deeds.filter((deed) => ends[deed]?.state !== "failed" || !TOLD[deed]!.test(ends[deed].message ?? ""))
    .map((deed) => `${deed}: ${ends[deed]?.state}: ${String(ends[deed]?.message).slice(0, 300)}`);
  assertEquals(wrong, [], wrong.join("\n"));
  for (const deed of deeds.filter((one) => /may not|without finishing|output/.test(ends[one].message))) {
    if (!/ {4}at /.test(ends[deed].message)) assert(ends[deed].fix !== undefined, `${deed} says no fix`);
  }
  assert(events.every((event) => !JSON.stringify(event).includes("do not tell")));
  assert(events.every((event) => JSON.stringify(event).length < 200_000), "a message is without bound");

  assertEquals([snapshot(project, ".noiseline/objects"), snapshot(project, "outside")], before.slice(0, 2));
  assertEquals(project.list("."), [...before[2] as string[], "p.yaml"].sort());
  assertEquals(project.shown(), ["given"]);
  assertEquals(project.list(".noiseline/results").length, 1);
  assertEquals(project.list(".noiseline/tmp"), []);

  // The repaired stage runs as if nothing had happened.
  project.copy("tests/support/stages/cook.ts", "hostile.ts");
  project.write(
    "p.yaml",
    "name: demo\nstages:\n  given: { uses: ./cook.ts, with: { text: hello } }\n" +
      "  read-absolute: { uses: ./hostile.ts, inputs: { from: [given] } }\n",
  );
  const mended = await project.cli(["run", "p.yaml"]);
  assertEquals(mended.code, 0, mended.stderr);
});

Deno.test("run keeps the runtime's own cache from a stage that writes to every open file by its number", async () => {
  await using project = new Project({ stages: ["cook", "hostile"] });
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout));
  Deno.mkdirSync(project.path("cache"));
  Deno.symlinkSync(npmCache, project.path("cache", "npm"));
  const env = { DENO_DIR: project.path("cache") };
  project.write(
    "p.yaml",
    "name: demo\nstages:\n  given: { uses: ./cook.ts, with: { text: hello } }\n" +
      "  open-files: { uses: ./hostile.ts, with: { deed: open-files }, inputs: { from: given } }\n",
  );
  const { code, stderr } = await project.cli(["run", "p.yaml"], { env });
  assertEquals(code, 1, stderr);
  const bases = project.list("cache").filter((name) => /_cache_v\d+/.test(name));
  assert(bases.length > 2, `the cache has only ${bases.join()}`);
  const spoilt = bases.filter((name) =>
    new TextDecoder().decode(Deno.readFileSync(project.path("cache", name)))
      .includes("spoilt by number")
  );
  assertEquals(spoilt, []);
});

Deno.test("every deed of the hostile stage has an expectation", () => {
  const source = Deno.readTextFileSync(new URL("../support/stages/hostile.ts", import.meta.url));
  const names = [...source.matchAll(/^ {2}"?([a-z0-9-]+)"?: (?:async )?\(/gm)].map((match) => match[1]!);
  assertEquals(names.filter((name) => name !== "throw").sort(), Object.keys(TOLD).sort());
  assertMatch(source, /DEEDS/);
});
