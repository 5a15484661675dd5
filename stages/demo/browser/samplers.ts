import { isOwn } from "../../../schemas/definitions.ts";
import type { SamplerParam } from "../../shared/draw/sampler.ts";

/** True if a sampler has a number of steps. */
export const hasSteps = (param: SamplerParam) => !isOwn(param) || typeof param["steps"] === "number";

/** Returns a sampler's name, for a user's sampler its file. */
export const samplerName = (param: SamplerParam) => isOwn(param) ? param.uses : param.name;
