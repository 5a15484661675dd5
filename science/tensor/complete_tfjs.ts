import "@tensorflow/tfjs-backend-cpu";
import { registerCompositions } from "./compositions.ts";
import { registerGradients } from "./gradients.ts";

/**
 * Importing this module adds to TF.js's core the parts of the package `@tensorflow/tfjs` that are needed, without its
 * other 240 MB: the gradients of its ops, corrected where they are wrong, and a backend for when no other is selected.
 */

/**
 * Lets TF.js's core load its gradients, whose modules import each other without file extensions, as bundlers accept.
 */
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
  // Some gradients, and some of TensorFlow's kernels, call these as methods of tensors.
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
