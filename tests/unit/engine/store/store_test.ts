import fs from "node:fs";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { openStore } from "../../../../engine/store/store.ts";
import { makeTempFolder } from "../support/temp.ts";

/** NFS_SUPER_MAGIC and LL_SUPER_MAGIC, as in `man 2 statfs` and Lustre's lustre_user.h. */
const REFUSED = { NFS: 0x6969, Lustre: 0x0bd00bd0 };

/**
 * The scratch of a run on another host, or one that was killed: no process here has its id, because the kernel's
 * largest is 2^22.
 */
const SCRATCH = `20200101T000000000-${(5_000_000).toString(36)}-train`;

for (const [name, type] of Object.entries(REFUSED)) {
  Deno.test(`prepare() refuses a folder on ${name} and touches nothing there`, async () => {
    await using folder = await makeTempFolder();
    const asked: string[] = [];
    const root = join(folder.path, "deep", ".noiseline");
    const { statfsSync } = fs;
    using _disk = {
      [Symbol.dispose]: () => void (fs.statfsSync = statfsSync),
    };
    fs.statfsSync = ((path: string) => {
      asked.push(path);
      return { type };
    }) as unknown as typeof statfsSync;
    const prepare = () => openStore(root).prepare();
    const refused = prepare();
    assert(!refused.ok);
    assertStringIncludes(refused.diagnostics[0]!.message, `Cannot keep the store on ${name} (${root})`);
    assertStringIncludes(refused.diagnostics[0]!.fix!, "--store");
    assertEquals([...Deno.readDirSync(folder.path)], []);

    const scratch = join(root, "tmp", SCRATCH);
    Deno.mkdirSync(scratch, { recursive: true });
    assert(!prepare().ok);
    assertEquals([...Deno.readDirSync(root)].map(({ name }) => name), ["tmp"]);
    assert(Deno.statSync(scratch).isDirectory);
    // A store that does not exist yet will lie where its folder will be.
    assertEquals(asked, [folder.path, root]);
  });
}

Deno.test("prepare() takes the disk of the tests, and sweeps what a killed run left", async () => {
  await using folder = await makeTempFolder();
  const root = join(folder.path, ".noiseline");
  const scratch = join(root, "tmp", SCRATCH);
  Deno.mkdirSync(scratch, { recursive: true });
  assert(openStore(root).prepare().ok);
  assertEquals([...Deno.readDirSync(join(root, "tmp"))], []);
});
