/**
 * Runs one network on one device on request: our side of dev/bench/steps.ts, with the protocol of
 * dev/bench/peers/torch_unet.py.
 * Usage: step_server.ts DEVICE THREADS; then a request per line on stdin, an answer per line on stdout.
 */
import { diffusionLoss } from "../../../science/diffusion/diffusion_loss.ts";
import { adamBiasCorrections } from "../../../science/diffusion/recipe.ts";
import { builtinObjective, DEFAULT_OBJECTIVE } from "../../../science/diffusion/objectives.ts";
import { chainPath } from "../../../science/diffusion/path.ts";
import { makeTables } from "../../../science/diffusion/schedule/tables.ts";
import { networkOf } from "../../../artifacts/checkpoint.ts";
import { streamLines } from "../../../engine/process/lines.ts";
import { bindNetwork, scalarFeeds } from "../../../stages/shared/feeds.ts";
import { initialState, makeStepper } from "../../../stages/shared/training.ts";
import { type DeviceName, openDevice, randomStream } from "../../../science/tensor/mod.ts";
import type { StepAnswer, StepRequest } from "./contender.ts";

type Step = () => Promise<unknown>;

const [name, threads] = Deno.args as [DeviceName, string];
let step: Step | undefined;
const random = randomStream({ seed: 0, stream: "bench" });

async function prepare({ model, batch: batchSize, mode, precision }: StepRequest): Promise<Step> {
  const device = await openDevice(name, {
    threads: Number(threads),
    precision: precision === "bf16" ? "bf16" : "fp32",
  });
  const network = await networkOf({ ...model, outChannels: model.inChannels }, []);
  const path = chainPath(makeTables(new Float64Array(1000).fill(0.01)));
  const { vectors } = initialState(network, 0);
  const pixels = batchSize * model.imageSize ** 2 * model.inChannels;
  const t = random.integers(0, batchSize, 1000);
  if (mode === "forward") {
    const predict = await bindNetwork({ network, path, params: vectors.params }, { device, batchSize });
    const [x, times] = [random.normal(0, pixels), [...t]];
    return () => predict(x, times);
  }
  const params = { batchSize, microBatches: 1, objective: builtinObjective(DEFAULT_OBJECTIVE), path };
  const stepper = await makeStepper(device, { loss: diffusionLoss(network, params), params, vectors });
  const images = {
    t,
    x0: random.normal(1, pixels),
    noise: random.normal(2, pixels),
    sqrtAlphasCumprod: random.uniform(0, batchSize),
    sqrtOneMinusAlphasCumprod: random.uniform(1, batchSize),
  };
  const scalars = scalarFeeds({ learningRate: 2e-4, ...adamBiasCorrections(1), emaDecay: 0.9999, clipNorm: 1 });
  return () => stepper.step(images, scalars);
}

async function answer(request: StepRequest): Promise<StepAnswer> {
  const started = performance.now();
  // All requests to one process are for the same network.
  step ??= await prepare(request);
  const seconds: number[] = [];
  let firstSeconds: number | undefined;
  for (let i = 0; i < request.steps; i++) {
    const begin = performance.now();
    await step();
    seconds.push((performance.now() - begin) / 1000);
    firstSeconds ??= (performance.now() - started) / 1000;
  }
  return { seconds, firstSeconds };
}

for await (const line of streamLines(Deno.stdin.readable)) {
  const reply = await answer(JSON.parse(line) as StepRequest).catch((error) => ({ error: String(error) }));
  await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(reply)}\n`));
}
// The threads of an engine would keep the process alive.
Deno.exit(0);
