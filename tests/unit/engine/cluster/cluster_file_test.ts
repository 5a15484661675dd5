import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadCluster } from "../../../../engine/cluster/cluster_file.ts";
import { formatDiagnostic, formatSpan } from "../../../../engine/diagnostic/format.ts";
import { Grants, notGranted } from "../../../../engine/run/rights.ts";
import { sha256Of } from "../../../../engine/store/reading.ts";
import { clusterFileSchema } from "../../../../schemas/cluster_file.ts";
import { BUILTIN_KINDS } from "../../../../stages/mod.ts";
import { setVariable, testsAlone } from "../../../support/own_process.ts";
import { makeTempFolder } from "../support/temp.ts";

/** The location of the user's settings comes from the environment. */
const test = testsAlone(import.meta.url);
const KINDS = Object.keys(BUILTIN_KINDS);

/** Makes a project with a pipeline folder below it and the user's settings beside it, and cluster files in both. */
async function place(project: Record<string, string>, user: Record<string, string> = {}) {
  const temp = await makeTempFolder();
  const path = (...names: string[]) => join(temp.path, ...names);
  const write = (folder: string, files: Record<string, string>) => {
    mkdirSync(path(folder, "clusters"), { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(path(folder, "clusters", name), text);
  };
  write("project", project);
  write("user/noiseline", user);
  mkdirSync(path("project/pipelines"));
  writeFileSync(path("project/deno.json"), "{}");
  return {
    path,
    load: (name: string) => {
      setVariable("XDG_CONFIG_HOME", path("user"));
      return loadCluster(name, { folder: path("project/pipelines") }, KINDS);
    },
    [Symbol.asyncDispose]: () => temp[Symbol.asyncDispose](),
  };
}

async function problemsOf(text: string) {
  await using at = await place({ "lab.yaml": text });
  const loaded = at.load("lab");
  return loaded.ok ? [] : loaded.diagnostics;
}

const said = async (text: string) =>
  (await problemsOf(text)).map(({ message, got = "", fix = "", span }) =>
    [message, got, fix, span === undefined ? "" : formatSpan(span).split("lab.yaml:")[1]].join(" | ")
  );

const GOOD = "engine: slurm\ncache: /shared/cache\n";

test("loadCluster() reads what a file says, and fills in the rest", async () => {
  await using at = await place({
    "lab.yaml": `${GOOD}partition: gpu
time: 90m
resources: { cpu: 4, memory: 8GiB }
kinds:
  train: { resources: { gpu: 1 }, time: 1d, sbatch: ["--constraint=a100"] }
  ./mine.ts: { partition: cpu }
setup: [module load cuda]
arrayLimit: 8
`,
  });
  const loaded = at.load("lab");
  assert(loaded.ok);
  const { settings, name, file } = loaded.value;
  assertEquals(name, "lab");
  assertEquals(file, at.path("project/clusters/lab.yaml"));
  assertEquals(settings, {
    engine: "slurm",
    cache: "/shared/cache",
    partition: "gpu",
    time: 90 * 60_000,
    resources: { cpu: 4, memory: "8GiB" },
    kinds: {
      train: { resources: { gpu: 1 }, time: 86_400_000, sbatch: ["--constraint=a100"] },
      "./mine.ts": { partition: "cpu" },
    },
    setup: ["module load cuda"],
    arrayLimit: 8,
    restarts: 5,
  });
});

test("loadCluster() finds files of the project and of the user, and lists both where a name is in neither", async () => {
  await using at = await place({ "lab.yaml": GOOD, ".hidden.yaml": GOOD, "notes.txt": "" }, { "home.yaml": GOOD });
  assert(at.load("lab").ok);
  assert(at.load("home").ok);
  for (
    const [name, fix] of [["lub", 'did you mean "lab"?'], ["../lab", "home, lab"], ["xyz123", "home, lab"]]
  ) {
    const none = at.load(name!);
    assert(!none.ok);
    const [problem] = none.diagnostics;
    assertStringIncludes(problem!.message, `no cluster "${name}"`);
    assertStringIncludes(problem!.fix!, fix!);
    assertStringIncludes(problem!.wanted!, at.path("user/noiseline/clusters"));
  }
});

test("one name in the project and in the user's settings is an error that names both files", async () => {
  await using at = await place({ "lab.yaml": GOOD, "own.yaml": GOOD }, { "lab.yaml": GOOD, "home.yaml": GOOD });
  const lab = at.load("lab");
  assert(!lab.ok);
  assertEquals(lab.diagnostics.length, 1);
  for (const folder of ["project", "user/noiseline"]) {
    assertStringIncludes(lab.diagnostics[0]!.message, at.path(folder, "clusters/lab.yaml"));
  }
  assert(at.load("own").ok && at.load("home").ok);
  // If a link makes both the same folder, each cluster is listed once, as the user's.
  Deno.removeSync(at.path("project/clusters"), { recursive: true });
  Deno.symlinkSync(at.path("user/noiseline/clusters"), at.path("project/clusters"));
  writeFileSync(at.path("user/noiseline/clusters/lab.yaml"), `${GOOD}setup: [ls]\n`);
  const both = at.load("lab");
  assertEquals(both.ok && both.value.asks, []);
});

test("whether a file asks is decided by where it really is, whatever links lead to it", async () => {
  const text = `${GOOD}setup: [ls]\n`;
  const SHARED = "user/noiseline/clusters";
  type Place = Awaited<ReturnType<typeof place>>;
  const remove = (at: Place, name: string) => Deno.removeSync(at.path(name), { recursive: true });
  const link = (at: Place, from: string, to: string) => Deno.symlinkSync(at.path(to), at.path(from));
  // True if `home` asks for rights; the file lies in the project, in the user's folder or in neither.
  const ways: Record<string, [asks: boolean, make: (at: Place) => void]> = {
    "a file of the user": [false, (at) => writeFileSync(at.path(SHARED, "home.yaml"), text)],
    "a link to a file of the project": [true, (at) => {
      writeFileSync(at.path("project/clusters/work.yaml"), text);
      link(at, `${SHARED}/home.yaml`, "project/clusters/work.yaml");
    }],
    "a link to any file below the project": [true, (at) => {
      writeFileSync(at.path("project/pipelines/work.txt"), text);
      link(at, `${SHARED}/home.yaml`, "project/pipelines/work.txt");
    }],
    "a link to a link": [true, (at) => {
      writeFileSync(at.path("project/pipelines/work.txt"), text);
      link(at, "between.yaml", "project/pipelines/work.txt");
      link(at, `${SHARED}/home.yaml`, "between.yaml");
    }],
    "a link by a folder that is one": [true, (at) => {
      writeFileSync(at.path("project/clusters/work.yaml"), text);
      link(at, "between", "project/clusters");
      link(at, `${SHARED}/home.yaml`, "between/work.yaml");
    }],
    "the user's folder is the project's": [true, (at) => {
      remove(at, SHARED);
      link(at, SHARED, "project/clusters");
      writeFileSync(at.path("project/clusters/home.yaml"), text);
    }],
    "a link to a file elsewhere": [false, (at) => {
      writeFileSync(at.path("dotfiles.yaml"), text);
      link(at, `${SHARED}/home.yaml`, "dotfiles.yaml");
    }],
    "a link of the project to a file elsewhere": [true, (at) => {
      writeFileSync(at.path("dotfiles.yaml"), text);
      link(at, "project/clusters/home.yaml", "dotfiles.yaml");
    }],
  };
  for (const [what, [asks, make]] of Object.entries(ways)) {
    await using at = await place({});
    make(at);
    const loaded = at.load("home");
    assert(loaded.ok, what);
    const rights = asks ? [[`jobs=${sha256Of(text)}`]] : [];
    assertEquals(loaded.value.asks.map((one) => one.rights), rights, what);
  }
});

test("a project's file asks for the right to say what is run, by its digest, and the user's own does not", async () => {
  const commands = {
    setup: "[a]",
    deno: "/d",
    packages: "/p",
    sbatch: "[--hold]",
    kinds: "{ train: { sbatch: [--hold] } }",
  };
  const others = {
    partition: "gpu",
    time: "1h",
    logs: "/l",
    scratch: "/s",
    kinds: "{ train: { partition: gpu } }",
    setup: "[]",
  };
  const lines = (all: object) => Object.entries(all).map((pair) => `${pair.join(": ")}\n`);
  await fc.assert(
    fc.asyncProperty(fc.subarray(lines(commands)), fc.subarray(lines(others)), async (given, more) => {
      // A file may contain a key only once.
      const keys = given.map((one) => one.split(":")[0]);
      const text = [GOOD, ...more.filter((one) => !keys.includes(one.split(":")[0])), ...given].join("");
      await using at = await place({ "lab.yaml": text }, { "own.yaml": text });
      const [lab, own] = [at.load("lab"), at.load("own")];
      assert(lab.ok && own.ok, text);
      const right = `jobs=${sha256Of(text)}`;
      const asked = lab.value.asks.map(({ stage, uses, rights, file }) => [stage.entry, uses, rights, file]);
      const file = at.path("project/clusters/lab.yaml");
      assertEquals(asked, given.length === 0 ? [] : [["clusters/lab.yaml", "clusters/lab.yaml", [right], file]]);
      assertEquals(own.value.asks, []);
      if (given.length === 0) return;
      const grants = new Grants(at.path("project"), at.path("grants.json"));
      const refused = notGranted(grants.open(lab.value.asks), own.value.origins);
      assertStringIncludes(refused.fix!, `--grant clusters/lab.yaml:${right}`);
      assertStringIncludes(refused.span!.source.name, "lab.yaml");
      grants.add(lab.value.asks[0]!);
      assertEquals(grants.open(lab.value.asks), []);
      // After any edit, the grant is requested again.
      writeFileSync(file, `${text}# edited\n`);
      const edited = at.load("lab");
      assert(edited.ok);
      assertEquals(grants.open(edited.value.asks).length, 1);
    }),
    { numRuns: 40, seed: 1 },
  );
});

test("loadCluster() takes the example, which has everything that a file may say", async () => {
  const example = new URL("../../../../pipelines/clusters/example.yaml", import.meta.url);
  await using at = await place({ "example.yaml": readFileSync(example, "utf8") });
  const loaded = at.load("example");
  assert(loaded.ok);
  assertEquals(Object.keys(loaded.value.settings).sort(), Object.keys(clusterFileSchema.shape).sort());
});

test("loadCluster() says where to write the first file", async () => {
  await using at = await place({});
  const none = at.load("lab");
  assert(!none.ok);
  assertStringIncludes(none.diagnostics[0]!.fix!, join(at.path("project/clusters"), "NAME.yaml"));
});

test("loadCluster() says all that is wrong at once, each at its place", async () => {
  assertEquals(
    await said(`engine: slrum
cache: shared/cache
partitoin: gpu
account: "--wrap=x"
qos: "a b"
time: 3 hours
resources: { cpus: 4 }
kinds:
  trian: {}
  train: { resources: { gpu: many }, sbatch: [-p gpu] }
setup: ["echo a\\necho b"]
arrayLimit: 0
`),
    [
      'engine is not valid | "slrum" | did you mean "slurm"? | 1:9',
      'cache is not valid | "shared/cache" | write an absolute path | 2:8',
      'unknown key "partitoin" in the cluster file |  | did you mean "partition"? | 3:1',
      'account is not valid | "--wrap=x" | write a name of letters, digits and _ . , : @ / + = - | 4:10',
      'qos is not valid | "a b" | write a name of letters, digits and _ . , : @ / + = - | 5:6',
      'time is not valid | "3 hours" | write a time such as 90s, 10m, 2h or 1d | 6:7',
      'unknown key "cpus" in resources |  | did you mean "cpu"? | 7:14',
      'there is no kind "trian" |  | did you mean "train"? | 9:3',
      'kinds.train.resources.gpu is not valid | "many" | write a number, or "required" | 10:30',
      'kinds.train.sbatch[0] is not valid | "-p gpu" | write one option in full, such as --constraint=a100, and none that noiseline sets itself | 10:47',
      'setup[0] is not valid | "echo a\\necho b" | write one line of shell | 11:9',
      "arrayLimit is not valid | 0 | raise arrayLimit to at least 1 | 12:13",
    ],
  );
});

test("loadCluster() says how sizes and times are written, and that a job has a processor", async () => {
  assertEquals(
    await said(`${GOOD}time: 012:00:00\nresources: { cpu: 0, memory: 100 }\nkinds: { train: { time: 90 } }\n`),
    [
      'time is not valid | "012:00:00" | write 12h | 3:7',
      "resources.cpu is not valid | 0 | raise cpu to at least 1 | 4:19",
      "resources.memory is not valid | 100 | write a size above 0, such as 500MB or 8GiB | 4:30",
      "kinds.train.time is not valid | 90 | write a time such as 90s, 10m, 2h or 1d | 5:25",
    ],
  );
});

test("loadCluster() says what is missing, of an empty file too", async () => {
  for (const text of ["", "# nothing\n", "{}\n"]) {
    assertEquals((await problemsOf(text)).map(({ message }) => message), ["engine is missing", "cache is missing"]);
  }
});

test("loadCluster() refuses what is no map, no text, or no YAML", async () => {
  for (const text of ["3\n", "[engine]\n", "kinds: [3]\n", "a: [\n", "a: \u0000\n", "engine: slurm\nengine: slurm\n"]) {
    assert((await problemsOf(text)).length > 0, text);
  }
  assertStringIncludes((await problemsOf("a: \u0000\n"))[0]!.fix!, "a cluster file in YAML");
});

test("loadCluster() takes options of sbatch but for those that each job is submitted with", async () => {
  const refused = ["--no-requeue", "--dependency=afterok:1", "--signal B:USR1", "-p", "--", "--Wrap=x", "--job-name"];
  for (const one of refused) assertEquals((await problemsOf(`${GOOD}sbatch: ["${one}"]\n`)).length, 1, one);
  for (const one of ["--reservation=a", "--exclusive", "--wait-all-nodes=1", "--signals=1"]) {
    assertEquals(await problemsOf(`${GOOD}sbatch: ["${one}"]\n`), []);
  }
});

test("an error of a cluster file has its line", async () => {
  const text = formatDiagnostic((await problemsOf(`${GOOD}time: 0s\n`))[0]!);
  assertStringIncludes(text, "lab.yaml:3:7");
  assertStringIncludes(text, "3 | time: 0s");
});

test("loadCluster() never throws, whatever the file holds", async () => {
  const key = fc.constantFrom("engine", "cache", "partition", "kinds", "resources", "setup", "time", "sbatch", "train");
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 3 },
      fc.string({ unit: "binary" }),
      fc.constantFrom("slurm", "/cache", "1h"),
      fc.integer(),
      fc.constant(null),
      fc.array(tie("any"), { maxLength: 3 }),
      fc.dictionary(fc.oneof(key, fc.string()), tie("any"), { maxKeys: 4 }),
    ),
  })).any;
  await using at = await place({});
  const file = at.path("project/clusters/lab.yaml");
  const check = (text: string) => {
    writeFileSync(file, text);
    const loaded = at.load("lab");
    if (!loaded.ok) assert(loaded.diagnostics.length > 0 && loaded.diagnostics.every((one) => formatDiagnostic(one)));
  };
  fc.assert(fc.property(value, (one) => check(JSON.stringify(one))), { numRuns: 300 });
  fc.assert(fc.property(fc.string({ unit: "binary" }), check), { numRuns: 300 });
});

/** Long options of sbatch 22.05 to 24.11, from its manual. */
const SBATCH = (
  "account acctg-freq array batch bb bbf begin chdir cluster-constraint clusters comment constraint container " +
  "container-id contiguous core-spec cores-per-socket cpu-freq cpus-per-gpu cpus-per-task deadline delay-boot " +
  "dependency distribution error exclude exclusive export export-file extra extra-node-info get-user-env gid gpu-bind " +
  "gpu-freq gpus gpus-per-node gpus-per-socket gpus-per-task gres gres-flags help hint hold ignore-pbs input job-name " +
  "kill-on-invalid-dep licenses mail-type mail-user mcs-label mem mem-bind mem-per-cpu mem-per-gpu mincpus network " +
  "nice no-kill no-requeue nodefile nodelist nodes ntasks ntasks-per-core ntasks-per-gpu ntasks-per-node " +
  "ntasks-per-socket open-mode output overcommit oversubscribe parsable partition power prefer priority profile " +
  "propagate qos quiet reboot requeue reservation signal sockets-per-node spread-job switches test-only thread-spec " +
  "threads-per-core time time-min tmp tres-bind tres-per-task uid usage use-min-nodes verbose version wait " +
  "wait-all-nodes wckey wrap"
).split(" ");
/** The options that a job relies on (docs/cluster.md). */
const RELIED_ON = (
  "array chdir comment dependency error job-name kill-on-invalid-dep no-requeue open-mode output parsable requeue " +
  "signal test-only wait wrap"
).split(" ");

/**
 * Returns the option that an argument stands for, as getopt_long(3) finds it: by its full name, or by an unambiguous
 * prefix.
 */
function meant(argument: string): string | undefined {
  const name = /^--([^=]*)/.exec(argument)?.[1];
  if (name === undefined) return undefined;
  const found = SBATCH.filter((option) => option === name || option.startsWith(name));
  return found.includes(name) ? name : found.length === 1 ? found[0] : undefined;
}

const takes = (option: string) => clusterFileSchema.shape.sbatch.safeParse([option]).success;

Deno.test("no spelling of an option that jobs rely on may stand in a cluster's file, and every other option may", () => {
  const beginning = fc.constantFrom(...SBATCH).chain((name) =>
    fc.nat(name.length - 1).map((cut) => name.slice(0, cut + 1))
  );
  const value = fc.constantFrom("", "=", "=x", "=/tmp/x", " x");
  const long = fc.tuple(beginning, value).map(([name, more]) => `--${name}${more}`);
  // `-o FILE`, `-oFILE`, several letters in one; `-J`, `-e`, `-d`, `-D`, `-a`, `-W` and all the others.
  const short = fc.tuple(fc.stringMatching(/^-[A-Za-z]{1,3}$/), value).map((parts) => parts.join(""));
  fc.assert(
    fc.property(fc.oneof({ weight: 5, arbitrary: long }, short, fc.constantFrom("--", "-")), (option) => {
      const sets = meant(option.replace(/ .*$/, ""));
      if (sets === undefined ? !option.startsWith("--") : RELIED_ON.includes(sets)) assert(!takes(option), option);
    }),
    { numRuns: 5_000 },
  );
  for (const name of SBATCH) assertEquals(takes(`--${name}=x`), !RELIED_ON.includes(name), name);
});
