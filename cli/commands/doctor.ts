import { Command } from "@commander-js/extra-typings";
import { cpus, totalmem } from "node:os";
import { statfsSync } from "node:fs";
import { formatBytes } from "@std/fmt";
import { chooseDevice, examineDevices, parentDeathGuard, tryDevice } from "noiseline/engine";
import type { AnyCommand } from "../settings.ts";
import { styleFor } from "../format/style.ts";
import { formatTable } from "../format/table.ts";
import { printJson, printLine } from "../io.ts";
import { VERSION } from "../version.ts";

const EXAMPLES = `
Examples:
  deno task doctor
  deno task doctor --json`;

interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly value: string;
}

/** `doctor` */
export function makeCommand(): AnyCommand {
  return new Command("doctor").summary("Check the devices of this machine")
    .description("Check which devices can compute on this machine, and what the engine needs of it.")
    .option("--json", "print as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (options) => {
      const findings = examine();
      const devices = await examineDevices();
      const auto = await chooseDevice("auto", { tryOut: tryDevice });
      if (options.json) {
        printJson({ findings, devices, auto });
        return;
      }
      const style = styleFor();
      const mark = (ok: boolean) => ok ? style.good("ok") : style.warning("--");
      const rows = formatTable(findings.map(({ name, value }) => [name, value]));
      rows.forEach((row, index) => printLine(`${mark(findings[index]!.ok)}  ${row}`));
      printLine("\ndevices");
      for (const { name, available, reason, numerics, fix } of devices) {
        const more = [...numerics === undefined ? [] : [numerics], ...fix === undefined ? [] : [fix]];
        printLine(`${mark(available)}  ${name}: ${reason}${more.length === 0 ? "" : ` (${more.join("; ")})`}`);
      }
      const { message, fix } = auto.available && auto.warning || {};
      const taken = auto.available ? [`takes ${auto.name}`, message, fix].filter(Boolean).join("; ") : auto.reason;
      printLine(`${mark(auto.available && message === undefined)}  auto: ${taken}`);
    });
}

function examine(): Finding[] {
  const guarded = parentDeathGuard().length > 0;
  const disk = statfsSync(".");
  const free = Number(disk.bavail) * Number(disk.bsize);
  return [
    { name: "noiseline", ok: true, value: VERSION },
    { name: "deno", ok: true, value: `${Deno.version.deno} on ${Deno.build.target}` },
    { name: "processor", ok: true, value: `${cpus()[0]?.model ?? "unknown"}, ${navigator.hardwareConcurrency} cores` },
    { name: "memory", ok: totalmem() > 2 ** 31, value: formatBytes(totalmem(), { binary: true }) },
    { name: "free disk", ok: free > 2 ** 30, value: formatBytes(free, { binary: true }) },
    {
      name: "orphan guard",
      ok: guarded,
      value: guarded
        ? "workers die with their parent (kernel signal)"
        : "workers notice only later that their parent died; install setpriv (util-linux)",
    },
  ];
}
