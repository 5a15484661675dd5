import { cpus, totalmem } from "node:os";
import { statfsSync } from "node:fs";
import { chooseDevice, examineDevices, parentDeathGuard, trialOf, tryDevice } from "noiseline/engine";
import { answering, type AnyCommand, plainCommand } from "../command.ts";
import { formatBytes } from "../format/units.ts";
import { formatTable, styleFor } from "../io.ts";
import { VERSION } from "../version.ts";

const EXAMPLES = `
  deno task doctor
  deno task doctor --json`;

/** `doctor` */
export function makeCommand(): AnyCommand {
  return plainCommand("doctor", EXAMPLES).action(answering(async () => {
    const findings = examine();
    const devices = await examineDevices(tryDevice);
    const auto = await chooseDevice("auto", { tryOut: (device) => tryDevice(trialOf(device)) });
    const style = styleFor();
    const mark = (ok: boolean) => ok ? style.good("ok") : style.warning("--");
    const rows = formatTable(findings.map(({ name, value }) => [name, value]));
    const { message, fix } = auto.available && auto.warning || {};
    const taken = auto.available ? [`takes ${auto.name}`, message, fix].filter(Boolean).join("; ") : auto.reason;
    return {
      data: { findings, devices, auto },
      lines: [
        ...rows.map((row, i) => `${mark(findings[i]!.ok)}  ${row}`),
        "\ndevices",
        ...devices.map(({ name, available, reason, numerics, fix }) => {
          const more = [numerics, fix].filter((one) => one !== undefined).join("; ");
          return `${mark(available)}  ${name}: ${reason}${more === "" ? "" : ` (${more})`}`;
        }),
        `${mark(auto.available && message === undefined)}  auto: ${taken}`,
      ],
    };
  }));
}

function examine(): { readonly name: string; readonly ok: boolean; readonly value: string }[] {
  const guarded = parentDeathGuard().length > 0;
  const disk = statfsSync(".");
  const free = Number(disk.bavail) * Number(disk.bsize);
  return [
    { name: "noiseline", ok: true, value: VERSION },
    { name: "deno", ok: true, value: `${Deno.version.deno} on ${Deno.build.target}` },
    { name: "processor", ok: true, value: `${cpus()[0]?.model ?? "unknown"}, ${navigator.hardwareConcurrency} cores` },
    { name: "memory", ok: totalmem() > 2 ** 31, value: formatBytes(totalmem()) },
    { name: "free disk", ok: free > 2 ** 30, value: formatBytes(free) },
    {
      name: "orphan guard",
      ok: guarded,
      value: guarded
        ? "workers die with their parent (kernel signal)"
        : "workers notice only later that their parent died; install setpriv (util-linux)",
    },
  ];
}
