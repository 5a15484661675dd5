import { assert, assertEquals, assertThrows } from "@std/assert";
import { type LossAwareTimesteps, lossAwareTimesteps } from "../../../../science/diffusion/loss_aware_timesteps.ts";
import { assertAllClose, assertClose } from "./assert_close.ts";
import { PseudoRandom } from "./pseudo_random.ts";

/** Returns a sampler that has observed every timestep ten times, each with its own loss. */
function seen(losses: readonly number[], rounds = 10): LossAwareTimesteps {
  const sampler = lossAwareTimesteps(losses.length);
  const t = Int32Array.from(losses, (_, i) => i);
  for (let round = 0; round < rounds; round++) sampler.observe(t, Float32Array.from(losses));
  return sampler;
}

Deno.test("lossAwareTimesteps() draws uniformly until each timestep was seen ten times", () => {
  assertAllClose(seen([1, 2, 5], 9).probabilities(), [1 / 3, 1 / 3, 1 / 3], { rel: 1e-15 });
  // sqrt(E[L^2]) is the loss itself if all ten are equal; 0.001 stays uniform.
  const wanted = [1, 2, 5].map((loss) => 0.999 * loss / 8 + 0.001 / 3);
  assertAllClose(seen([1, 2, 5]).probabilities(), wanted, { rel: 1e-14 });
});

Deno.test("lossAwareTimesteps() forgets all but the last ten losses of a timestep", () => {
  const sampler = seen([1, 1]);
  for (let i = 0; i < 5; i++) sampler.observe(Int32Array.of(0), Float32Array.of(3));
  // sqrt((5 1 + 5 9) / 10) = sqrt(5).
  assertClose(sampler.probabilities()[0]!, 0.999 * Math.sqrt(5) / (1 + Math.sqrt(5)) + 0.0005, { rel: 1e-7 });
});

Deno.test("lossAwareTimesteps() draws by its probabilities, and importance keeps the mean", () => {
  const losses = [1, 2, 5, 0.5];
  const sampler = seen(losses);
  const count = 20_000;
  const out = { t: new Int32Array(count), importance: new Float32Array(count) };
  sampler.draw(new PseudoRandom(8).uniforms(count).map((u) => u * (1 - 2 ** -24)), out);
  const weighted = out.t.reduce((sum, t, i) => sum + losses[t]! * out.importance[i]!, 0) / count;
  // Importance times loss is nearly constant: that is the purpose.
  assertClose(weighted, 8.5 / 4, { rel: 5e-3 });
  const share = out.t.filter((t) => t === 2).length / count;
  // 4.5 standard deviations of a share of 0.588.
  assertClose(share, sampler.probabilities()[2]!, { abs: 0.016 });
});

Deno.test("lossAwareTimesteps() goes on from its history as if it had not stopped", () => {
  const sampler = seen([1, 2, 5]);
  const copy = lossAwareTimesteps(3, structuredClone(sampler.history()));
  sampler.observe(Int32Array.of(1), Float32Array.of(9));
  assert(copy.probabilities()[1]! < sampler.probabilities()[1]!);
  copy.observe(Int32Array.of(1), Float32Array.of(9));
  assertEquals(copy.history(), sampler.history());
  assertThrows(() => lossAwareTimesteps(4, sampler.history()), RangeError, "got 3 timesteps, wanted 4");
});

Deno.test("lossAwareTimesteps() stays uniform when all losses are zero", () => {
  assertEquals([...seen([0, 0]).probabilities()], [0.5, 0.5]);
});
