/** Replaces `mod.ts`, which reads files, in a browser: the parts of the toolkit that definitions may import. */
export {
  DATA_TIME,
  defineAutoencoder,
  defineNetwork,
  defineObjective,
  definePath,
  defineSampler,
} from "../../../science/diffusion/define.ts";
export { mix } from "../../../science/diffusion/samplers/mix.ts";
export * from "../../../schemas/roles.ts";
export { randomStream } from "../../../science/tensor/random/stream.ts";
/** The page's entry point. */
export { start } from "./main.ts";
