import { assert, assertMatch } from "@std/assert";
import { join } from "node:path";
import { CAPPED } from "../support/faults/capped_readers.ts";
import { skipTestsUnless } from "../support/proc.ts";

const SCRIPT = new URL("../support/faults/capped_readers.ts", import.meta.url).pathname;
/** Code that is compiled and loaded on first use, and garbage of streams. */
const ANY_PROGRAM_MIB = 100;

if (!skipTestsUnless(Deno.build.os === "linux", "the most memory that a process held is read from /proc")) {
  for (const [name, { file, make, said, mostMiB }] of Object.entries(CAPPED)) {
    Deno.test(`a file that stands for more than its reader takes is refused in little memory: ${name}`, async () => {
      const folder = await Deno.makeTempDir();
      try {
        await Deno.writeFile(join(folder, file), make());
        const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
          args: ["run", "-A", "--no-check", SCRIPT, name, folder],
        }).output();
        assert(success, new TextDecoder().decode(stderr));
        const read = JSON.parse(new TextDecoder().decode(stdout)) as { readonly said: string; readonly rose: number };
        assertMatch(read.said, said);
        assert(read.rose < (mostMiB + ANY_PROGRAM_MIB) * 2 ** 20, `${read.rose} bytes`);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    });
  }
}
