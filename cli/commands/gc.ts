import { Command, Option } from "@commander-js/extra-typings";
import type { GcReport } from "noiseline/housekeeping";
import type { AnyCommand } from "../settings.ts";
import { formatBytes, parseBytes } from "../format/bytes.ts";
import { countOf, parseWhole } from "../format/count.ts";
import { parseAge } from "../format/duration.ts";
import { styleFor } from "../format/style.ts";
import { formatTable } from "../format/table.ts";
import { EXIT, Exit, printError, printJson, printLine } from "../io.ts";
import { STORE_OPTION } from "../load.ts";
import { storeFor } from "../operands.ts";
import { failWith } from "../results.ts";

const NOTES = `
It only lists what it would remove unless you add --yes: results may take hours to make again.

Kept whatever their age and the size of the store: results that a tag names, that outputs/ shows, that one of the
last runs of each pipeline used, that a live run uses, and that an unfinished stage reads; and the saved states of all
of these, so that they can be resumed and extended. Of the rest goes what was last used or published before --older-than
ago, and then, while the store is larger than --max-size, what was used longest ago. It may run beside runs.

Examples:
  deno task gc                                  # what would be removed
  deno task gc --yes                            # remove it
  deno task gc --older-than 7d --max-size 20G
  deno task gc --older-than 0 --keep-runs 1     # all but what outputs/, tags and the last run of each pipeline need`;

/** `gc [FILE]` */
export function makeCommand(): AnyCommand {
  return new Command("gc").summary("Remove old results that nothing uses")
    .description("Remove old results, saved states, downloads and run records that nothing uses.")
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
    .addOption(STORE_OPTION)
    .option("--json", "print what goes as JSON")
    .addHelpText("after", NOTES)
    .action(async (file, options) => {
      const json = options.json ?? false;
      const store = storeFor({ file, ...options });
      const { collectGarbage } = await import("noiseline/housekeeping");
      const result = await collectGarbage(store, {
        dryRun: options.yes !== true,
        onWait: () => printError("waiting for a run to publish a result"),
        ...(options.olderThan === undefined ? {} : { olderThanMs: options.olderThan }),
        ...(options.maxSize === undefined ? {} : { maxBytes: options.maxSize }),
        ...(options.keepRuns === undefined ? {} : { keepRuns: options.keepRuns }),
      });
      if (!result.ok) return failWith(result.diagnostics, json);
      if (json) printJson({ store: store.root, ...result.value });
      else print(result.value);
      if (result.value.failed.length > 0) throw new Exit(EXIT.failed);
    });
}

const MAX_ROWS = 40;

function print(report: GcReport): void {
  const { results, kept, dryRun, bytesBefore, bytesAfter, compactedBytes, failed, busy } = report;
  const rows = results.slice(0, MAX_ROWS).map(({ key, kind, name, bytes, reason, lastUsedMs }) => {
    const day = new Date(lastUsedMs).toISOString().slice(0, 10);
    return [name ?? kind, key.slice(0, 12), formatBytes(bytes), `last used ${day}`, reason];
  });
  for (const line of formatTable(rows)) printLine(line);
  if (results.length > MAX_ROWS) printLine(`… and ${results.length - MAX_ROWS} more results (--json lists all)`);
  if (rows.length > 0) printLine();

  const freed = results.reduce((sum, { bytes }) => sum + bytes, 0);
  const looseCount = report.looseObjects;
  const parts: [number, string, number][] = [
    [results.length, "results with their files", freed],
    [looseCount, "objects that belong to nothing", report.objects.bytes - freed],
    [report.progress.count, "folders of saved states", report.progress.bytes],
    [report.runs.count, "records of runs", report.runs.bytes],
    [report.files.count, "downloads", report.files.bytes],
    [report.leftovers.count, "leftovers of killed processes", report.leftovers.bytes],
    [report.locks, "locks of nothing", 0],
  ];
  const found = parts.filter(([count]) => count > 0).map(([count, what, bytes]) => [
    dryRun ? "would remove" : "removed",
    String(count),
    what,
    formatBytes(bytes),
  ]);
  for (const line of formatTable(found)) printLine(line);
  if (compactedBytes !== undefined && compactedBytes > 0) printLine(`compacted    ${formatBytes(compactedBytes)}`);
  const keepers = Object.entries(kept).map(([keeper, count]) => `${count} by ${KEEPERS[keeper]}`).join(", ");
  if (keepers !== "") printLine(`kept results: ${keepers}`);
  printLine(`store: ${formatBytes(bytesBefore)}${bytesAfter < bytesBefore ? ` -> ${formatBytes(bytesAfter)}` : ""}`);
  if (!dryRun && compactedBytes === undefined) printLine("a run is on, so its files were not compacted");
  if (busy.length > 0) printLine(`kept ${countOf(busy.length, "folder")} of saved states that a run is using`);
  for (const { path, message } of failed) printError(`could not remove ${path}: ${message}`);
  if (!dryRun) return;
  if (found.length === 0) printLine("nothing to remove");
  else printLine(styleFor().bold("nothing was removed; add --yes to remove it"));
}

const KEEPERS: Readonly<Record<string, string>> = {
  tag: "tags",
  outputs: "outputs/",
  run: "last runs",
  "live run": "live runs",
  "unfinished stage": "unfinished stages",
};
