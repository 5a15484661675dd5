import { assert, assertEquals } from "@std/assert";
import { augmentationParams, builtinAugmentation, conditionsOf } from "../../../../science/diffusion/augmentations.ts";
import { lcgValues } from "../metrics/lcg.ts";
import { assertAllClose } from "./assert_close.ts";
import oracle from "../../../golden/edm/augment.json" with { type: "json" };

/** The random numbers of tests/peers/edm/augment.py. */
function numbersOf(seed: number) {
  const numbers = lcgValues(seed, 100);
  let next = 0;
  const uniform = () => numbers[next++]! + 0.5;
  return { uniform, normal: () => numbers[next++]! * Math.sqrt(12), integer: (n: number) => Math.floor(uniform() * n) };
}

const changed = new Map<string, number>();

for (const [number, { params, size: [height, width, channels], image: wanted, condition }] of oracle.cases.entries()) {
  const what = `${JSON.stringify(params)} on ${height}x${width}x${channels}`;
  Deno.test(`augmentation ${number}, ${what}, is that of NVlabs/edm or PyTorch in float64`, () => {
    const { definition, params: own } = builtinAugmentation(augmentationParams.parse(params));
    const start = Float32Array.from(lcgValues(number, height! * width! * channels!), (x) => 2 * x);
    const given = { image: start.slice(), height: height!, width: width!, channels: channels! };
    const made = definition.augment({ ...given, random: numbersOf(1000 + number) }, own as never);
    // Float32 against float64: the filters' passes round four times, to 6e-8 of sums of about 2; colours reach 20.
    // EDM rounds conditions to float32.
    const largest = Math.max(1, ...wanted.map(Math.abs));
    assertAllClose(made.image, wanted, { abs: 6e-7 * largest, label: what });
    assertAllClose(made.condition!, condition, { abs: 1e-7, label: `condition of ${what}` });
    assertEquals(made.condition!.length, conditionsOf({ definition, params: own }));
    if (wanted.some((x, i) => Math.abs(x - start[i]!) > 0.01)) {
      changed.set(params.name, (changed.get(params.name) ?? 0) + 1);
      assert(condition.some((x) => x !== 0), "the network is told of a change");
    } else {
      assert(condition.every((x) => x === 0), "the network is told of no change");
    }
  });
}

Deno.test("the cases change images by each augmentation, and leave some as they are", () => {
  assertEquals([...changed.keys()].sort(), ["colour", "crop", "edm", "shift"]);
  assert([...changed.values()].reduce((sum, count) => sum + count) < oracle.cases.length);
});
