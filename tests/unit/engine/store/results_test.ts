import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { openStore, type Store } from "../../../../engine/store/store.ts";
import { key, manifestOf, openFreshStore, takeText } from "../support/manifest.ts";
import { makeTempFolder } from "../support/temp.ts";

const indexOf = (store: Store) => join(store.root, "index.jsonl");

/** Opens the store as a later process would. */
const reopen = (store: Store) => openStore(store.root).results;

async function withResults(use: (store: Store, a: ReturnType<typeof manifestOf>) => Promise<void> | void) {
  await using folder = await makeTempFolder();
  const store = openFreshStore(folder.path);
  const a = manifestOf("a", [await takeText(store, "v", "1")], { extent: 10 });
  await store.results.publish(a);
  await use(store, a);
}

Deno.test("publish() makes a result that every key finds, here and in the next process", () =>
  withResults((store, a) => {
    for (const results of [store.results, reopen(store)]) {
      assertEquals(results.byResolved(a.resolvedKey), a);
      assertEquals(results.byRecipe(a.recipeKey), a);
      assertEquals(results.byIdentity(a.identityKey), [a]);
      assert(results.hasLocal(a.localKey));
      assertEquals(results.byResolved(key("b")), undefined);
      assert(!results.hasLocal(key("b")));
    }
  }));

Deno.test("byResolved() finds what another process published after the index was read", () =>
  withResults(async (store) => {
    const b = manifestOf("b", []);
    assertEquals(store.results.byResolved(b.resolvedKey), undefined);
    await reopen(store).publish(b);
    assertEquals(store.results.byResolved(b.resolvedKey), b);
  }));

Deno.test("addRecipe() lets a second recipe lead to the same result", () =>
  withResults((store, a) => {
    store.results.addRecipe(key("second"), a);
    store.results.addRecipe(key("second"), a);
    assertEquals(reopen(store).byRecipe(key("second")), a);
    assertEquals(reopen(store).byRecipe(a.recipeKey), a);
    assertEquals(Deno.readTextFileSync(indexOf(store)).split("\n").length, 3);
  }));

Deno.test("a lost index is rebuilt from the manifests", () =>
  withResults(async (store, a) => {
    await Deno.remove(indexOf(store));
    assertEquals(reopen(store).byRecipe(a.recipeKey), a);
    assertEquals(reopen(store).byResolved(a.resolvedKey), a);
  }));

Deno.test("a torn or foreign line of the index is skipped", () =>
  withResults(async (store, a) => {
    const whole = await Deno.readTextFile(indexOf(store));
    await Deno.writeTextFile(indexOf(store), `{"x":1}\nnonsense\n${whole}${whole.slice(0, 100)}`);
    assertEquals(reopen(store).byRecipe(a.recipeKey), a);
    const results = reopen(store);
    const b = manifestOf("b", []);
    await results.publish(b);
    assertEquals(reopen(store).byRecipe(b.recipeKey), b);
  }));

Deno.test("a result whose manifest is gone does not exist, whatever the index says", () =>
  withResults(async (store, a) => {
    await Deno.remove(store.results.manifestPath(a.resolvedKey));
    assertEquals(reopen(store).byResolved(a.resolvedKey), undefined);
    assertEquals(reopen(store).byRecipe(a.recipeKey), undefined);
  }));

for (
  const [name, damage] of Object.entries({
    torn: (text: string) => text.slice(0, 50),
    empty: () => "",
    "of another key": (text: string) => text.replace(key("a resolved"), key("z")),
    "of another format": (text: string) => text.replace('"format":1', '"format":2'),
    "with a path that leads out": (text: string) => text.replace('"path":"v"', '"path":"../v"'),
  })
) {
  Deno.test(`a manifest that is ${name} is a miss when the index is rebuilt, and publishing heals it`, () =>
    withResults(async (store, a) => {
      const path = store.results.manifestPath(a.resolvedKey);
      await Deno.writeTextFile(path, damage(await Deno.readTextFile(path)));
      await Deno.remove(indexOf(store));
      const results = reopen(store);
      assertEquals(results.byResolved(a.resolvedKey), undefined);
      assertEquals(results.byRecipe(a.recipeKey), undefined);
      await results.publish(a);
      assertEquals(reopen(store).byResolved(a.resolvedKey), a);
    }));
}

Deno.test("publish() of other bytes for one key serves them from then on", () =>
  withResults(async (store, a) => {
    const other = manifestOf("a", [await takeText(store, "v", "2")], { extent: 10 });
    await store.results.publish(other);
    assertEquals(store.results.byResolved(a.resolvedKey), other);
    assertEquals(reopen(store).byResolved(a.resolvedKey), other);
    assertEquals(reopen(store).byRecipe(a.recipeKey), other);
  }));
