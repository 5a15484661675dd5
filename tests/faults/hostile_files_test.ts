import { assert, assertEquals } from "@std/assert";
import { skipTestsUnless } from "../support/proc.ts";
import type { Outcome } from "../support/faults/decode_hostile.ts";

const SCRIPT = new URL("../support/faults/decode_hostile.ts", import.meta.url).pathname;
/** The number of files of each generator. */
const CASES = 400;
/**
 * The most memory that reading a file of up to some hundred kilobytes may take beyond the file itself, unless the file
 * contains an image larger than 8 x 8 pixels: one piece of the unpacked data, and JavaScript's uncollected garbage.
 * Each bomb contains 256 MiB.
 */
const MOST_BYTES = 24 << 20;
/** The size of the one honest image's pixels. */
const HONEST_BYTES = 27_000_000;

if (!skipTestsUnless(Deno.build.os === "linux", "the most memory that a process held is read from /proc")) {
  Deno.test("images and arrays that are bombs or put together wrongly give a value or one named error, in little memory", async () => {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", SCRIPT, String(CASES)],
    }).output();
    assert(success, new TextDecoder().decode(stderr));
    const outcomes = JSON.parse(new TextDecoder().decode(stdout)) as Outcome[];
    assert(outcomes.length > 3 * CASES);
    assertEquals(outcomes.filter(({ error, isFormatError }) => error !== undefined && !isFormatError), []);
    const [honest, ...others] = outcomes;
    assertEquals(honest!.error, undefined);
    assert(honest!.rose > HONEST_BYTES && honest!.rose < 8 * HONEST_BYTES, `${honest!.rose}`);
    assertEquals(others.filter(({ rose }) => rose > MOST_BYTES), []);
    const named = (part: string) => others.filter(({ name }) => name.startsWith(part));
    // A decoder does not unpack chunks that it does not use, so they cannot prevent an image from being read.
    for (const type of ["plain", "iCCP", "zTXt", "iTXt", "animation"]) {
      assertEquals(named(type).map(({ error }) => error), named(type).map(() => undefined), type);
    }
    for (const type of ["pixels", "16384", "10000", "2147483647", "1 x", "baseline", "progressive", "npz", "idx, "]) {
      assert(named(type).length > 1 && named(type).every(({ error }) => error !== undefined), type);
    }
    // Some but not all of the randomly assembled files are refused.
    for (const type of ["png ", "jpeg ", "idx "]) {
      const good = named(type).filter(({ error }) => error === undefined).length;
      assert(good > CASES / 40 && good < CASES / 2, `${type}: ${good} of ${CASES}`);
    }
  });
}
