import { assert } from "@std/assert";
import { join } from "node:path";
import { LIBRARY_SETTINGS } from "../../../engine/process/runtime.ts";
import { CLONE } from "../../support/cli_process.ts";

/** Factors by which the estimate may be off. docs/performance.md has the measurements. */
const FACTORS: Readonly<Record<string, number>> = { train: 1.25, sample: 1.5 };

const digits = { channels: 32, multipliers: [1, 2], blocks: 1, attention: [8] };
const paper = { channels: 128, multipliers: [1, 2, 2, 2], blocks: 2, attention: [16] };
const CASES = [
  { use: "train", name: "digits", model: digits, side: 16, channels: 1, batch: 32 },
  { use: "train", name: "28x28", model: { ...digits, attention: [14] }, side: 28, channels: 1, batch: 32 },
  { use: "train", name: "the paper's", model: paper, side: 32, channels: 3, batch: 1 },
  { use: "train", name: "the paper's", model: paper, side: 32, channels: 3, batch: 4 },
  { use: "train", name: "the paper's, in two parts,", model: paper, side: 32, channels: 3, batch: 4, parts: 2 },
  { use: "sample", name: "digits", model: digits, side: 16, channels: 1, batch: 256 },
  { use: "sample", name: "28x28", model: { ...digits, attention: [14] }, side: 28, channels: 1, batch: 64 },
  { use: "sample", name: "the paper's", model: paper, side: 32, channels: 3, batch: 4 },
];

const ignore = Deno.build.os !== "linux";

for (const { use, name, model, side, channels, batch, parts = 1 } of CASES) {
  const title = `memory of ${use} with the network of ${name} and batches of ${batch} is within ${
    FACTORS[use]
  } of its estimate`;
  Deno.test(ignore ? `${title} (skipped: the peak of a process is read from /proc)` : title, { ignore }, async () => {
    const script = join(CLONE, "tests/support/measure_memory.ts");
    const args = [
      "run",
      "-A",
      "--no-check",
      script,
      use,
      JSON.stringify(model),
      ...[side, channels, batch, parts].map(String),
    ];
    const { stdout } = await new Deno.Command(Deno.execPath(), { args, env: LIBRARY_SETTINGS, stderr: "inherit" })
      .output();
    const { peakMB, estimateMB } = JSON.parse(new TextDecoder().decode(stdout)) as Record<string, number>;
    const told = `${estimateMB} MB estimated, ${peakMB} MB held`;
    assert(estimateMB! < FACTORS[use]! * peakMB! && peakMB! < FACTORS[use]! * estimateMB!, told);
  });
}
