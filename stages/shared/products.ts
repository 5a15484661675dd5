import type { MatrixProducts } from "../../tensor/matrix.ts";

/** Multiply matrices of float64 on the CPU's engine, and let go of it whatever happens. */
export async function withProducts<T>(
  threads: number | undefined,
  use: (products: MatrixProducts) => Promise<T>,
): Promise<T> {
  const { openFloat64Products } = await import("../../tensor/onnx/products.ts");
  const products = openFloat64Products({ threads });
  try {
    return await use(products);
  } finally {
    await products.release();
  }
}
