import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { readAddress } from "../../../../cli/ui/start.ts";
import { VERSION } from "../../../../cli/program.ts";
import { makeTemporaryFolder } from "../../../../engine/store/folders.ts";

Deno.test("an address is taken only from a plain file of this user that nobody else can read or write", async () => {
  await using temp = await makeTemporaryFolder();
  const path = join(temp.folder, "a.json");
  const address = { version: VERSION, port: 8642, token: "ab".repeat(32) };
  Deno.writeTextFileSync(path, JSON.stringify(address), { mode: 0o600 });
  assertEquals(readAddress(path), address);
  const link = join(temp.folder, "link.json");
  Deno.symlinkSync(path, link);
  assertEquals(readAddress(link), undefined);
  for (const mode of [0o666, 0o620, 0o640, 0o604]) {
    Deno.chmodSync(path, mode);
    assertEquals(readAddress(path), undefined, mode.toString(8));
  }
  Deno.chmodSync(path, 0o600);
  assertEquals(readAddress(path), address);
  // Only the superuser can give files away.
  if (Deno.uid() === 0) {
    Deno.chownSync(path, 65_534, 65_534);
    assertEquals(readAddress(path), undefined);
  }
  const pipe = join(temp.folder, "pipe.json");
  new Deno.Command("mkfifo", { args: ["-m", "600", pipe] }).outputSync();
  for (const none of [pipe, temp.folder, join(temp.folder, "absent")]) assertEquals(readAddress(none), undefined, none);
  Deno.writeTextFileSync(pipe.replace("pipe", "torn"), `{"version"`, { mode: 0o600 });
  assertEquals(readAddress(pipe.replace("pipe", "torn")), undefined);
});
