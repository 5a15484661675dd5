import { z } from "zod";

/** The four schedules of latent diffusion's make_beta_schedule. The family is part of the name: see `betas` below. */
export const BETA_SCHEDULES = ["ldm/linear", "ldm/cosine", "ldm/sqrt_linear", "ldm/sqrt"] as const;

/** A bare `linear` means one thing in latent diffusion and another in Ho et al.; guessing would silently change results. */
function explainBareName(input: unknown): string {
  if (input === "linear") {
    return 'ambiguous schedule "linear": ldm/linear is linear in sqrt(beta) (latent diffusion\'s "linear"), ' +
      'ldm/sqrt_linear is linear in beta (the "linear" of Ho et al. 2020)';
  }
  if (BETA_SCHEDULES.some((name) => name === `ldm/${input}`)) {
    return `schedule names carry their family: write ldm/${input}`;
  }
  return `expected one of ${BETA_SCHEDULES.join(", ")}`;
}

/** Params of kind `schedule`. */
export const scheduleParams = z.strictObject({
  betas: z.enum(BETA_SCHEDULES, { error: (issue) => explainBareName(issue.input) }).describe(
    "ldm/linear: linear in sqrt(beta). ldm/sqrt_linear: linear in beta, the paper's linear. ldm/cosine: Nichol and " +
      "Dhariwal 2021. ldm/sqrt: square root of a line",
  ),
  timesteps: z.int().min(1).max(1_000_000).describe("T, the length of the chain"),
  linearStart: z.number().positive().lt(1).default(1e-4).describe("First beta of the linear families"),
  linearEnd: z.number().positive().lt(1).default(2e-2).describe("Last beta of the linear families"),
  cosineS: z.number().positive().lt(1).default(8e-3).describe("Offset s of the cosine schedule"),
});

export type ScheduleParams = z.output<typeof scheduleParams>;
