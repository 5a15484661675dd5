import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { checkHistory } from "../support/check_world.ts";
import { edits } from "../support/edits.ts";
import { digestsOf, endStates, planIn, runIn } from "../support/reach.ts";
import { Lab } from "../support/shared.ts";
import { makeTempFolder } from "../support/temp.ts";
import { numRuns } from "../../../support/seeds.ts";
import { worlds } from "../support/world.ts";
import type { SharedCache } from "../../../../engine/store/cache/shared_cache.ts";

interface Node {
  readonly kind: "source" | "mix" | "walk" | "deal";
  readonly text: string;
  readonly steps: number;
  /** The stages before it that are read, as numbers that are folded into range. */
  readonly reads: readonly number[];
}

/** Few values, so that equal stages, equal bytes and returns to older values are common. */
const node: fc.Arbitrary<Node> = fc.record({
  kind: fc.constantFrom("source", "mix", "mix", "walk", "deal"),
  text: fc.constantFrom("a", "b", "moda", "modb", "modc"),
  steps: fc.constantFrom(1, 2, 3),
  reads: fc.array(fc.nat({ max: 99 }), { maxLength: 3 }),
});

const edit = fc.record({
  at: fc.nat({ max: 99 }),
  node: fc.record({ text: node.map(({ text }) => text), steps: node.map(({ steps }) => steps) }),
  what: fc.constantFrom("text", "steps", "reads", "drop", "nothing"),
});

/**
 * @param shards number of shards for all stages that can have them: if stages of one key had different numbers, both
 *   would run
 */
function toYaml(nodes: readonly Node[], shards = 1): string {
  const stages = nodes.map(({ kind, text, steps, reads }, index) => {
    const before = index === 0 ? [] : [...new Set(reads.map((one) => `n${one % index}`))];
    const many = kind === "mix" && before.length > 0 ? `, inputs: { from: [${before.join(", ")}] }` : "";
    const one = kind !== "mix" && before.length > 0 && kind !== "source" ? `, inputs: { from: ${before[0]} }` : "";
    const extent = kind === "walk" ? `, steps: ${steps}` : kind === "deal" ? `, count: ${2 * steps}` : "";
    const parts = kind === "deal" ? `, shards: ${shards}` : "";
    return `  n${index}: { uses: ${kind}${many}${one}${parts}, with: { text: ${text}${extent} } }\n`;
  });
  return `name: p\nstages:\n${stages.join("")}`;
}

function change(
  nodes: readonly Node[],
  { at, node, what }: typeof edit extends fc.Arbitrary<infer E> ? E : never,
): Node[] {
  const index = at % nodes.length;
  const old = nodes[index]!;
  if (what === "drop") return nodes.length > 1 ? nodes.slice(0, -1) : [...nodes];
  const next = what === "text"
    ? { ...old, text: node.text }
    : what === "steps"
    ? { ...old, steps: node.steps }
    : what === "reads"
    ? { ...old, reads: old.reads.slice(1) }
    : old;
  return nodes.with(index, next);
}

/** Shuffles ready stages by a small generator (Numerical Recipes' constants); any order will do. */
function shuffleBy(seed: number): (ids: string[]) => void {
  let state = seed >>> 0;
  return (ids) => {
    for (let i = ids.length - 1; i > 0; i--) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const j = state % (i + 1);
      [ids[i], ids[j]] = [ids[j]!, ids[i]!];
    }
  };
}

const CERTAIN = new Set(["run", "extend", "resume", "restore"]);

/** Plans, runs, and compares the two as the design promises: certain ⊆ executed ⊆ certain ∪ may-run. */
async function reachAndCheck(
  folder: string,
  yaml: string,
  seed: number,
  { cache, targets = [] }: { readonly cache?: () => SharedCache; readonly targets?: readonly string[] } = {},
) {
  const plan = await planIn(folder, yaml, { cache: cache?.(), targets });
  const run = await runIn(folder, yaml, { shuffle: shuffleBy(seed), jobs: 1 + seed % 3, cache: cache?.(), targets });
  assertEquals(run.status, "done");
  for (const [id, { state, recipeKey, stage, share }] of plan) {
    const end = run.actions.get(id)!.state;
    // If two stages have one key, either may run first. A shard has no folder in outputs/ to restore, so the second is
    // cached.
    const isTwin = share !== undefined &&
      [...plan].some(([other, one]) =>
        other !== id && one.recipeKey === recipeKey && run.actions.get(other)!.state === "ran"
      );
    const said = `${id} was planned as ${state} and ended as ${end} in\n${yaml}`;
    assert(end === "ran" || end === "restored" || end === "cached", said);
    if (state === "restore") assertEquals(end, "restored", said);
    // The output of a shard may come from a stage with the same key.
    else if (CERTAIN.has(state)) {
      assert(
        end !== "cached" || isTwin || (share !== undefined && run.stages.get(stage.id)?.state === "restored"),
        said,
      );
    } else if (state === "cached") assertEquals(end, "cached", said);
  }
  const again = await runIn(folder, yaml, { targets });
  assertEquals(again.runId, undefined, `the second run did ${endStates(again)} in\n${yaml}`);
  return digestsOf(run);
}

Deno.test("whatever the graph and the edits, plan equals run, a second run does nothing, and order does not matter", async () => {
  const graphs = fc.array(node, { minLength: 1, maxLength: 6 });
  const edits = fc.array(edit, { maxLength: 2 });
  const parts = fc.tuple(fc.constantFrom(1, 2, 3), fc.constantFrom(1, 2, 3));
  await fc.assert(
    fc.asyncProperty(graphs, edits, fc.nat({ max: 1000 }), parts, async (first, changes, seed, shards) => {
      await using folder = await makeTempFolder();
      let nodes: Node[] = [...first];
      let digests = await reachAndCheck(folder.path, toYaml(nodes, shards[0]), seed);
      for (const one of changes) {
        nodes = change(nodes, one);
        digests = await reachAndCheck(folder.path, toYaml(nodes, shards[1]), seed + 1);
      }
      // The same pipeline in an empty store, in another order: the reuse of results on the way made no difference.
      await using fresh = await makeTempFolder();
      assertEquals(await reachAndCheck(fresh.path, toYaml(nodes), seed + 7), digests, toYaml(nodes));
    }),
    { numRuns: numRuns(8) },
  );
});

// Long histories, and histories of custom stages' code, are in tests/faults.
Deno.test("whatever is edited, plan equals run and only that runs which was never computed before", async () => {
  const property = fc.asyncProperty(worlds(["source", "mix", "walk", "deal"], 4), edits(false, 3), checkHistory);
  await fc.assert(property, { numRuns: numRuns(5) });
});

Deno.test("plan equals run on two machines that share a cache, which changes no byte", async () => {
  const graphs = fc.array(node, { minLength: 1, maxLength: 5 });
  const edits = fc.array(fc.tuple(edit, fc.boolean()), { maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(graphs, edits, fc.nat({ max: 1000 }), async (first, changes, seed) => {
      const shards = 1 + seed % 3;
      await using lab = await Lab.open();
      let nodes: Node[] = [...first];
      const reach = async (machine: string) => {
        const cache = () => lab.cache();
        // One stage by itself, which may be fetched without its inputs, then all.
        if (seed % 2 === 0) {
          await reachAndCheck(lab.machine(machine), toYaml(nodes, shards), seed, {
            cache,
            targets: [`n${nodes.length - 1}`],
          });
        }
        return await reachAndCheck(lab.machine(machine), toYaml(nodes, shards), seed, { cache });
      };
      let digests = await reach("one");
      for (const [one, other] of changes) {
        nodes = change(nodes, one);
        digests = await reach(other ? "two" : "one");
        assertEquals(lab.warnings, []);
      }
      await using alone = await makeTempFolder();
      assertEquals(await reachAndCheck(alone.path, toYaml(nodes), seed + 7), digests, toYaml(nodes));
    }),
    { numRuns: numRuns(4) },
  );
});
