import { shortNumber, withDeviation } from "../../std/figures.ts";
import { formatTable } from "../io.ts";
import { metricName, type MetricRow, overall, phraseMean } from "../../pages/results/metric_rows.ts";

/** Returns figures as lines of a table. */
export function formatMetrics(rows: readonly MetricRow[]): string[] {
  const whole = overall(rows);
  const seeded = new Set(whole.filter(({ seeds }) => seeds === undefined).map(({ seed }) => seed)).size > 1;
  return formatTable(
    whole.map((row) => {
      const { experiment, stage, value, deviation, count, seed, seeds, seedsOf } = row;
      const [shown, spread] = deviation === undefined ? [shortNumber(value), ""] : withDeviation(value, deviation);
      return [
        experiment,
        ...(seeded ? [seed === undefined ? "" : `seed ${seed}`] : []),
        stage,
        metricName(row),
        shown,
        spread,
        seeds === undefined ? `N ${count}` : phraseMean({ seeds, seedsOf }),
      ];
    }),
  );
}

/** The first characters that make a spreadsheet read a text as a formula (OWASP, "CSV Injection"). */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

/**
 * Returns rows as comma-separated values (RFC 4180), without their line ends. Texts never become formulas; numbers stay
 * as they are.
 */
export function toCsv(rows: readonly (readonly (string | number | undefined)[])[]): string[] {
  return rows.map((row) => row.map(cellOf).join(","));
}

function cellOf(value: string | number | undefined): string {
  if (typeof value !== "string") return value === undefined ? "" : String(value);
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
