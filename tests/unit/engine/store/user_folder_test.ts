import { assertEquals } from "@std/assert";
import { homedir } from "node:os";
import { join } from "node:path";
import { FOLDER_VARIABLES, userFolder } from "../../../../std/user_folder.ts";

/** The user's cache where the environment has these values. */
function cacheWith(...values: readonly string[]): string {
  const before = FOLDER_VARIABLES.map((name) => Deno.env.get(name));
  const set = (all: readonly (string | undefined)[]) =>
    FOLDER_VARIABLES.forEach((name, i) => all[i] === undefined ? Deno.env.delete(name) : Deno.env.set(name, all[i]!));
  set(values);
  try {
    return userFolder("a");
  } finally {
    set(before);
  }
}

Deno.test("the user's cache is where the environment says, unless that is no absolute path", () => {
  const [cache, home] = ["cache", "home"].map((name) => join(homedir(), name)) as [string, string];
  assertEquals(cacheWith(cache, home), join(cache, "noiseline", "a"));
  for (const none of ["", "cache", "./cache"]) {
    assertEquals(cacheWith(none, home), join(home, ".cache", "noiseline", "a"));
  }
});
