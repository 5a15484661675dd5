/** Beta schedules. The family, the code that a schedule comes from, is part of its name. */
export const BETA_SCHEDULES = [
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
