import { z } from "zod";
import type { scheduleSpecSchema } from "../../artifacts/schedule.ts";
import { SCHEDULE_NAMES } from "../../diffusion/schedule/names.ts";
import { legacy } from "../../schemas/roles.ts";

const LINEAR_IN_ROOT =
  'ldm/linear (latent diffusion\'s "linear") is linear in sqrt(beta), the same as ho/quad (the "quad" ' +
  'of Ho et al. 2020) and the "scaled_linear" of diffusers';
const LINEAR_IN_BETA =
  'ho/linear (the "linear" of Ho et al. 2020) is linear in beta, the same as ldm/sqrt_linear and the ' +
  '"linear" of diffusers';

/** Names that mean one thing here and another there; guessing would silently change results. */
const COLLIDING: Readonly<Record<string, string>> = {
  linear: `ambiguous schedule "linear": ${LINEAR_IN_ROOT}; ${LINEAR_IN_BETA}`,
  quad: `schedule names carry their family: write ho/quad or ldm/linear for this one. ${LINEAR_IN_ROOT}`,
  scaled_linear: `"scaled_linear" is a name of diffusers only: write ldm/linear or ho/quad. ${LINEAR_IN_ROOT}`,
  cosine: 'schedule names carry their family: write ldm/cosine (Nichol and Dhariwal 2021, the "squaredcos_cap_v2" of ' +
    "diffusers)",
  squaredcos_cap_v2: '"squaredcos_cap_v2" is a name of diffusers only: write ldm/cosine (Nichol and Dhariwal 2021)',
};

function explainName(input: unknown): string {
  if (typeof input === "string" && Object.hasOwn(COLLIDING, input)) return COLLIDING[input]!;
  const named = SCHEDULE_NAMES.filter((name) => typeof input === "string" && name.endsWith(`/${input}`));
  if (named.length > 0) return `schedule names carry their family: write ${named.join(" or ")}`;
  return `expected one of ${SCHEDULE_NAMES.join(", ")}`;
}

/** Params of kind `schedule`. */
export const scheduleParams = z.strictObject({
  betas: z.enum(SCHEDULE_NAMES, { error: (issue) => explainName(issue.input) }).describe(
    "A family and a name, since bare linear, quad, scaled_linear and cosine mean different things elsewhere. " +
      "ldm/linear = ho/quad = scaled_linear of diffusers: linear in sqrt(beta). ldm/sqrt_linear = ho/linear = linear of " +
      "diffusers: linear in beta. ldm/cosine: Nichol and Dhariwal 2021, squaredcos_cap_v2 of diffusers. ldm/sqrt: square " +
      "root of a line. ho/warmup10, ho/warmup50: linear in beta over the first 10 or 50 %, then constant. ho/const: " +
      "linearEnd throughout. ho/jsd: 1/T, 1/(T-1), ..., 1; ends in pure noise. sigmoid: Jabri et al. 2022, from -3 to 3",
  ),
  timesteps: z.int().min(1).max(1_000_000).describe("T, the number of timesteps"),
  linearStart: z.number().positive().lt(1).default(1e-4).describe(
    "First beta; its square root for ldm/sqrt. Not used by ldm/cosine, ho/const, ho/jsd and sigmoid",
  ),
  linearEnd: z.number().positive().lt(1).default(2e-2).describe("Last beta, likewise; also used by ho/const"),
  cosineS: z.number().positive().lt(1).default(8e-3).describe("Offset s of ldm/cosine"),
  zeroTerminalSnr: legacy(
    z.boolean().default(false).describe(
      "Shift and scale sqrt(alphasCumprod) to end at 0, pure noise (Lin et al. 2023). Networks that predict the noise " +
        "cannot be trained on such a schedule",
    ),
    false,
  ),
});

export type ScheduleParams = z.output<typeof scheduleParams>;

type StoredSpec = z.output<typeof scheduleSpecSchema>;

/** The params of a `schedule` stage as the diffusion code names them, a `ScheduleSpec`, and as they are stored. */
export function toScheduleSpec({ betas, zeroTerminalSnr, ...rest }: ScheduleParams): StoredSpec {
  return { name: betas, ...rest, ...(zeroTerminalSnr ? { zeroTerminalSnr } : {}) };
}
