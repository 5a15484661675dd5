import type { DefinitionParams, NetworkDefinition, NetworkSizes } from "../../diffusion/define.ts";
import { initialParameters, makeNetwork, packParameters } from "../../diffusion/network.ts";
import { makeModelOutput, modelOutputSignature, oneHotLabels } from "../../diffusion/model_output.ts";
import { randomStream } from "../../tensor/random/stream.ts";
import { checkNetworkCode } from "../shared/definition_checks.ts";
import type { CheckedDevices } from "./devices.ts";
import { checkGradients } from "./gradients.ts";
import { parseParams, throwProblems } from "./problems.ts";

/** How to check a network. */
export interface NetworkCheckOptions<P extends DefinitionParams> extends CheckedDevices {
  /** As in a pipeline file: defaults are filled in. */
  readonly params?: P["_zod"]["input"];
  /** What to build it for. Default: 8x8 pixels, one channel, an output of as many, no classes. */
  readonly sizes?: Partial<NetworkSizes>;
}

/** Images and labels in a batch. */
const BATCH = 3;

/**
 * Check a network: it builds; its output has the shape that it must; it is a pure function; every parameter reaches the
 * output; its gradients are those of central differences, to 2% of their length; no tensor outlives a call; all devices of
 * this machine agree to 1%. Parameters are moved off their start, so that those that begin at zero hide nothing.
 *
 * @throws Error that lists all that does not hold. A throw of `build` is a throw of this.
 */
export async function checkNetwork<P extends DefinitionParams>(
  definition: NetworkDefinition<P>,
  { params, sizes: { channels = 1, ...given } = {}, ...devices }: NetworkCheckOptions<P> = {},
): Promise<void> {
  const sizes: NetworkSizes = { height: 8, width: 8, outChannels: channels, ...given, channels };
  const network = makeNetwork(sizes, definition.build(sizes, parseParams(definition, params)));
  throwProblems("network", await checkNetworkCode(network));
  const stream = (name: string) => randomStream({ seed: 0, stream: `test/network/${name}` });
  const numbers = (i: number) => ({
    uniform: (count: number) => stream("uniform").uniform(i, count),
    normal: (count: number) => stream("normal").normal(i, count),
  });
  const start = packParameters(initialParameters(network, numbers), network);
  stream("move").normal(0, start.length).forEach((z, i) => start[i]! += 0.1 * z);
  const { params: _, ...signature } = modelOutputSignature(network, BATCH, "float32");
  const { classes } = sizes;
  const labels = classes === undefined ? {} : { classes: oneHotLabels([0, classes - 1, undefined], classes) };
  const x = stream("x").normal(0, BATCH * sizes.height * sizes.width * channels);
  const problems = await checkGradients({
    parameters: network.parameters,
    start,
    inputs: { x, t: new Float32Array([0, 100.5, 999]), ...labels },
    signature,
    compute: (params, inputs) => makeModelOutput(network)({ params, ...inputs })["output"]!,
  }, devices);
  throwProblems("network", problems);
}
