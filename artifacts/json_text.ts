/** JSON as it is written into artifacts: indented, one line end. Keys keep their order, so equal values give equal bytes. */
export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
