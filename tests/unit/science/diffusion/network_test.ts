import { assertEquals, assertThrows } from "@std/assert";
import { makeNetwork } from "../../../../science/diffusion/network.ts";

Deno.test("makeNetwork() refuses parameters that no array holds, by their names", () => {
  const make = (...shape: number[]) =>
    makeNetwork({ height: 1, width: 1, channels: 1, outChannels: 1 }, {
      parameters: [{ name: "w", shape, init: "zeros" }],
      forward: ({ x }) => x,
    });
  assertEquals(make(2 ** 16, 2 ** 15).count, 2 ** 31);
  for (const shape of [[2 ** 16, 2 ** 15, 2], [2 ** 53 - 1, 2 ** 53 - 1], [1e12]]) {
    assertThrows(
      () => make(...shape),
      RangeError,
      `Shape of parameter w: got [${shape.join(", ")}], wanted at most 2^31 elements`,
    );
  }
  assertThrows(() => make(0, 1e12), RangeError, "wanted positive integers");
});
