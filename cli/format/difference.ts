import type { Difference } from "noiseline/engine";

/** One key, two results, in words. */
export function describeDifference({ pipeline, stage, resolvedKey, cause, first, second, kept }: Difference): string[] {
  const head = cause === "device" ? "differs by device" : "not deterministic";
  const ports = Object.keys(first.outputs).filter((port) => first.outputs[port] !== second.outputs[port]);
  const show = (which: "first" | "second", one: Difference["first"]) => {
    const digests = ports.map((port) => `${port} ${one.outputs[port]?.slice(0, 12) ?? "-"}`).join(", ");
    const on = one.numerics === null ? "" : ` on ${one.numerics}`;
    return `  ${which} ${digests}${on} in run ${one.runId}${kept === which ? " (kept)" : ""}`;
  };
  return [
    `${head}: ${pipeline}/${stage} gave two results for key ${resolvedKey.slice(0, 12)}`,
    show("first", first),
    show("second", second),
  ];
}
