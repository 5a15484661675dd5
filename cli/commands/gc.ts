import { Option } from "@commander-js/extra-typings";
import { dirname, resolve } from "node:path";
import type { GcReport } from "noiseline/housekeeping";
import { definedOnly } from "../../std/defined_only.ts";
import { type Answer, type AnyCommand, printingAnswer, storeCommand } from "../command.ts";
import { countOf, formatBytes, parseAge, parseBytes, parseWhole } from "../format/units.ts";
import { EXIT, failWith, formatTable, printError, refuse, styleFor, valueOf } from "../io.ts";
import { openStoreFor } from "../open.ts";

const MORE = `

It only lists what it would remove unless you add --yes: results may take hours to make again.

Kept whatever their age and the size of the store: results that a tag names, that outputs/ shows, that one of the last runs of each pipeline used, that a live run uses, and that an unfinished stage reads; and the saved states of all of these, so that they can be resumed and extended. All other results go that were last used or published longer than --older-than ago; then, while the store is larger than --max-size, those used longest ago. It may run beside runs.`;

const EXAMPLES = `
  deno task gc                                  # what would be removed
  deno task gc --yes                            # remove it
  deno task gc --older-than 7d --max-size 20G
  deno task gc --older-than 0 --keep-runs 1     # all but what outputs/, tags and the last run of each pipeline need`;

/** `gc [FILE]` */
export function makeCommand(): AnyCommand {
  return storeCommand("gc", EXAMPLES, MORE)
    .argument("[file]", "a pipeline file, to clean its store (default: the store of this folder)")
    .option(
      "--older-than <age>",
      "remove what was last used longer ago, such as 12h, 30d or 2w (default: 30d)",
      parseAge,
    )
    .option(
      "--max-size <size>",
      "if the store is larger, remove what was used longest ago, such as 50G (default: 100G)",
      parseBytes,
    )
    .option("--keep-runs <n>", "keep what this many last runs of each pipeline used (default: 5)", parseWhole)
    .option("-y, --yes", "remove it")
    .addOption(new Option("-n, --dry-run", "only list what would be removed (the default)").conflicts("yes"))
    .action(printingAnswer(async (file, options) => {
      try {
        if (file !== undefined) Deno.statSync(file);
      } catch (error) {
        refuse(`Cannot read ${file}: ${(error as Error).message}`, "check the path");
      }
      const store = openStoreFor(options, file && dirname(resolve(file)));
      const { collectGarbage } = await import("noiseline/housekeeping");
      const collected = await collectGarbage(store, {
        dryRun: options.yes !== true,
        onWait: () => printError("waiting for a run to publish a result"),
        ...definedOnly({ olderThanMs: options.olderThan, maxBytes: options.maxSize, keepRuns: options.keepRuns }),
      });
      const report = valueOf(collected, failWith);
      return { data: { store: store.root, ...report }, ...describe(report) };
    }));
}

const MAX_ROWS = 40;

function describe(report: GcReport): Omit<Answer, "data"> {
  const { results, kept, dryRun, bytesBefore, bytesAfter, compactedBytes, failed, busy } = report;
  const rows = results.slice(0, MAX_ROWS).map(({ key, kind, name, bytes, reason, lastUsedMs }) => {
    const day = new Date(lastUsedMs).toISOString().slice(0, 10);
    return [name ?? kind, key.slice(0, 12), formatBytes(bytes), `last used ${day}`, reason];
  });
  const freed = results.reduce((sum, { bytes }) => sum + bytes, 0);
  const parts: [number, string, number][] = [
    [results.length, "results with their files", freed],
    [report.looseObjects, "objects that belong to nothing", report.objects.bytes - freed],
    [report.progress.count, "folders of saved states", report.progress.bytes],
    [report.runs.count, "records of runs", report.runs.bytes],
    [report.files.count, "downloads", report.files.bytes],
    [report.leftovers.count, "leftovers of killed processes", report.leftovers.bytes],
    [report.locks, "locks of nothing", 0],
  ];
  const verb = dryRun ? "would remove" : "removed";
  const found = parts.filter(([count]) => count > 0)
    .map(([count, what, bytes]) => [verb, String(count), what, formatBytes(bytes)]);
  const keepers = Object.entries(kept).map(([keeper, count]) => `${count} by ${KEEPERS[keeper]}`).join(", ");
  const more = results.length > MAX_ROWS ? [`… and ${results.length - MAX_ROWS} more results (--json lists all)`] : [];
  const lines = [...formatTable(rows), ...more, ...rows.length > 0 ? [""] : [], ...formatTable(found)];
  if (compactedBytes !== undefined && compactedBytes > 0) lines.push(`compacted    ${formatBytes(compactedBytes)}`);
  if (keepers !== "") lines.push(`kept results: ${keepers}`);
  lines.push(`store: ${formatBytes(bytesBefore)}${bytesAfter < bytesBefore ? ` -> ${formatBytes(bytesAfter)}` : ""}`);
  if (!dryRun && compactedBytes === undefined) lines.push("a run is on, so its files were not compacted");
  if (busy.length > 0) lines.push(`kept ${countOf(busy.length, "folder")} of saved states that a run is using`);
  if (dryRun && found.length === 0) lines.push("nothing to remove");
  else if (dryRun) lines.push(styleFor().bold("nothing was removed; add --yes to remove it"));
  return {
    lines,
    notices: failed.map(({ path, message }) => `could not remove ${path}: ${message}`),
    code: failed.length > 0 ? EXIT.failed : EXIT.done,
  };
}

const KEEPERS: Readonly<Record<string, string>> = {
  tag: "tags",
  outputs: "outputs/",
  run: "last runs",
  "live run": "live runs",
  "unfinished stage": "unfinished stages",
};
