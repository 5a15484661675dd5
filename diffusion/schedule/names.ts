/**
 * Beta schedules by the code that they come from, because the same word means different things elsewhere:
 * `ldm/` is CompVis/latent-diffusion (`make_beta_schedule`), `ho/` is hojonathanho/diffusion (`get_beta_schedule`), and
 * `sigmoid` is Jabri et al. 2022 as in lucidrains/denoising-diffusion-pytorch.
 *
 * `ldm/linear` is linear in sqrt(beta) and the same as `ho/quad`; `ldm/sqrt_linear` is linear in beta and the same as
 * `ho/linear`.
 */
export const SCHEDULE_NAMES = [
  "ldm/linear",
  "ldm/cosine",
  "ldm/sqrt_linear",
  "ldm/sqrt",
  "ho/linear",
  "ho/quad",
  "ho/warmup10",
  "ho/warmup50",
  "ho/const",
  "ho/jsd",
  "sigmoid",
] as const;

export type ScheduleName = typeof SCHEDULE_NAMES[number];

/** Which of `linearStart` and `linearEnd` a schedule is made from. */
export function endsOf(name: ScheduleName): readonly ("linearStart" | "linearEnd")[] {
  switch (name) {
    case "ldm/cosine":
    case "ho/jsd":
    case "sigmoid":
      return [];
    case "ho/const":
      return ["linearEnd"];
    default:
      return ["linearStart", "linearEnd"];
  }
}
