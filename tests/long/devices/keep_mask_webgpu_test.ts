import { assert } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import { keepMask, registerHostKeepMask } from "../../../science/tensor/random/keep_mask.ts";
import { requestAdapter } from "../../../science/tensor/webgpu/describe.ts";
import { openWebgpuDevice } from "../../../science/tensor/webgpu/device.ts";
import { skipTestsUnless } from "../../support/proc.ts";
import { int32 } from "../../support/tensors.ts";

const adapter = await requestAdapter();
const absent = skipTestsUnless(
  !("missing" in adapter),
  `keepMask() on device webgpu: ${"missing" in adapter ? adapter.missing : ""}`,
);

Deno.test({
  name: "keepMask() has the same bits on device webgpu as on the host",
  ignore: absent,
  async fn() {
    registerHostKeepMask("cpu");
    await tf.setBackend("cpu");
    const device = await openWebgpuDevice();
    // The last shape needs more workgroups than one dimension of a dispatch has.
    for (const shape of [[3, 4, 5, 6], [5], [2, 1, 300], [33, 64, 64, 32]]) {
      for (const [key0, key1, site, rate] of [[0, 0, 0, 0.1], [123456789, 2 ** 31 - 1, 65535, 0.75]] as const) {
        const key = Int32Array.of(key0, key1);
        const compiled = await device.compile((inputs) => ({ mask: keepMask(inputs["key"]!, shape, { site, rate }) }), {
          key: int32(2),
        });
        const { mask } = await compiled.run({ key });
        const wanted = tf.tidy(() => keepMask(tf.tensor1d(key, "int32"), shape, { site, rate }).dataSync());
        assert(
          mask!.length === wanted.length && mask!.every((value, i) => value === wanted[i]),
          `${shape}, site ${site}`,
        );
      }
    }
    await device.dispose();
  },
});
