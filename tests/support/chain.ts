/** Three custom stages in a row, and a built-in one beside them. */
export const CHAIN = `name: demo
seed: 3
stages:
  a: { uses: ./cook.ts, with: { text: hello } }
  b: { uses: ./cook.ts, inputs: { from: [a] }, with: { text: middle } }
  c: { uses: ./cook.ts, inputs: { from: [b] } }
  noise: { uses: schedule, with: { betas: sigmoid, timesteps: 100 } }
`;
