import { cpus, totalmem } from "node:os";
import { statfsSync } from "node:fs";
import { chooseDevice, examineDevices, parentDeathGuard, trialOf, tryDevice } from "noiseline/engine";
import { type AnyCommand, plainCommand, printingAnswer } from "../command.ts";
import { formatBytes } from "../format/units.ts";
import { formatTable, styleFor } from "../io.ts";
import { VERSION } from "../../package/program.ts";

const EXAMPLES = `
  deno task doctor
  deno task doctor --json`;

/** `doctor` */
export function makeCommand(): AnyCommand {
  return plainCommand("doctor", EXAMPLES).action(printingAnswer(async () => {
    const findings = examine();
    const devices = await examineDevices(tryDevice);
    const auto = await chooseDevice("auto", { tryOut: (device) => tryDevice(trialOf(device)) });
    const style = styleFor();
    const mark = (ok: boolean) => ok ? style.good("ok") : style.warning("--");
    const rows = formatTable(findings.map(({ name, value }) => [name, value]));
    const { message, fix } = auto.available && auto.warning || {};
    const both = auto.available && auto.name === "onnx" && devices.some((one) => one.name === "torch" && one.available);
    const also = both && "torch for trainings that are faster on it";
    const taken = auto.available ? [`takes ${auto.name}`, also, message, fix].filter(Boolean).join("; ") : auto.reason;
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

function examine() {
  const guarded = parentDeathGuard().length > 0;
  const disk = statfsSync(".");
  const free = Number(disk.bavail) * Number(disk.bsize);
  const found: [name: string, ok: boolean, value: string][] = [
    ["noiseline", true, VERSION],
    ["deno", true, `${Deno.version.deno} on ${Deno.build.target}`],
    ["processor", true, `${cpus()[0]?.model ?? "unknown"}, ${navigator.hardwareConcurrency} cores`],
    ["memory", totalmem() > 2 ** 31, formatBytes(totalmem())],
    ["free disk", free > 2 ** 30, formatBytes(free)],
    ["orphan guard", guarded, guarded ? GUARDED : UNGUARDED],
  ];
  return found.map(([name, ok, value]) => ({ name, ok, value }));
}

const GUARDED = "workers die with their parent (kernel signal)";
const UNGUARDED = "workers notice only later that their parent died; install setpriv (util-linux)";
