import type { NetworkDefinition, NetworkSizes } from "../../diffusion/define.ts";
import { makeNetwork, type Network } from "../../diffusion/network.ts";

/** What is wrong with the code of a definition; without its file, which whoever asks knows. */
export interface CodeProblem {
  readonly message: string;
  readonly got?: string;
  readonly wanted?: string;
  readonly fix?: string;
}

/** The network of a definition, or what keeps it from being built. */
export function buildNetwork(
  definition: NetworkDefinition,
  sizes: NetworkSizes,
  params: Readonly<Record<string, unknown>>,
): Network | CodeProblem {
  try {
    return makeNetwork(sizes, definition.build(sizes, params));
  } catch (error) {
    return { message: error instanceof Error ? error.message : `${error}` };
  }
}

/**
 * Everything wrong with the code of a network, before it computes anything: the shape of its output, whether two traces
 * of it are equal, and parameters that the output does not depend on.
 */
export declare function checkNetworkCode(network: Network): Promise<CodeProblem[]>;
