/**
 * Mirror an image left to right, in place.
 *
 * @param image [H, W, C] row-major
 */
export function mirror(image: Float32Array, { width, channels }: { width: number; channels: number }): void {
  const rowLength = width * channels;
  for (let row = 0; row < image.length; row += rowLength) {
    let left = row;
    let right = row + rowLength - channels;
    for (; left < right; left += channels, right -= channels) {
      for (let channel = 0; channel < channels; channel++) {
        const value = image[left + channel]!;
        image[left + channel] = image[right + channel]!;
        image[right + channel] = value;
      }
    }
  }
}
