/** Numerical Recipes' linear congruential generator: good enough for test data. Uniforms in (0, 1], or in (-1, 1]. */
export class PseudoRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  uniform(): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return (this.#state + 1) / 2 ** 32;
  }

  uniforms(count: number): Float32Array<ArrayBuffer> {
    return Float32Array.from({ length: count }, () => this.uniform());
  }

  symmetric(count: number, scale = 1): Float32Array<ArrayBuffer> {
    return this.uniforms(count).map((u) => scale * (2 * u - 1));
  }
}
