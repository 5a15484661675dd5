import { assertEquals } from "@std/assert";
import { Project } from "../support/project.ts";
import { damageIn, type SeenEnd, twiceIn, wasteIn } from "./support/judge.ts";

/** Returns an attempt at a stage of 8 steps, between two given seconds. */
function attempt(job: string, from: number, to: number, more: Partial<SeenEnd> = {}): SeenEnd {
  const at = (second: number) => `2026-11-26T00:00:0${second}.000Z`;
  return {
    ...{ line: 0, job, attempt: 0, state: "ran", resolvedKey: "b".repeat(64), fromStep: 0, toStep: 8, message: null },
    ...{ fix: null, node: "n1", startedAt: at(from), endedAt: at(to), submission: "s", user: "root", id: "walk" },
    ...{ recipeKey: "a".repeat(64), ...more },
  };
}

Deno.test("what is computed twice is told, by one user or by two", () => {
  const count = (...ends: SeenEnd[]) => {
    const { oneUser, twoUsers } = twiceIn(ends);
    return [oneUser.length, twoUsers.length];
  };
  assertEquals(count(attempt("1", 0, 2), attempt("2", 0, 3, { state: "hit" })), [0, 0]);
  assertEquals(count(attempt("1", 0, 2), attempt("2", 0, 3)), [1, 0]);
  assertEquals(count(attempt("1", 0, 2), attempt("1", 0, 3, { attempt: 1 })), [1, 0]);
  assertEquals(count(attempt("1", 0, 2), attempt("2", 0, 3, { user: "games" })), [0, 1]);
});

Deno.test("a result or a saved state that was there and was not used is told", () => {
  const saved = attempt("1", 0, 2, { state: "again", toStep: 4 });
  assertEquals(wasteIn([saved, attempt("1", 3, 5, { attempt: 1, fromStep: 4 })]), []);
  assertEquals(wasteIn([saved, attempt("1", 3, 5, { attempt: 1, fromStep: 3 })]).length, 1);
  assertEquals(wasteIn([attempt("1", 0, 2), attempt("2", 3, 5, { user: "games" })]).length, 1);
  // This attempt began before the other had ended.
  assertEquals(wasteIn([attempt("1", 0, 4), attempt("2", 3, 5, { user: "games" })]), []);
});

Deno.test("each object, result and recipe of a cache that is damaged or gone is told", async () => {
  await using project = new Project({
    files: { "p.yaml": "name: p\nstages:\n  one: { uses: ./cook.ts }\n" },
    stages: ["cook"],
  });
  assertEquals((await project.cli(["run", "p.yaml", "--cache", project.path("cache")])).code, 0);
  assertEquals(damageIn(project.path("cache")), []);
  const files = project.files("cache/v1").filter((name) => /^(objects|results|recipes)\//.test(name));
  assertEquals(files.length, 4);
  for (const file of files) {
    const path = project.path("cache/v1", file);
    const bytes = Deno.readFileSync(path);
    const flipped = bytes.with(bytes.length >> 1, bytes[bytes.length >> 1]! ^ 1);
    Deno.chmodSync(path, 0o644);
    Deno.writeFileSync(path, flipped);
    assertEquals(damageIn(project.path("cache")).length > 0, true, file);
    Deno.removeSync(path);
    // If a recipe is removed, nothing remains that could be wrong.
    assertEquals(damageIn(project.path("cache")).length > 0, !file.startsWith("recipes/"), file);
    Deno.writeFileSync(path, bytes);
  }
});
