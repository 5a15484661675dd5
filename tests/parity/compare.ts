import type { HostTensors } from "../../science/tensor/device.ts";
import type { ParityCase } from "./fixtures.ts";
import { roundings, type Rule, ruleFor } from "./tolerances.ts";

/** The largest error of one output. */
export interface OutputError {
  readonly case: ParityCase;
  /** Name of the output. */
  readonly output: string;
  readonly index: number;
  readonly got: number;
  readonly wanted: number;
  /** The error in the unit of `roundings`; NaN if a number is not finite. */
  readonly roundings: number;
  readonly rule: Rule;
}

/**
 * Compares the outputs of a case with the float64 results.
 * @throws Error when names or lengths differ
 */
export function compare(parityCase: ParityCase, got: HostTensors, device: string): OutputError[] {
  const [wantedNames, gotNames] = [Object.keys(parityCase.outputs), Object.keys(got)].map((names) =>
    names.sort().join()
  );
  if (wantedNames !== gotNames) {
    throw new Error(`Case "${parityCase.name}": got outputs ${gotNames}, wanted ${wantedNames}`);
  }
  return Object.entries(parityCase.outputs).map(([output, expected]) => {
    const data = got[output]!;
    if (data.length !== expected.data.length) {
      throw new Error(`Case "${parityCase.name}", ${output}: got ${data.length} numbers, wanted [${expected.shape}]`);
    }
    let index = 0;
    let largest = 0;
    for (let i = 0; i < data.length && !Number.isNaN(largest); i++) {
      const error = Math.abs(data[i]! - expected.data[i]!);
      if (error <= largest) continue;
      [index, largest] = [i, error];
    }
    return {
      case: parityCase,
      output,
      index,
      got: data[index]!,
      wanted: expected.data[index]!,
      roundings: roundings(largest, expected),
      rule: ruleFor(parityCase.op, expected, device),
    };
  });
}

/** Returns true if the error of an output is larger than its rule allows, or not a number. */
export function isWrong({ roundings, rule }: OutputError): boolean {
  return !(roundings <= rule.allowed);
}

export function describeError(error: OutputError): string {
  const { case: { name }, output, index, got, wanted, rule } = error;
  return `${name}: ${output}[${index}] is ${got}, wanted ${wanted}: ${error.roundings.toPrecision(3)} roundings off, ` +
    `allowed ${rule.allowed} (${rule.reason})`;
}
