/** A search over walks, each of which is a process: 6 trials, of which 3 and then 1 go on, 6 x 4 + 3 x 4 + 8 steps. */
export const WALKS = `name: demo
stages:
  walk:
    uses: ./walk.ts
    search: { over: { text: [a, b, c, d, e, f] }, rungs: [4, 8, 16], eta: 2, score: measure.score, goal: lowest }
    with: { text: "\${search.text}" }
  measure: { uses: ./measure.ts, inputs: { walk: walk } }
  reader: { uses: ./measure.ts, inputs: { walk: walk@20 } }
`;
