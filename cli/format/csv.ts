/** What makes a spreadsheet take a text for a formula (OWASP, "CSV Injection"). */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

/** Rows as comma-separated values (RFC 4180), without their line ends. Texts never become formulas; numbers stay. */
export function toCsv(rows: readonly (readonly (string | number | undefined)[])[]): string[] {
  return rows.map((row) => row.map(cellOf).join(","));
}

function cellOf(value: string | number | undefined): string {
  if (typeof value !== "string") return value === undefined ? "" : String(value);
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
