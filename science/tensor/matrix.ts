/** A matrix of float64 numbers, row-major. */
export interface Float64Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

export interface ProductOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

/** Matrix products in float64, which TF.js does not have. */
export interface MatrixProducts {
  /** Computes op(a) op(b), where op transposes or not; the sizes must fit. */
  multiply(a: Float64Matrix, b: Float64Matrix, options?: ProductOptions): Promise<Float64Matrix>;
}
