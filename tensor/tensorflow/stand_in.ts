/**
 * Packages that stand for the project's TF.js beside tfjs-node.
 *
 * Two copies of TF.js in one process do not know each other's tensors, backends and gradients, and tfjs-node requires
 * `@tensorflow/tfjs` and `@tensorflow/tfjs-core` from where it lies. So the setup writes packages of these names there,
 * which export whatever lies under {@linkcode TFJS_HANDOVER} when they are first required; `load.ts` puts the project's
 * instance there. That needs no hook into Deno's module loader and no second TF.js on disk.
 */

/** Key, for `Symbol.for`, of the project's TF.js on `globalThis`. */
export const TFJS_HANDOVER = "noiseline.tfjs";

const STOOD_FOR = ["@tensorflow/tfjs", "@tensorflow/tfjs-core"];

/** Files to write, by their paths in tfjs-node's folder. */
export function standInFiles(version: string): Record<string, string> {
  const files: Record<string, string> = {};
  for (const name of STOOD_FOR) {
    const folder = `node_modules/${name}`;
    files[`${folder}/package.json`] = `${JSON.stringify({ name, version, main: "index.js" }, null, 2)}\n`;
    files[`${folder}/index.js`] = `module.exports = globalThis[Symbol.for(${JSON.stringify(TFJS_HANDOVER)})];\n`;
  }
  return files;
}
