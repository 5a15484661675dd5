import { assertEquals } from "@std/assert";
import type { StagePreview } from "../../../../engine/contract/stage.ts";
import { makeContext } from "../../../../engine/process/context.ts";
import type { StageEvent } from "../../../../engine/process/protocol.ts";

Deno.test("a preview that is none is left out with a warning that says what is wrong with it", () => {
  const events: StageEvent[] = [];
  const start = { params: {}, seed: 0, inputs: {}, outputs: {}, progressFolder: "a", progressLimit: 0 };
  const more = { packages: {}, externals: {}, device: undefined, downloads: undefined };
  const context = makeContext({ ...start, ...more }, new AbortController().signal, (event) => events.push(event));
  const png = new Uint8Array([1, 2]);
  const said = (...pictures: unknown[]) => {
    for (const picture of pictures) context.preview(picture as StagePreview);
    return events.splice(0).map((event) => event.type === "warn" ? event.message : event);
  };
  const wrong = (text: string) => `a preview is left out: ${text}`;
  assertEquals(said({ step: 1, png, seconds: 0.5 }, { step: 0, png: new Uint8Array(750_001) }), [
    { type: "preview", step: 1, png: "AQI=", seconds: 0.5 },
    { type: "preview", step: 0, png: "" },
  ]);
  assertEquals(said(...[-1, 1.5, NaN, "../../x"].map((step) => ({ step, png }))), [
    wrong("step is below 0"),
    ...new Array(3).fill(wrong("step is not a whole number")),
  ]);
  assertEquals(said({ step: 1 }, { step: 1, png: "AQI=", seconds: -1 }), [
    wrong("png is no Uint8Array"),
    wrong("png is no Uint8Array; seconds is below 0"),
  ]);
  for (
    const picture of [undefined, { step: 1e300, png }, { step: 1, png, seconds: Infinity }, { step: 1, png, more: 1 }]
  ) {
    const [one, two] = said(picture);
    assertEquals([typeof one, two], ["string", undefined], String(one));
  }
});
