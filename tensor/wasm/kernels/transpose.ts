/** A block of this many rows stays in the cache while it is read column by column. */
const BLOCK = 64;

/** Writes a matrix [rows, columns] as [columns, rows]. */
export function transpose(source: Float32Array, target: Float32Array, rows: number, columns: number): void {
  for (let top = 0; top < rows; top += BLOCK) {
    const bottom = Math.min(top + BLOCK, rows);
    for (let column = 0; column < columns; column++) {
      let from = top * columns + column;
      const end = column * rows + bottom;
      for (let to = column * rows + top; to < end; to++) {
        target[to] = source[from]!;
        from += columns;
      }
    }
  }
}
