import { assertEquals } from "@std/assert";
import { homedir } from "node:os";
import { join } from "node:path";
import { CACHE_VARIABLES, userCache } from "../../../../engine/store/user_cache.ts";

/** The user's cache where the environment has these values. */
function cacheWith(...values: readonly string[]): string {
  const before = CACHE_VARIABLES.map((name) => Deno.env.get(name));
  const set = (all: readonly (string | undefined)[]) =>
    CACHE_VARIABLES.forEach((name, i) => all[i] === undefined ? Deno.env.delete(name) : Deno.env.set(name, all[i]!));
  set(values);
  try {
    return userCache("a");
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
