import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { readAddress, writeOpener } from "../../../../pages/server/start.ts";
import { VERSION } from "../../../../package/program.ts";
import { makeTemporaryFolder } from "../../../../engine/store/folders.ts";
import { setVariable, testsAlone } from "../../../support/own_process.ts";

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

testsAlone(import.meta.url)(
  "what a browser is given names no secret; its file is for this user alone, inert, and the only one of a server",
  async () => {
    await using temp = await makeTemporaryFolder();
    setVariable("XDG_CACHE_HOME", temp.folder);
    const address = { version: VERSION, port: 8642, token: "a" };
    const folder = join(temp.folder, "noiseline/ui");
    Deno.mkdirSync(folder, { recursive: true });
    const path = writeOpener(address, `/run/"><script>`);
    assert(!/token|127/.test(path.slice(temp.folder.length)));
    assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
    const text = Deno.readTextFileSync(path);
    assertStringIncludes(text, `content="0; url=http://127.0.0.1:8642/run/&#34;&#62;&#60;script&#62;?token=a"`);
    // The file of another server stays, and a file that others can read is not written to.
    const other = writeOpener({ ...address, port: 8643 }, "/");
    Deno.chmodSync(path, 0o666);
    assertEquals(writeOpener({ ...address, token: "b" }, "/"), path);
    assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
    assertStringIncludes(Deno.readTextFileSync(path), "?token=b");
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => join(folder, name)).sort(), [path, other].sort());
  },
);
