import { assertEquals } from "@std/assert";
import { homedir } from "node:os";
import { join } from "node:path";
import { FOLDER_VARIABLES, isOwn, userFolder } from "../../../../std/user_folder.ts";
import { setVariable, testsAlone } from "../../../support/own_process.ts";
import { makeTempFolder } from "../support/temp.ts";

/** Returns the user's cache folder if the environment has these values. */
function cacheWith(...values: readonly string[]): string {
  FOLDER_VARIABLES.forEach((name, i) => setVariable(name, values[i]!));
  return userFolder("a");
}

testsAlone(import.meta.url)("the user's cache is where the environment says, unless that is no absolute path", () => {
  const [cache, home] = ["cache", "home"].map((name) => join(homedir(), name)) as [string, string];
  assertEquals(cacheWith(cache, home), join(cache, "noiseline", "a"));
  for (const none of ["", "cache", "./cache"]) {
    assertEquals(cacheWith(none, home), join(home, ".cache", "noiseline", "a"));
  }
});

Deno.test({
  name: "what another owns or may write to is not this user's own, nor are links",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using folder = await makeTempFolder();
    const [file, link] = [join(folder.path, "file"), join(folder.path, "link")];
    assertEquals(isOwn(file), false);
    Deno.writeTextFileSync(file, "");
    Deno.symlinkSync(file, link);
    const isOwnWith = (mode: number) => {
      Deno.chmodSync(file, mode);
      return isOwn(file);
    };
    assertEquals([0o600, 0o644, 0o664, 0o646].map(isOwnWith), [true, true, false, false]);
    Deno.chmodSync(file, 0o600);
    assertEquals([isOwn(link), isOwn(folder.path)], [false, true]);
    if (Deno.uid() !== 0) return;
    Deno.chownSync(file, 65_534, 65_534);
    assertEquals(isOwn(file), false);
  },
});
