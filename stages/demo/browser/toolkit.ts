/** What definitions may import from the toolkit where they run in a browser, in the place of `mod.ts`, which reads files. */
export { DATA_TIME, defineNetwork, defineObjective, definePath, defineSampler } from "../../../diffusion/define.ts";
export { mix } from "../../../diffusion/samplers/mix.ts";
export * from "../../../schemas/roles.ts";
export { randomStream } from "../../../tensor/random/stream.ts";
/** What the page begins with. */
export { start } from "./main.ts";
