import { z } from "zod";
import type { scheduleSpecSchema } from "../../artifacts/schedule.ts";
import { type End, endsOf, SCHEDULE_NAMES, scheduleOf } from "../../science/diffusion/schedule/betas.ts";
import { externalFile, legacy } from "../../schemas/roles.ts";

/** Explains a name that means different things in different code: guessing would silently change results. */
function explainBetas({ input }: { readonly input?: unknown }): string {
  if (Array.isArray(input)) {
    return `a list of 1 to ${MAX_TIMESTEPS.toLocaleString("en-US")} betas, each above 0 and at most 1`;
  }
  const meant = SCHEDULE_NAMES.filter((name) =>
    typeof input === "string" && (name.endsWith(`/${input}`) || scheduleOf(name).alias === input)
  );
  const names = meant.map((name) => `${name} (${scheduleOf(name).about})`).join(" or ");
  if (meant.length > 1) return `${names}, since ${input} alone is ambiguous`;
  if (meant.length > 0) return `${names}, since names carry their family`;
  return `one of ${SCHEDULE_NAMES.join(", ")}, a list of betas, or { path: betas.json }`;
}

const unused = (end: End) => `Not used by ${SCHEDULE_NAMES.filter((name) => !endsOf(name).includes(end)).join(", ")}`;

export const MAX_TIMESTEPS = 1_000_000;
/** Default T of a user's path: 1000 is too few for some, and more cost nothing. */
export const DEFAULT_TIMESTEPS = 1_250;

/** T of a user's path, set beside its own params. */
export const pathTimesteps = z.int().min(1).max(MAX_TIMESTEPS).default(DEFAULT_TIMESTEPS);

/** Params of kind `schedule`. */
export const scheduleParams = z.strictObject({
  betas: z.union([
    z.enum(SCHEDULE_NAMES, { error: explainBetas }),
    z.array(z.number().positive().max(1), { error: explainBetas }).min(1).max(MAX_TIMESTEPS),
    z.strictObject({ path: externalFile(z.string().min(1)).describe("The file") }, { error: explainBetas }),
  ]).describe(
    "A family and a name, since a name alone means different things elsewhere; or a list of betas, above 0 " +
      "and at most 1; or { path: betas.json }, a file with such a list. " +
      SCHEDULE_NAMES.map((name) => `${name}: ${scheduleOf(name).about}`).join(". "),
  ),
  timesteps: z.int().min(1).max(MAX_TIMESTEPS).optional().describe(
    "T, the number of timesteps. Left out where betas are listed: their number",
  ),
  linearStart: z.number().positive().lt(1).default(1e-4).describe(`First beta. ${unused("linearStart")}`),
  linearEnd: z.number().positive().lt(1).default(2e-2).describe(`Last beta. ${unused("linearEnd")}`),
  cosineS: z.number().positive().lt(1).default(8e-3).describe("Offset s of a cosine"),
  zeroTerminalSnr: legacy(
    z.boolean().default(false).describe(
      "Shift and scale sqrt(alphasCumprod) to end at 0, pure noise (Lin et al. 2023). Networks that predict the noise " +
        "cannot be trained on such a schedule",
    ),
    false,
  ),
});

export type ScheduleParams = z.output<typeof scheduleParams>;

/**
 * Returns the params of a named schedule, with the names that the diffusion code and the artifact use; undefined for
 * any other schedule.
 */
export function toScheduleSpec(params: ScheduleParams): z.output<typeof scheduleSpecSchema> | undefined {
  const { betas, timesteps, zeroTerminalSnr, ...rest } = params;
  if (typeof betas !== "string" || timesteps === undefined) return undefined;
  return { name: betas, timesteps, ...rest, ...(zeroTerminalSnr ? { zeroTerminalSnr } : {}) };
}
