import { assertMatch, assertRejects } from "@std/assert";
import type { Device } from "../../science/tensor/device.ts";
import { CompileError } from "../../science/tensor/trace/failure.ts";
import { compare, describeError, isWrong } from "./compare.ts";
import { isRefused, isSoftware, openParityDevice, type ParityDeviceName, skipAbsent } from "./devices.ts";
import { FIXTURE_GROUPS, type FixtureGroup, loadCases } from "./fixtures.ts";
import { checkMaskStatistics } from "./mask_statistics.ts";
import { runCase } from "./run_case.ts";
import { firstSteps } from "./run_training.ts";

/** Training steps on a software adapter, where all twenty take 12 seconds. */
const STEPS_IN_SOFTWARE = 5;

/** The number of failures that a message lists. */
const SHOWN = 20;

export interface SuiteOptions {
  /** Default: all. */
  readonly groups?: readonly FixtureGroup[];
  /** Default: 1. */
  readonly threads?: number;
}

/**
 * Registers the parity tests of a device: each case of the fixtures, with its gradients, against PyTorch in float64. If
 * the device is absent, the tests are skipped, and the output gives the reason.
 */
export function testParity(name: ParityDeviceName, { groups = FIXTURE_GROUPS, threads = 1 }: SuiteOptions = {}): void {
  const title = threads === 1 ? name : `${name} with ${threads} threads`;
  Deno.test(`${title} agrees with PyTorch in float64`, async (t) => {
    if (await skipAbsent(t, name)) return;
    const steps = await isSoftware(name) ? STEPS_IN_SOFTWARE : undefined;
    const device = await openParityDevice(name, threads);
    try {
      for (const group of groups) await t.step(group, () => checkGroup(device, group, steps));
      if (groups.includes("blocks")) await t.step("dropout masks", () => checkMaskStatistics(device));
    } finally {
      await device.dispose();
    }
  });
}

/** @param steps number of training steps; default: all of the fixture */
async function checkGroup(device: Device, group: FixtureGroup, steps?: number): Promise<void> {
  const wrong: string[] = [];
  for (const whole of await loadCases(group)) {
    const parityCase = whole.op === "training" && steps !== undefined ? firstSteps(whole, steps) : whole;
    if (isRefused(device.name, parityCase.name)) {
      const refused =
        /TF\.js op "\w+": its kernel on backend "\w+" is (absent|wrong for such a call) \(called at file:/;
      assertMatch((await assertRejects(() => runCase(device, parityCase), CompileError)).message, refused);
      continue;
    }
    const errors = compare(parityCase, await runCase(device, parityCase), device.name);
    wrong.push(...errors.filter(isWrong).map(describeError));
  }
  if (wrong.length === 0) return;
  const more = wrong.length > SHOWN ? `\n… and ${wrong.length - SHOWN} more` : "";
  throw new Error(`${device.name}: ${wrong.length} outputs are off:\n${wrong.slice(0, SHOWN).join("\n")}${more}`);
}
