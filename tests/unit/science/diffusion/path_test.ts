import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { z } from "zod";
import { definePath, type PathDefinition } from "../../../../science/diffusion/define.ts";
import {
  chainPath,
  definedPath,
  pathFacts,
  pathFromTable,
  priorKlOfPath,
  snrOf,
  tableOf,
} from "../../../../science/diffusion/path.ts";
import { pathProblems } from "../../../../science/diffusion/path_problems.ts";
import { makeBetas, SCHEDULE_NAMES } from "../../../../science/diffusion/schedule/betas.ts";
import { type TableName, tablesFiniteInFloat32 } from "../../../support/finite_tables.ts";
import { type DiffusionTables, makeTables } from "../../../../science/diffusion/schedule/tables.ts";
import { randomStream } from "../../../../science/tensor/mod.ts";
import { assertAllClose, assertClose } from "./assert_close.ts";

const NONE = z.strictObject({});
type Functions = Pick<PathDefinition<typeof NONE>, "signal" | "noise" | "draw">;

const pathOf = (functions: Functions, timesteps = 100) =>
  definedPath(definePath({ params: NONE, ...functions }), {}, timesteps);

/** Liu et al. 2022, rectified flow: a straight line. */
const FLOW: Functions = { signal: (u) => 1 - u, noise: (u) => u };
/** Song et al. 2021, variance exploding. */
const exploding = (sigma: number): Functions => ({ signal: () => 1, noise: (u) => Math.sqrt(sigma ** (2 * u) - 1) });
/** Nichol & Dhariwal 2021, eq. 17, without its offset. */
const COSINE: Functions = { signal: (u) => Math.cos(u * Math.PI / 2), noise: (u) => Math.sin(u * Math.PI / 2) };

Deno.test("a path of a chain's own signal and noise has the chain's tables", () => {
  const spec = fc.record({
    name: fc.constantFrom(...SCHEDULE_NAMES),
    timesteps: fc.integer({ min: 1, max: 1_250 }),
    zeroTerminalSnr: fc.boolean(),
  });
  fc.assert(
    fc.property(spec, (spec) => {
      const chain = makeTables(makeBetas(spec));
      const at = (table: Float64Array, data: number) => (u: number) =>
        table[Math.round(u * spec.timesteps) - 1] ?? data;
      const path = pathOf(
        { signal: at(chain.sqrtAlphasCumprod, 1), noise: at(chain.sqrtOneMinusAlphasCumprod, 0) },
        spec.timesteps,
      );
      // An alpha has an error of a few 1e-16, and betas begin at 1e-4; a logarithm near 0 has an absolute error.
      for (const name of Object.keys(chain).filter((name) => name !== "timesteps") as TableName[]) {
        const abs = /log/i.test(name) ? 1e-12 : 0;
        const finite = (table: DiffusionTables) => table[name].map((value) => Number.isFinite(value) ? value : -1);
        assertAllClose(finite(path.tables!), finite(chain), { rel: 1e-12, abs, label: name });
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("a cosine path of one's own is ldm/cosine up to the beta that this clips", () => {
  const s = 8e-3;
  const angle = (u: number) => (u + s) / (1 + s) * Math.PI / 2;
  const signal = (u: number) => Math.cos(angle(u)) / Math.cos(angle(0));
  const path = pathOf({ signal, noise: (u) => Math.sqrt(1 - signal(u) ** 2) }, 1_000);
  const cosine = makeTables(makeBetas({ name: "ldm/cosine", timesteps: 1_000 }));
  // Both subtract from 1: the first beta, 4e-5, keeps 11 digits.
  assertAllClose(path.tables!.betas.subarray(0, 999), cosine.betas.subarray(0, 999), { rel: 1e-10 });
  assertEquals([cosine.betas[999], pathFacts(path).zeroTerminalSnr], [0.999, true]);
});

Deno.test("rectified flow is a continuous path that does not preserve the variance", () => {
  const path = pathOf(FLOW, 4);
  assertEquals(tableOf(path), {
    signal: Float64Array.of(0.75, 0.5, 0.25, 0),
    noise: Float64Array.of(0.25, 0.5, 0.75, 1),
  });
  assertEquals([path.signal(-1), path.noise(-1), path.signal(0.5)], [1, 0, 0.625]);
  assertEquals([path.continuous, path.tables], [true, undefined]);
  assertEquals(path.times(8), [3, 2.5, 2, 1.5, 1, 0.5, 0, -0.5, -1]);
  assertEquals(pathFacts(path), { timesteps: 4, endRatio: 0, variancePreserving: false, zeroTerminalSnr: true });
  assertEquals([priorKlOfPath(path), snrOf(path)[0]], [0, 9]);
  assertThrows(() => path.signal(3.5), RangeError, "got 3.5, wanted -1 to 3");
  assertEquals(pathProblems(path), []);
});

Deno.test("a path by its table alone has the figures of the path, at whole times", () => {
  for (const functions of [FLOW, COSINE]) {
    const path = pathOf(functions);
    const stored = pathFromTable(tableOf(path));
    assertEquals([tableOf(stored), stored.tables], [tableOf(path), path.tables]);
    assertEquals(pathFacts(stored), pathFacts(path));
    assertEquals([stored.signal(-1), stored.noise(-1)], [1, 0]);
    assertThrows(() => stored.noise(0.5), RangeError, "got 0.5, wanted an integer from -1 to 99");
  }
});

Deno.test("times of a path are drawn uniformly from what its definition makes of the random numbers", () => {
  // (1 + tanh(x / 2)) / 2 is the logistic curve computed by other operations.
  const [mean, deviation] = [-0.4, 1.2];
  const draw: PathDefinition["draw"] = ({ normal }) => 1 / (1 + Math.exp(-(mean + deviation * normal)));
  const path = pathOf({ ...FLOW, draw }, 1_000);
  const normals = randomStream({ seed: 1, stream: "test" }).normal(0, new Float32Array(1_000));
  const logits = Float64Array.from(normals, (normal) => {
    const t = path.draw({ uniform: 0.3, normal });
    assertClose(t, 1_000 * (1 + Math.tanh((mean + deviation * normal) / 2)) / 2 - 1, { abs: 1e-9 });
    return Math.log((t + 1) / (999 - t));
  });
  assertAllClose(logits, Float64Array.from(normals, (normal) => mean + deviation * normal), { abs: 1e-9 });
  // Uniform by default, and whole numbers on a chain.
  assertEquals([0, 0.25, 0.75].map((uniform) => pathOf(FLOW, 8).draw({ uniform, normal: 9 })), [7, 5, 1]);
  const chain = chainPath(makeTables(Float64Array.of(0.1, 0.2, 0.3, 0.4)));
  assertEquals([0, 0.25, 0.99].map((uniform) => chain.draw({ uniform, normal: 9 })), [0, 1, 3]);
});

Deno.test("pathProblems() takes paths of the literature and each schedule that comes with the toolkit", () => {
  for (const functions of [FLOW, COSINE, exploding(100)]) assertEquals(pathProblems(pathOf(functions, 1_250)), []);
  for (const name of SCHEDULE_NAMES) {
    const found = pathProblems(chainPath(makeTables(makeBetas({ name, timesteps: 1_250 }))));
    assertEquals(found, [], name);
  }
});

Deno.test("pathProblems() leaves no betas whose tables float32 cannot hold", () => {
  const beta = fc.oneof(
    fc.double({ min: 0, max: 1, minExcluded: true, noNaN: true }),
    fc.constantFrom(1e-9, 1e-4, 0.5, 0.999, 1 - 1e-9, 1),
  );
  fc.assert(
    fc.property(fc.array(beta, { minLength: 1, maxLength: 60 }), (betas) => {
      const tables = makeTables(Float64Array.from(betas));
      const errors = pathProblems(chainPath(tables)).filter(({ severity }) => severity !== "warning");
      if (errors.length === 0) assertEquals(tablesFiniteInFloat32(tables), undefined);
    }),
    { numRuns: 500 },
  );
});

Deno.test("pathProblems() says what is wrong with a path", () => {
  let calls = 0;
  const cases: [what: string, functions: Functions, says: string, got: string][] = [
    ["start", { ...FLOW, noise: (u) => 0.1 + u }, "does not start at the image", "signal 1 and noise 0.1 at u = 0"],
    ["NaN", { ...FLOW, noise: (u) => Math.sqrt(u - 0.5) }, "start", "noise NaN"],
    ["NaN within", { ...FLOW, noise: (u) => u > 0.5 ? NaN : u }, "noise of the path is out of range", "NaN at t=50"],
    ["signal above 1", { ...FLOW, signal: (u) => 1 + u }, "signal of the path is out of range", "signal 1.01"],
    ["overflow", exploding(1e40), "noise of the path is out of range", "noise 6.3"],
    ["rises", { ...FLOW, signal: (u) => 1 - Math.sin(4 * u) ** 2 }, "not go from the image to noise", "at t="],
    [
      "stands",
      { signal: (u) => 1 - Math.min(u, 0.5), noise: (u) => Math.min(u, 0.5) },
      "not go from the image to noise",
      "t=50",
    ],
    ["no signal", { ...FLOW, signal: (u) => Math.max(1 - 2 * u, 0) }, "too little signal", "at t=49"],
    ["random", { ...FLOW, noise: (u) => u * (1 + 1e-9 * calls++) }, "another one at each call", "at t=0"],
    ["draws 0", { ...FLOW, draw: ({ uniform }) => uniform }, "not on the path", "u = 0 of uniform 0"],
    ["draws NaN", { ...FLOW, draw: ({ normal }) => Math.sqrt(normal) }, "not on the path", "u = NaN"],
  ];
  for (const [what, functions, says, got] of cases) {
    const [problem, ...rest] = pathProblems(pathOf(functions));
    assertStringIncludes(problem?.message ?? "none", says, what);
    assertStringIncludes(problem?.got ?? "none", got, what);
    assertEquals(problem?.severity ?? "error", "error", what);
    assert(rest.length <= 1, what);
  }
});

Deno.test("pathProblems() warns of a path that ends before noise, by the signal that is left", () => {
  const [problem, ...rest] = pathProblems(pathOf(exploding(50)));
  assertEquals([problem?.severity, rest], ["warning", []]);
  // 1 / (50^2 - 1) / (2 ln 2)
  assertStringIncludes(problem?.message ?? "", "2.89e-4 bits per dimension");
  assertEquals(pathProblems(pathOf({ signal: (u) => 1 - u / 2, noise: (u) => u })).map(({ severity }) => severity), [
    "warning",
  ]);
});
