/**
 * Support for tests that change what a process has only once: its environment and its working folder. `deno test
 * --parallel` runs files as threads of one process, so that one test's changes mislead every command that a test of
 * another file starts meanwhile: into a cache folder that is about to be removed, or to a cluster that kills all of its
 * own processes.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

const ALONE = "NOISELINE_TESTS_ALONE";
const isAlone = () => Deno.env.get(ALONE) !== undefined;

/**
 * Returns a replacement for `Deno.test` for a file whose tests need a separate process; they share that process.
 * @param url of the file
 */
export function testsAlone(url: string): (name: string, fn: Deno.TestDefinition["fn"], ignore?: boolean) => void {
  const names: string[] = [];
  return (name, fn, ignore = false) => {
    // An ignored test is counted where people read the results.
    if (isAlone() || ignore) return Deno.test({ name, ignore, fn });
    names.push(name);
    if (names.length > 1) return;
    Deno.test(`in a process of their own: tests of ${basename(fileURLToPath(url))}`, async () => {
      const filter = names.map((one) => one.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("|");
      const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["test", "-A", "--quiet", "--no-check", `--filter=/^(${filter})$/`, fileURLToPath(url)],
        env: { [ALONE]: "1", NO_COLOR: "1" },
      }).output();
      const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
      assert(success, said);
      assertEquals(Number(/\b(\d+) passed\b/.exec(said)?.[1]), names.length, said);
    });
  };
}

/**
 * Sets or deletes a variable of this process. If tests share the process, only the tests of one file may read the
 * variable, which the prefix `NOISELINE_TEST_` marks.
 */
export function setVariable(name: string, value: string | undefined): void {
  assert(isAlone() || name.startsWith("NOISELINE_TEST_"), `${name} is all tests': see testsAlone()`);
  if (value === undefined) Deno.env.delete(name);
  else Deno.env.set(name, value);
}

/** Changes the working folder of this process. */
export function changeFolder(path: string): void {
  assert(isAlone(), "the working folder is all tests': see testsAlone()");
  Deno.chdir(path);
}
