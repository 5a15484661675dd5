/** Adam's constants, by the names of `torch.optim.AdamW`. */
export interface AdamConstants {
  /** Decay of the mean of the gradients, and of the mean of their squares. */
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Fraction of the learning rate by which every parameter shrinks at each step, apart from its gradient; 0: Adam. */
  readonly weightDecay: number;
}

/** The constants of Ho et al. 2020 (appendix B). TF.js would take 1e-7 for epsilon. */
export const ADAM: AdamConstants = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
