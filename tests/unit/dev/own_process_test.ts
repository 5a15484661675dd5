import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { CLONE } from "../../support/cli_process.ts";
import { filesBelow } from "../engine/support/temp.ts";

const TESTS = join(CLONE, "tests");
/** Code that deliberately tries forbidden things; it runs in a stage's process. */
const IN_PROCESSES = join(TESTS, "support/stages");

const CHANGES = /\bDeno\s*\.(env\s*\.(set|delete)|chdir|umask)\b|process\.(chdir|umask)|process\.env\S* =[^=]/;

Deno.test("no test changes the environment or the folder of the process that it shares with others", () => {
  const files = filesBelow(TESTS).filter((path) => path.endsWith(".ts") && !path.startsWith(IN_PROCESSES));
  const texts = files.map((path) => [path.slice(TESTS.length + 1), Deno.readTextFileSync(path)] as const);
  const changing = texts.filter(([, text]) => CHANGES.test(text)).map(([name]) => name);
  assertEquals(changing, ["support/own_process.ts"]);
  // A variable may change beside other files if the tests of only one file read it.
  const setting = texts.filter(([, text]) => text.includes("setVariable("));
  const set = new Set(
    setting.flatMap(([, text]) => Array.from(text.matchAll(/\bNOISELINE_TEST_\w+/g), ([one]) => one)),
  );
  assertEquals([...set].filter((one) => texts.filter(([, text]) => text.includes(one)).length !== 1), []);
});
