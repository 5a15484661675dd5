import { Command } from "@commander-js/extra-typings";
import process from "node:process";
import type { AnyCommand } from "../settings.ts";
import { styleFor } from "../format/style.ts";
import { EXIT, Exit, printError, printLine } from "../io.ts";
import { SetupFailure } from "../../tensor/tensorflow/setup/programs.ts";
import { setUpTensorflow } from "../../tensor/tensorflow/setup/tensorflow.ts";

const EXAMPLES = `
Examples:
  deno task setup:tensorflow          # TensorFlow on the CPU
  deno task setup:tensorflow --gpu    # for NVIDIA cards: 3.3 GB to download, 5.3 GB on disk`;

/** `setup tensorflow` */
export function makeCommand(): AnyCommand {
  const setup = new Command("setup").summary("Make an optional engine usable")
    .description("Make an engine usable that does not come with the npm packages.")
    // A command below takes these over when it is made, so they cannot wait for the program that this becomes a part of.
    .exitOverride().configureOutput({ writeErr: (text) => printError(text.trimEnd()) });
  setup.command("tensorflow")
    .description(
      "Fetch tfjs-node and TensorFlow into the user's cache, for devices tensorflow and tensorflow-gpu. " +
        "Doing it again does nothing.",
    )
    .option("--gpu", "TensorFlow for NVIDIA cards, with the CUDA 12 libraries")
    .option("--force", "make it again")
    .addHelpText("after", EXAMPLES)
    .action(async ({ gpu = false, force = false }) => {
      try {
        await setUpTensorflow({ gpu, force, say: printLine });
      } catch (error) {
        if (!(error instanceof SetupFailure)) throw error;
        const style = styleFor(process.stderr);
        printError(`${style.error("error:")} ${error.message}\n  fix:    ${error.fix}`);
        throw new Exit(EXIT.failed);
      }
    });
  return setup;
}
