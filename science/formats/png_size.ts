/** Returns the size of a PNG, from its header. */
export function pngSize({ buffer, byteOffset }: Uint8Array): Readonly<Record<"width" | "height", number>> {
  const sizes = new DataView(buffer, byteOffset + 16, 8);
  return { width: sizes.getUint32(0), height: sizes.getUint32(4) };
}
