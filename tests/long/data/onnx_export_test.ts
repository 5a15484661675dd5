import { assert, assertEquals } from "@std/assert";
import { readCheckpoint } from "../../../artifacts/checkpoint.ts";
import type { InputArtifact } from "../../../engine/contract/stage.ts";
import { decodeNpy } from "../../../science/formats/npy.ts";
import { decodeNpz } from "../../../science/formats/npz.ts";
import { encodeLabels } from "../../../stages/shared/feeds.ts";
import { makePredictor } from "../../../stages/shared/draw/predictor.ts";
import { openDevice } from "../../../science/tensor/mod.ts";
import { allBlocks } from "../../docs/blocks.ts";
import { exportKind, scheduleKind } from "../../support/builtin_kinds.ts";
import { PYTHON, whyNoPeers } from "../../support/peers.ts";
import { runStage } from "../../support/stage_context.ts";
import { assertCloseArrays } from "../../support/tensors.ts";
import { smallWorld, trainSmall, withFolder } from "../../unit/stages/small_world.ts";

const why = whyNoPeers("onnxruntime", "numpy");

/** Samples with DDIM (eta 0) in 20 steps from given noise, by this project's own engine and predictor. */
async function sampled(artifact: InputArtifact, start: Float32Array<ArrayBuffer>): Promise<Float32Array> {
  const checkpoint = await readCheckpoint(artifact, "ema", []);
  const { path, network: { sizes } } = checkpoint;
  const device = await openDevice("onnx", { threads: 1 });
  try {
    const predictor = await makePredictor(checkpoint, { device, batchSize: 16 });
    const classes = encodeLabels(sizes, Array.from({ length: 16 }, (_, i) => i % (sizes.classes ?? 1)));
    let x = start;
    const times = path.times(20);
    for (let i = 0; i < 20; i++) {
      const { x0, eps } = await predictor.predict(x, times[i]!, classes);
      const [signal, noise] = [path.signal(times[i + 1]!), path.noise(times[i + 1]!)];
      x = x.map((_, j) => signal * x0[j]! + noise * eps[j]!);
    }
    return x;
  } finally {
    await device.dispose();
  }
}

Deno.test({
  name: `the documents' program samples an exported network as noiseline does${
    why === undefined ? "" : ` (skipped: ${why})`
  }`,
  ignore: why !== undefined,
  fn: async (t) => {
    const program = allBlocks().find(({ text }) => text.startsWith("# sample_onnx.py"))!.text;
    for (const params of [{ steps: 20 }, { steps: 20, labels: { drop: 0.1 }, objective: "v" }]) {
      await t.step(JSON.stringify(params), () =>
        withFolder(async (folder) => {
          const chain = { betas: "ho/linear", timesteps: 1000 };
          const { outputs: { schedule } } = await runStage(folder, scheduleKind, { params: chain });
          const world = { ...await smallWorld(folder), schedule: schedule! };
          const { outputs: { checkpoint } } = await trainSmall(folder, world, { params });
          const { end, outputs } = await runStage(folder, exportKind, {
            params: { format: "onnx", weights: "ema" },
            inputs: { checkpoint: checkpoint! },
          });
          assertEquals([end, outputs["files"]!.files.map(({ path }) => path)], [undefined, ["model.onnx"]]);
          const model = outputs["files"]!.path("model.onnx");
          const script = `${program}\nnumpy.savez("ends.npz", start=start.astype("float32"), x=x.astype("float32"))\n`;
          await Deno.writeTextFile(`${folder}/sample_onnx.py`, script);
          const { success, stderr } = await new Deno.Command(PYTHON, {
            args: ["sample_onnx.py", model],
            cwd: folder,
            stdout: "null",
          }).output();
          assert(success, new TextDecoder().decode(stderr));
          const ends = await Deno.readFile(`${folder}/ends.npz`);
          const [start, x] = await Promise.all(
            ["start", "x"].map(async (name) =>
              (await decodeNpz(ends, name, 1 << 20))!.data as Float32Array<ArrayBuffer>
            ),
          );
          // Before it is clipped, x_0 has the rounding of eps times noise / signal, 157 at the first time.
          assertCloseArrays(x!, new Float32Array(await sampled(checkpoint!, start!)), 1e-4);
          const saved = decodeNpy(await Deno.readFile(`${folder}/samples.npy`));
          assertEquals([saved.shape, saved.data.constructor], [[16, 8, 8, 1], Uint8Array]);
        }));
    }
  },
});
