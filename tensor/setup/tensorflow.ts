import { rmSync } from "node:fs";
import { join } from "node:path";
import { findInstallation, installationFor, TFJS_NODE_VERSION } from "../tensorflow/installation.ts";
import { buildAddon, requireCompiler } from "./build_addon.ts";
import { setUp, type SetupOptions } from "./in_place.ts";
import { layOutTfjsNode } from "./tfjs_node_package.ts";
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

/**
 * The libraries of TensorFlow and CUDA for Linux on x86-64, of the wheels for Python 3.12: the libraries do not depend
 * on its version.
 */
const CPU_WHEELS = `
tensorflow-cpu 2.21.0 274000871 dcc8afd32930e42d5296b6ee19078b773706830af4ea97fbe503b9f5e0f820cb
`;

/**
 * TensorFlow for CUDA 12 and the libraries of its extra `and-cuda`, from CUDA 12.9: the last of the series, which runs
 * with drivers from 525 on and supports all cards up to Blackwell.
 */
const GPU_WHEELS = `
tensorflow 2.21.0 572611111 b3b95643c4e70eb925839938fb35cbe142f317ec84af6844ee61513713bb13c0
nvidia-cublas-cu12 12.9.1.4 581242350 453611eb21a7c1f2c2156ed9f3a45b691deda0440ec550860290dc901af5b4c2
nvidia-cuda-cupti-cu12 12.9.79 10814997 096bcf334f13e1984ba36685ad4c1d6347db214de03dbb6eebb237b41d9d934f
nvidia-cuda-nvcc-cu12 12.9.86 40546229 5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0
nvidia-cuda-nvrtc-cu12 12.9.86 89568129 210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4
nvidia-cuda-runtime-cu12 12.9.79 3493179 25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3
nvidia-cudnn-cu12 9.10.2.21 706758467 949452be657fa16687d0930933f032835951ef0892b37d2d53824d1a84dc97a8
nvidia-cufft-cu12 11.4.1.4 200877592 c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28
nvidia-curand-cu12 10.3.10.19 68295626 49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e
nvidia-cusolver-cu12 11.7.5.82 338117415 15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88
nvidia-cusparse-cu12 12.5.10.65 366465088 73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78
nvidia-nccl-cu12 2.27.7 322546339 de5ba5562f08029a19cb1cd659404b18411ed0d6c90ac5f52f30bf99ad5809aa
nvidia-nvjitlink-cu12 12.9.86 39748338 e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9
`;

const FILES = new RegExp([
  String.raw`^tensorflow/libtensorflow_(cc|framework)\.so\.2$`,
  String.raw`^tensorflow/include/(tensorflow|tsl|xla)/.*\.h$`,
  String.raw`^nvidia/\w+/(lib|bin|nvvm)/`,
  String.raw`^[^/]+\.dist-info/`, // licences
].join("|"));

/** @throws SetupFailure for a platform without wheels. */
export function tensorflowWheels(gpu: boolean): WheelSet {
  const wheels = wheelsFor(PLATFORM, "TensorFlow", { "linux-x64": gpu ? GPU_WHEELS : CPU_WHEELS });
  return { wheels, files: FILES, unpackedBytes: gpu ? 5_900_000_000 : 950_000_000 };
}
