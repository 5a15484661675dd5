import { Command } from "@commander-js/extra-typings";
import { SetupFailure } from "../../tensor/tensorflow/setup/programs.ts";
import { setUpTensorflow } from "../../tensor/tensorflow/setup/tensorflow.ts";
import type { AnyCommand } from "../command.ts";
import { fail, printLine } from "../io.ts";

const DESCRIPTION =
  "Install tfjs-node and TensorFlow in the user's cache, for devices tensorflow and tensorflow-gpu. " +
  "Does nothing if they are there.";

const EXAMPLES = `
Examples:
  deno task setup:tensorflow          # TensorFlow on the CPU
  deno task setup:tensorflow --gpu    # for NVIDIA cards: 3.3 GB to download, 5.3 GB on disk`;

/** `setup tensorflow` */
export function makeCommand(): AnyCommand {
  const tensorflow = new Command("tensorflow").description(DESCRIPTION).addHelpText("after", EXAMPLES)
    .option("--gpu", "TensorFlow for NVIDIA GPUs, with the CUDA 12 libraries")
    .option("--force", "install again")
    .action(async ({ gpu = false, force = false }) => {
      try {
        await setUpTensorflow({ gpu, force, say: printLine });
      } catch (error) {
        if (!(error instanceof SetupFailure)) throw error;
        fail(error.message, error.fix);
      }
    });
  return new Command("setup").addCommand(tensorflow)
    .description("Install a tensor engine that does not come with the npm packages.");
}
