import { openWasmDevice } from "../../../../science/tensor/wasm/device.ts";
import { checkConvolutions } from "./convolutions.ts";

// float32 sums of up to 1,280 products, in the engine's own order.
const TOLERANCE = 2e-6;

for (const threads of [1, 2]) {
  Deno.test(`conv2d and its gradients on device wasm with ${threads} threads agree with float64`, async (t) => {
    const device = await openWasmDevice({ threads });
    await checkConvolutions(t, device, TOLERANCE);
    await device.dispose();
  });
}
