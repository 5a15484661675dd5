import { Command } from "@commander-js/extra-typings";
import { SetupFailure } from "../setup/setup_failure.ts";
import { setUpTensorflow } from "../setup/tensorflow.ts";
import { setUpTorch } from "../setup/torch.ts";
import type { AnyCommand } from "../command.ts";
import { fail, printLine } from "../io.ts";

const TENSORFLOW = "Install tfjs-node and TensorFlow in the user's cache, for device tensorflow-gpu. " +
  "Does nothing if they are there.";

const TENSORFLOW_EXAMPLES = `
Examples:
  deno task setup:tensorflow --gpu    # for NVIDIA cards: 3.3 GB to download, 5.3 GB on disk
  deno task setup:tensorflow          # on the CPU, for noiseline's own tests`;

const TORCH = "Install PyTorch's libraries in the user's cache, for device torch. Does nothing if they are there.";

const TORCH_EXAMPLES = `
Examples:
  deno task setup:torch          # 553 MB to download, 443 MB on disk; neither Python nor a compiler is needed
  deno task setup:torch --gpu    # for NVIDIA cards: 2.5 GB to download, 4 GB on disk; not run on a card yet`;

/** `setup tensorflow` and `setup torch` */
export function makeCommand(): AnyCommand {
  const tensorflow = new Command("tensorflow").description(TENSORFLOW).addHelpText("after", TENSORFLOW_EXAMPLES)
    .option("--gpu", "TensorFlow for NVIDIA GPUs, with the CUDA 12 libraries")
    .option("--force", "install again")
    .action(({ gpu = false, force = false }) => explained(() => setUpTensorflow({ gpu, force, say: printLine })));
  const torch = new Command("torch").description(TORCH).addHelpText("after", TORCH_EXAMPLES)
    .option("--gpu", "PyTorch for NVIDIA GPUs, with the CUDA 13 libraries")
    .option("--force", "install again")
    .action(({ gpu = false, force = false }) => explained(() => setUpTorch({ gpu, force, say: printLine })));
  return new Command("setup").addCommand(tensorflow).addCommand(torch)
    .description("Install a tensor engine that does not come with the npm packages.");
}

async function explained(setUp: () => Promise<void>): Promise<void> {
  try {
    await setUp();
  } catch (error) {
    if (!(error instanceof SetupFailure)) throw error;
    fail(error.message, error.fix);
  }
}
