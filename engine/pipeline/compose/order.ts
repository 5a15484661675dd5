/** Edges of a graph: node -> nodes that must come before it. Nodes that are only named as a predecessor are ignored. */
type Predecessors = ReadonlyMap<string, readonly string[]>;

/**
 * Orders nodes so that each comes after its predecessors (Kahn 1962), keeping the given order where it is free.
 * `rest` holds the nodes that lie on a cycle or behind one; it is empty for a DAG.
 */
export function topologicalOrder(predecessors: Predecessors): { order: string[]; rest: string[] } {
  const edges = [...predecessors].flatMap(([node, before]) =>
    [...new Set(before)].filter((one) => predecessors.has(one)).map((one) => ({ one, node }))
  );
  const successors = Map.groupBy(edges, ({ one }) => one);
  const missing = new Map(Map.groupBy(edges, ({ node }) => node).entries().map(([node, { length }]) => [node, length]));
  const nodes = [...predecessors.keys()];
  // Iterating over a set includes what is added on the way.
  const order = new Set(nodes.filter((node) => !missing.has(node)));
  for (const done of order) {
    for (const { node } of successors.get(done) ?? []) {
      missing.set(node, missing.get(node)! - 1);
      if (missing.get(node) === 0) order.add(node);
    }
  }
  return { order: [...order], rest: nodes.filter((node) => !order.has(node)) };
}

/** Finds one cycle among the nodes that ordering left over, as a closed walk: `[a, b, a]`, each reading the next. */
export function findCycle(predecessors: Predecessors, rest: readonly string[]): string[] {
  const inRest = new Set(rest);
  const walk = new Set<string>();
  let node = rest[0]!;
  // Every left-over node has a left-over predecessor, so the walk must come back to a node that it has seen.
  while (!walk.has(node)) {
    walk.add(node);
    node = predecessors.get(node)!.find((one) => inRest.has(one))!;
  }
  const steps = [...walk];
  return [...steps.slice(steps.indexOf(node)), node];
}

/** Returns the given nodes and everything that they need, directly or not. */
export function withPredecessors(predecessors: Predecessors, wanted: Iterable<string>): Set<string> {
  const found = new Set(wanted);
  for (const node of found) {
    for (const one of predecessors.get(node) ?? []) if (predecessors.has(one)) found.add(one);
  }
  return found;
}
