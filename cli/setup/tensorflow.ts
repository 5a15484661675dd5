import { rmSync } from "node:fs";
import { join } from "node:path";
import { findInstallation, installationFor, TFJS_NODE_VERSION } from "../../science/tensor/tensorflow/installation.ts";
import { buildAddon, requireCompiler } from "./build_addon.ts";
import { setUp, type SetupOptions } from "./in_place.ts";
import { layOutTfjsNode } from "./tfjs_node_package.ts";
import pinned from "./pinned.json" with { type: "json" };
import { PLATFORM, type WheelSet, wheelsFor } from "./wheels.ts";

/**
 * Makes device `tensorflow` or `tensorflow-gpu` usable on this machine.
 * @throws SetupFailure
 */
export async function setUpTensorflow({ gpu, ...options }: SetupOptions & { readonly gpu: boolean }): Promise<void> {
  const installation = installationFor(gpu);
  const { tensorflow } = installation;
  await setUp({
    engine: `TensorFlow ${tensorflow}`,
    installation,
    isPresent: () => findInstallation(gpu) !== undefined,
    device: gpu ? "tensorflow-gpu" : "tensorflow",
    tried: { name: "tensorflow", numerics: "tensorflow", card: gpu },
    wheels: tensorflowWheels(gpu),
    requireAll: requireCompiler,
    async make(staged, fetch) {
      const site = join(staged, "site");
      const headers = await layOutTfjsNode(staged);
      await fetch(site);
      options.say("building the addon");
      await buildAddon(staged, site, headers);
      rmSync(join(site, "tensorflow", "include"), { recursive: true });
      return { tfjsNode: TFJS_NODE_VERSION, tensorflow, gpu };
    },
  }, options);
}

const FILES = new RegExp([
  String.raw`^tensorflow/libtensorflow_(cc|framework)\.so\.2$`,
  String.raw`^tensorflow/include/(tensorflow|tsl|xla)/.*\.h$`,
  String.raw`^nvidia/\w+/(lib|bin|nvvm)/`,
  String.raw`^[^/]+\.dist-info/`, // licences
].join("|"));

/**
 * Returns the wheels for Python 3.12, on whose version the libraries do not depend. With `gpu` they are those of the
 * extra `and-cuda`, from CUDA 12.9: the last of the series, which runs with drivers from 525 on and supports all cards
 * up to Blackwell.
 * @throws SetupFailure for a platform without wheels.
 */
export function tensorflowWheels(gpu: boolean): WheelSet {
  const wheels = wheelsFor(PLATFORM, "TensorFlow", pinned.wheels[gpu ? "tensorflow-gpu" : "tensorflow"]);
  return { wheels, files: FILES, unpackedBytes: gpu ? 5_900_000_000 : 950_000_000 };
}
