import { Command } from "@commander-js/extra-typings";
import type { AnyCommand } from "../command.ts";
import { failWith, printError, printLine, problem } from "../io.ts";
import { SetupFailure } from "../../tensor/tensorflow/setup/failure.ts";
import { setUpTensorflow } from "../../tensor/tensorflow/setup/tensorflow.ts";

const EXAMPLES = `
Examples:
  deno task setup:tensorflow          # TensorFlow on the CPU
  deno task setup:tensorflow --gpu    # for NVIDIA cards: 3.3 GB to download, 5.3 GB on disk`;

/** `setup tensorflow` */
export function makeCommand(): AnyCommand {
  const setup = new Command("setup")
    .description("Install a tensor engine that does not come with the npm packages.")
    // A command below takes these over when it is made, so they cannot wait for the program that this becomes a part of.
    .exitOverride().configureOutput({ writeErr: (text) => printError(text.trimEnd()) });
  setup.command("tensorflow")
    .description(
      "Install tfjs-node and TensorFlow in the user's cache, for devices tensorflow and tensorflow-gpu. " +
        "Does nothing if they are there.",
    )
    .option("--gpu", "TensorFlow for NVIDIA GPUs, with the CUDA 12 libraries")
    .option("--force", "install again")
    .addHelpText("after", EXAMPLES)
    .action(async ({ gpu = false, force = false }) => {
      try {
        await setUpTensorflow({ gpu, force, say: printLine });
      } catch (error) {
        if (!(error instanceof SetupFailure)) throw error;
        failWith([problem(error.message, error.fix)]);
      }
    });
  return setup;
}
