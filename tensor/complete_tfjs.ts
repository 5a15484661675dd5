import "@tensorflow/tfjs-backend-cpu";
import { registerCompositions } from "./compositions.ts";
import { registerGradients } from "./gradients.ts";

/**
 * Importing this adds to TF.js's core what else comes with the package `@tensorflow/tfjs`, which has 240 MB of other
 * things: the gradients of its ops, put right where they are wrong, and a backend that is there while no other is
 * selected.
 */

/** The core has the gradients as modules that name each other without file extensions, as bundlers take them. */
async function takeBareNames() {
  if (!("Deno" in globalThis)) return undefined;
  return (await import("node:module")).registerHooks({
    resolve(specifier, context, next) {
      const bare = context.parentURL?.includes("/tfjs-core/") && /^\.(?!.*\.js$)/.test(specifier);
      return next(bare ? `${specifier}.js` : specifier, context);
    },
  });
}

const hooks = await takeBareNames();
try {
  await import("@tensorflow/tfjs-core/dist/register_all_gradients.js");
  // Some of them, and kernels of TensorFlow's, call these as methods of tensors.
  await import("@tensorflow/tfjs-core/dist/public/chained_ops/add.js");
  await import("@tensorflow/tfjs-core/dist/public/chained_ops/mul.js");
  await import("@tensorflow/tfjs-core/dist/public/chained_ops/reshape.js");
  await import("@tensorflow/tfjs-core/dist/public/chained_ops/slice.js");
  await import("@tensorflow/tfjs-core/dist/public/chained_ops/split.js");
  await import("@tensorflow/tfjs-core/dist/public/chained_ops/sub.js");
} finally {
  hooks?.deregister();
}
registerGradients();
registerCompositions("cpu");
