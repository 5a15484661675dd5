/** Edges of a graph: node -> nodes that must come before it. Nodes that are only named as a predecessor are ignored. */
export type Predecessors = ReadonlyMap<string, readonly string[]>;

/**
 * Order nodes so that each comes after its predecessors (Kahn 1962), keeping the given order where it is free.
 * `rest` holds the nodes that lie on a cycle or behind one; it is empty for a DAG.
 */
export function topologicalOrder(predecessors: Predecessors): { order: string[]; rest: string[] } {
  const missing = new Map<string, number>();
  const successors = new Map<string, string[]>();
  for (const [node, before] of predecessors) {
    const known = new Set(before.filter((one) => predecessors.has(one)));
    missing.set(node, known.size);
    for (const one of known) {
      const list = successors.get(one);
      if (list === undefined) successors.set(one, [node]);
      else list.push(node);
    }
  }
  const order: string[] = [];
  const ready = [...predecessors.keys()].filter((node) => missing.get(node) === 0);
  for (let next = 0; next < ready.length; next++) {
    const node = ready[next]!;
    order.push(node);
    for (const after of successors.get(node) ?? []) {
      const left = missing.get(after)! - 1;
      missing.set(after, left);
      if (left === 0) ready.push(after);
    }
  }
  const done = new Set(order);
  return { order, rest: [...predecessors.keys()].filter((node) => !done.has(node)) };
}

/** One cycle among nodes that topological ordering left over, as a closed walk: `[a, b, a]`, each reading the next. */
export function findCycle(predecessors: Predecessors, rest: readonly string[]): string[] {
  const inRest = new Set(rest);
  const walk: string[] = [];
  const at = new Map<string, number>();
  let node = rest[0];
  // Every left-over node has a left-over predecessor, so the walk must come back to a node that it has seen.
  while (node !== undefined && !at.has(node)) {
    at.set(node, walk.length);
    walk.push(node);
    node = predecessors.get(node)?.find((one) => inRest.has(one));
  }
  return node === undefined ? walk : [...walk.slice(at.get(node)), node];
}

/** The given nodes and everything that they need, directly or not. */
export function withPredecessors(predecessors: Predecessors, wanted: Iterable<string>): Set<string> {
  const found = new Set<string>();
  const queue = [...wanted];
  while (queue.length > 0) {
    const node = queue.pop()!;
    if (found.has(node)) continue;
    found.add(node);
    for (const one of predecessors.get(node) ?? []) if (predecessors.has(one)) queue.push(one);
  }
  return found;
}
