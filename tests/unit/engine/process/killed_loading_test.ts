import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describeFile } from "../../../../engine/process/describe.ts";
import { installPackages } from "../../../../engine/process/install.ts";
import { askGraph, denoFolder } from "../../../../engine/process/runtime.ts";
import { setVariable, testsAlone } from "../../../support/own_process.ts";
import { hasProgram } from "../../../support/proc.ts";
import { makeTempFolder } from "../support/temp.ts";

const test = testsAlone(import.meta.url);
const ABSENCE = hasProgram("setpriv") ? "" : "skipped: there is no setpriv: ";

/** How Deno ends when it is asked something, and how a message names that. */
const ENDS: Readonly<Record<string, RegExp>> = {
  "kill -9 $$": /^deno (info|cache) was ended by SIGKILL$/,
  "kill -15 $$": /^deno (info|cache) was ended by SIGTERM$/,
  "exit 3": /^deno (info|cache) ended with code 3$/,
  "echo '#0 [0x55ba]' >&2; kill -s TRAP $$": /^deno (info|cache) was ended by SIGTRAP: .*`ulimit -v unlimited`$/,
  "echo no network >&2; exit 1": /^no network$/,
};

/** How Deno answers that ends well all the same. */
const ANSWERS = ["exit 0", "echo '{'; exit 0"];

test(`${ABSENCE}a Deno that is killed or fails while code loads is a problem with words, and no stack`, async () => {
  await using temp = await makeTempFolder();
  const [program, module] = [join(temp.path, "setpriv"), join(temp.path, "stage.ts")];
  Deno.writeTextFileSync(module, "export default 1;\n");
  const path = Deno.env.get("PATH")!;
  // Each Deno is started behind this program.
  setVariable("PATH", `${temp.path}:${path}`);
  for (const end of [...Object.keys(ENDS), ...ANSWERS]) {
    Deno.writeTextFileSync(program, `#!/bin/sh\n${end}\n`, { mode: 0o755 });
    const whole = ENDS[end] ?? /^what deno info answers is not whole$/;
    for (const answer of [await denoFolder(), await askGraph([], module)]) {
      assert(typeof answer === "object" && "error" in answer, end);
      assertMatch(answer.error, whole);
    }
    const described = await describeFile(module);
    assert("error" in described && "fix" in described, end);
    // An end from outside says nothing of the file, so that there is nothing to correct in it.
    assertEquals(described.fix.includes("run the command again"), !described.error.includes("no network"), end);
    const problem = await installPackages({ entry: pathToFileURL(module).href }, () => {});
    if (end in ENDS) assertMatch(problem!, whole);
  }
  // The next question is asked anew.
  Deno.writeTextFileSync(program, `#!/bin/sh\nshift 2\nexec "$@"\n`);
  assertEquals(typeof await denoFolder(), "string");
}, ABSENCE !== "");
