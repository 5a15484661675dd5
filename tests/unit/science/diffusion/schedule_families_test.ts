// Formulas: hojonathanho/diffusion, get_beta_schedule. Betas with Ho's names are compared with the formula, because
// numpy and torch differ in the last digit of a linspace.
import { assert, assertEquals } from "@std/assert";
import { endsOf, makeBetas, SCHEDULE_NAMES, type ScheduleName } from "../../../../science/diffusion/schedule/betas.ts";
import { makeTables } from "../../../../science/diffusion/schedule/tables.ts";
import oracle from "../../../golden/diffusers/schedulers.json" with { type: "json" };
import { assertAllClose, assertClose } from "./assert_close.ts";

const T = 1000;
const betasOf = (name: ScheduleName, timesteps = T) => makeBetas({ name, timesteps });

Deno.test("makeBetas() gives equal betas for the two names of one schedule", () => {
  const ends = { timesteps: 777, linearStart: 0.00085, linearEnd: 0.012 };
  const pairs: [ScheduleName, ScheduleName][] = [["ho/linear", "ldm/sqrt_linear"], ["ho/quad", "ldm/linear"]];
  for (const [ho, ldm] of pairs) {
    assertEquals(betasOf(ho), betasOf(ldm));
    assertEquals(makeBetas({ name: ho, ...ends }), makeBetas({ name: ldm, ...ends }));
  }
});

Deno.test("makeBetas() rises to linearEnd over the first part of the chain and stays there when it warms up", () => {
  const cases = [["ho/warmup10", 100], ["ho/warmup50", 500]] as const;
  for (const [name, warm] of cases) {
    const betas = betasOf(name);
    assertEquals([betas[0], betas[warm - 1], betas[warm], betas[T - 1]], [1e-4, 0.02, 0.02, 0.02]);
    const line = Float64Array.from({ length: warm }, (_, t) => 1e-4 + t * (0.02 - 1e-4) / (warm - 1));
    assertAllClose(betas.subarray(0, warm), line, { rel: 1e-12 });
  }
  // int(0.1 * 9) = 0: too short to warm up.
  assertEquals([...betasOf("ho/warmup10", 9)], new Array(9).fill(0.02));
});

Deno.test("makeBetas() is linearEnd throughout when the schedule is ho/const", () => {
  assertEquals([...makeBetas({ name: "ho/const", timesteps: 3, linearEnd: 0.3 })], [0.3, 0.3, 0.3]);
});

Deno.test("makeTables() falls on a straight line to zero when the schedule is ho/jsd", () => {
  const betas = betasOf("ho/jsd");
  assertEquals([betas[0], betas[500], betas[T - 1]], [1 / 1000, 1 / 500, 1]);
  // The product of (n - 1) / n telescopes.
  const { alphasCumprod } = makeTables(betas);
  for (let t = 0; t < T; t++) assertClose(alphasCumprod[t]!, (T - 1 - t) / T, { rel: 1e-12, label: `A ${t}` });
  assertEquals(alphasCumprod[T - 1], 0);
});

Deno.test("endsOf() names exactly the ends that change the betas", () => {
  for (const name of SCHEDULE_NAMES) {
    const plain = betasOf(name, 10).join();
    const changed = { linearStart: 2e-4, linearEnd: 1e-2 };
    const used = (["linearStart", "linearEnd"] as const).filter((end) =>
      makeBetas({ name, timesteps: 10, [end]: changed[end] }).join() !== plain
    );
    assertEquals(used, [...endsOf(name)], name);
  }
});

Deno.test("makeBetas() has the betas of diffusers, as near as docs/interchange.md says", async () => {
  const docs = (await Deno.readTextFile(new URL("../../../../docs/interchange.md", import.meta.url))).replaceAll(
    /\s+/g,
    " ",
  );
  const names = { linear: "ho/linear", scaled_linear: "ldm/linear", squaredcos_cap_v2: "ldm/cosine" } as const;
  for (const [theirs, name] of Object.entries(names)) {
    const bytes = Uint8Array.fromBase64(oracle.betas[theirs as keyof typeof names]);
    const float32 = new Float32Array(bytes.buffer);
    const most = betasOf(name).reduce((worst, beta, t) => Math.max(worst, Math.abs(beta - float32[t]!)), 0);
    assertEquals(float32.length, T);
    assert(docs.includes(`${most.toExponential(1)} for \`${theirs}\``), `${theirs}: ${most}`);
  }
});
