import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { join } from "node:path";
import { UNKNOWN_VERSION } from "../../../../schemas/command.ts";
import { findProgram } from "../../../../engine/process/programs.ts";
import { knownVersion, programHere } from "../../../../engine/process/python.ts";
import { setVariable, testsAlone } from "../../../support/own_process.ts";
import { Project } from "../../../support/project.ts";

/** How `torchrun` begins, by who has installed it; BIN is the folder of its Python. */
const BEGINNINGS: Readonly<Record<string, string>> = {
  "pip": "#!BIN/python3\n",
  "pip, with spaces": "#! BIN/python3 \n",
  "conda": "#!BIN/python3 -u\n",
  "hand": "#!/usr/bin/env python3\n",
  "hand, with options": "#!/usr/bin/env -S python3 -u\n",
  "pip, for a long path": `#!/bin/sh\n'''exec' "BIN/python3" "$0" "$@"\n' '''\n`,
  "uv, for a long path": `#!/bin/sh\n'''exec' 'BIN/python3' "$0" "$@"\n' '''\n`,
  "uv, to be moved": `#!/bin/sh\n'''exec' "$(dirname -- "$(realpath -- "$0")")"/'python3' "$0" "$@"\n' '''\n`,
};
const CODE = "import sys\nsys.exit(0)\n";

/** A Python that every box sees, wherever a link to it lies. */
const DEBIAN = "/usr/bin/python3";
const NO_PYTHON = findProgram(DEBIAN, "/") === undefined ? "no Python of Debian" : undefined;

/** Makes a Python at a path of the project. @returns the folder of the path */
function pythonIn(project: Project): string {
  project.write("bin/x", "");
  Deno.symlinkSync(DEBIAN, project.path("bin/python3"));
  return project.path("bin");
}

function script(project: Project, name: string, text: string): string {
  project.write(name, text);
  Deno.chmodSync(project.path(name), 0o755);
  return project.path(name);
}

const alone = testsAlone(import.meta.url);
const test = (name: string, fn: (project: Project) => Promise<void>) =>
  alone(`${name}${NO_PYTHON === undefined ? "" : ` (skipped: ${NO_PYTHON})`}`, async () => {
    await using project = new Project({ files: { "own/deno.json": "{}" } });
    await fn(project);
  }, NO_PYTHON !== undefined);

test("a script has the version of the Python that it names, and a digest of its other lines", async (project) => {
  const bin = pythonIn(project);
  const before = Deno.env.get("PATH")!;
  setVariable("PATH", `${bin}:${before}`);
  try {
    const own = project.path("own");
    const { version: plain } = (await programHere(join(bin, "python3"), UNKNOWN_VERSION, own))!;
    const expected = await programHere(script(project, "bin/torchrun", `#!${bin}/python3\n${CODE}`), plain, own);
    assertMatch(expected!.version, /^cpython 3\.\d+\.\d+ (start \S+ )?runs [0-9a-f]{16}$/);
    assertEquals(expected!.version.startsWith(plain), true);
    for (const [by, begins] of Object.entries(BEGINNINGS)) {
      const path = script(project, "bin/torchrun", begins.replaceAll("BIN", bin) + CODE);
      const here = await programHere(path, UNKNOWN_VERSION, own);
      assertEquals([here?.version, here?.path, here?.python], [expected!.version, path, join(bin, "python3")], by);
      assertEquals(knownVersion(path, own), expected!.version, by);
      script(project, "bin/torchrun", `${begins.replaceAll("BIN", bin)}${CODE}# edited\n`);
      assertNotEquals((await programHere(path, UNKNOWN_VERSION, own))?.version, expected!.version, by);
    }
  } finally {
    setVariable("PATH", before);
  }
});

test("a script of pyenv's counts as the one that it starts", async (project) => {
  const bin = pythonIn(project);
  const own = project.path("own");
  const here = (path: string) => programHere(path, UNKNOWN_VERSION, project.root);
  const expected = await here(script(project, "bin/torchrun", `#!${bin}/python3\n${CODE}`));
  const shim = `#!/bin/sh\nexec ${bin}/$(basename "$0") "$@"\n`;
  script(project, "shims/python3", shim);
  const path = script(project, "shims/torchrun", shim);
  assertEquals(knownVersion(path, own), UNKNOWN_VERSION);
  assertEquals(await here(path), expected);
  // Its Python has no program of this name.
  assertEquals(await here(script(project, "shims/accelerate", shim)), undefined);
});

test("a script of another program counts by its bytes", async (project) => {
  const own = project.path("own");
  for (const text of ["#!/bin/sh\nexit 0\n", "#!/nowhere/python3\n", "#!/usr/bin/env sh\n", "no script\n"]) {
    const path = script(project, "bin/tool", text);
    const version = knownVersion(path, own);
    assertMatch(version, /^sha256:[0-9a-f]{64}$/, text);
    assertEquals((await programHere(path, version, own))?.version, version, text);
  }
});
