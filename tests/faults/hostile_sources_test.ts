import { assert, assertEquals } from "@std/assert";
import type { Outcomes } from "../support/faults/open_hostile.ts";
import { skipTestsUnless } from "../support/proc.ts";

const SCRIPT = new URL("../support/faults/open_hostile.ts", import.meta.url).pathname;
/** The number of mutations of each source's files, of 400 bytes to 40 kB. */
const CASES = 4_000;
/** Buffers and garbage of the streams of twenty files, and of compiled code. */
const MOST_BYTES = 160 << 20;

if (!skipTestsUnless(Deno.build.os === "linux", "the most memory that a process held is read from /proc")) {
  for (const source of ["zip", "tar", "npy", "npz", "parquet", "table", "png"]) {
    Deno.test(`${CASES} mutations of ${source} give values or one named error, in little memory, and close their files`, async () => {
      const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", "--v8-flags=--expose-gc", SCRIPT, source, String(CASES)],
      }).output();
      assert(success, new TextDecoder().decode(stderr));
      const { values, refused, thrown, rose, leftOpen } = JSON.parse(new TextDecoder().decode(stdout)) as Outcomes;
      assertEquals(thrown.slice(0, 3), []);
      // Some mutations change nothing that matters, and some do.
      assert(values > 10 && refused > CASES / 10, `${values} values, ${refused} refused`);
      assert(rose < MOST_BYTES, `${rose} bytes`);
      assertEquals(leftOpen, 0);
    });
  }
}
