import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { findCycle, topologicalOrder, withPredecessors } from "../../../../engine/pipeline/compose/order.ts";

type Graph = Map<string, string[]>;

/** Graphs of up to 12 nodes with any edges; some have cycles, some name nodes that do not exist. */
const anyGraph: fc.Arbitrary<Graph> = fc.array(fc.array(fc.nat({ max: 13 }), { maxLength: 4 }), { maxLength: 12 })
  .map((rows) => new Map(rows.map((before, node) => [`n${node}`, before.map((one) => `n${one}`)])));

/** Graphs whose edges lead only to lower numbers, with their nodes in any order. */
const dag: fc.Arbitrary<Graph> = fc.array(fc.array(fc.nat({ max: 1000 }), { maxLength: 4 }), { maxLength: 12 })
  .map((rows) =>
    rows.map((before, node) => [`n${node}`, node === 0 ? [] : before.map((one) => `n${one % node}`)] as const)
  )
  .chain((entries) => fc.shuffledSubarray([...entries], { minLength: entries.length, maxLength: entries.length }))
  .map((entries) => new Map(entries.map(([node, before]) => [node, [...before]])));

/** Returns true if a node reaches itself, by trying all paths: slow and obviously correct. */
function hasCycle(graph: Graph): boolean {
  const reaches = (from: string, to: string, seen: Set<string>): boolean =>
    (graph.get(from) ?? []).some((next) =>
      graph.has(next) && (next === to || (!seen.has(next) && reaches(next, to, seen.add(next))))
    );
  return [...graph.keys()].some((node) => reaches(node, node, new Set()));
}

Deno.test("topologicalOrder() puts every node of a DAG after its predecessors", () => {
  fc.assert(fc.property(dag, (graph) => {
    const { order, rest } = topologicalOrder(graph);
    assertEquals(rest, []);
    assertEquals([...order].sort(), [...graph.keys()].sort());
    const at = new Map(order.map((node, index) => [node, index]));
    for (const [node, before] of graph) for (const one of before) assert(at.get(one)! < at.get(node)!);
  }));
});

Deno.test("topologicalOrder() leaves nodes over exactly when there is a cycle, and findCycle() walks one", () => {
  fc.assert(
    fc.property(anyGraph, (graph) => {
      const { order, rest } = topologicalOrder(graph);
      assertEquals(rest.length > 0, hasCycle(graph));
      assertEquals(order.length + rest.length, graph.size);
      if (rest.length === 0) return;
      const cycle = findCycle(graph, rest);
      assert(cycle.length >= 2);
      assertEquals(cycle[0], cycle.at(-1));
      assertEquals(new Set(cycle).size, cycle.length - 1);
      for (let i = 1; i < cycle.length; i++) assert(graph.get(cycle[i - 1]!)!.includes(cycle[i]!));
    }),
    { numRuns: 500 },
  );
});

Deno.test("topologicalOrder() keeps the given order where it is free", () => {
  const graph = new Map([["c", []], ["a", []], ["b", ["a"]], ["d", []]]);
  assertEquals(topologicalOrder(graph).order, ["c", "a", "d", "b"]);
});

Deno.test("topologicalOrder() manages a chain of 10,000 nodes and an edge that is named twice", () => {
  const chain = new Map(Array.from({ length: 10_000 }, (_, i) => [`n${i}`, i === 0 ? [] : [`n${i - 1}`, `n${i - 1}`]]));
  assertEquals(topologicalOrder(chain).order.length, 10_000);
});

Deno.test("withPredecessors() finds what is needed and nothing else", () => {
  fc.assert(fc.property(dag, fc.nat({ max: 11 }), (graph, n) => {
    const wanted = `n${n}`;
    if (!graph.has(wanted)) return;
    const found = withPredecessors(graph, [wanted]);
    assert(found.has(wanted));
    for (const node of found) for (const one of graph.get(node)!) assert(found.has(one));
    for (const node of found) {
      if (node !== wanted) assert([...graph].some(([id, before]) => found.has(id) && before.includes(node)));
    }
  }));
});
