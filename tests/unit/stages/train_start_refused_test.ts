import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { facts as factsOf } from "../../../artifacts/checkpoint.ts";
import { trainKind } from "../../support/builtin_kinds.ts";
import { SMALL_TRAINING, smallWorld, trainSmall, withFolder } from "./small_world.ts";

Deno.test("what does not fit a start is reported before anything runs", async (t) => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const { outputs } = await trainSmall(folder, world, { params: { steps: 1, labels: {} } });
    const start = await factsOf(outputs["checkpoint"]!) as unknown as Record<string, unknown>;
    const images = { height: 8, width: 8, channels: 1, classes: 10, count: 40 };
    const schedule = { timesteps: 50, betas: "ldm/cosine" };
    type Inputs = Parameters<NonNullable<typeof trainKind.check>>[1];
    const check = (params: object, inputs: object = {}) => {
      const parsed = trainKind.params.parse({ ...SMALL_TRAINING, steps: 1, ...params });
      const { problems, facts } = trainKind.check!(parsed, { images, schedule, start, ...inputs } as Inputs);
      return { problems, facts: facts?.["checkpoint"] };
    };
    const none = { start: undefined };
    const without = (params: object) => {
      const parsed = trainKind.params.parse({ ...SMALL_TRAINING, steps: 1, ...params });
      return trainKind.check!(parsed, { images, schedule } as Inputs).problems.map((
        { param, message },
      ) => [param, message]);
    };

    await t.step("nothing, where all fits", () => {
      const { problems, facts } = check({ model: "start", labels: {}, freeze: ["down.*", "*.bias"] });
      assertEquals(problems, []);
      assertEquals((facts!["network"] as { channels: number }).channels, 4);
      assertEquals(check({ labels: {} }).problems, []);
      // Without facts of the start, the run finds out.
      assertEquals(check({ model: "start" }, none).problems, []);
    });
    await t.step("params about a start that is not there", () => {
      assertEquals(without({ model: "start" }), [[["model"], "the stage has no input start"]]);
      assertEquals(without({ startWeights: "all" }), [[["startWeights"], "the stage has no input start"]]);
    });
    await t.step("another network: all parameters, with both shapes", () => {
      const [problem, ...more] = check({ model: { ...SMALL_TRAINING.model, multipliers: [1, 1] } }).problems;
      assertEquals([problem!.input, more], ["start", []]);
      const [setting, ...lines] = problem!.got!.split("\n");
      assertEquals(setting, "model.multipliers: [1, 2] in the checkpoint, [1, 1] in the network");
      assertEquals(
        lines[0],
        "down.1.block.0.conv1.kernel: [3, 3, 4, 8] in the checkpoint, [3, 3, 4, 4] in the network",
      );
      assertEquals(lines.length, 6);
      assertMatch(lines[5]!, /^and \d+ more$/);
      assertEquals(problem!.got!.includes("classes.embedding"), false);
      assertStringIncludes(problem!.fix!, "model: start");
    });
    await t.step("images of other channels", () => {
      const { problems } = check({ model: "start" }, { images: { ...images, channels: 3 } });
      assertEquals(
        problems.map(({ got }) => got),
        [
          "channels of the images: 1 in the checkpoint, 3 in the network\n" +
          "channels of the output: 1 in the checkpoint, 3 in the network\n" +
          "conv_in.kernel: [3, 3, 1, 4] in the checkpoint, [3, 3, 3, 4] in the network\n" +
          "conv_out.kernel: [3, 3, 4, 1] in the checkpoint, [3, 3, 4, 3] in the network\n" +
          "conv_out.bias: [1] in the checkpoint, [3] in the network",
        ],
      );
    });
    await t.step("a network of another function", () => {
      const model = { ...SMALL_TRAINING.model, frequencyShift: 0, normEpsilon: 1e-5 };
      assertEquals(check({ model }).problems.map(({ message, got, wanted }) => [message.split(": ")[1], got, wanted]), [
        ["model.normEpsilon", "0.00001", "its default"],
        ["model.frequencyShift", "0", "its default"],
      ]);
    });
    await t.step("a number of channels that does not fit images of another size", () => {
      const odd = check({ model: "start" }, { images: { ...images, height: 9, width: 9 } });
      assertEquals(odd.problems.map(({ param }) => param), [["model", "multipliers"]]);
    });
    await t.step("weights that the start does not have", () => {
      const [problem] = check({ model: "start", startWeights: "fast" }).problems;
      assertEquals([problem!.param, problem!.got, problem!.wanted], [["startWeights"], "fast", "ema, raw"]);
    });
    await t.step("patterns that match nothing, with near names", () => {
      const { problems } = check({
        model: "start",
        freeze: ["dwn.*", "down.*", "conv_in.kernal", "xyz", "time.dense1.kernel"],
      });
      assertEquals(problems.map(({ param, got, fix }) => [param, got, fix]), [
        [["freeze", 0], "dwn.*", 'did you mean "down.*"?'],
        [["freeze", 2], "conv_in.kernal", 'did you mean "conv_in.kernel"?'],
        [["freeze", 3], "xyz", "use one of: time.*, conv_in.*, down.*, middle.*, up.*, norm_out.*, conv_out.*"],
      ]);
      assertStringIncludes(check({ freeze: ["*"] }).problems[0]!.message, "none is left to train");
    });
    await t.step("another objective or schedule, as a warning", () => {
      const { problems } = check({ model: "start", objective: "v" }, {
        schedule: { timesteps: 60, betas: "ho/linear" },
      });
      assertEquals(
        problems.map((
          { severity, message, got, wanted },
        ) => [severity, /another (.*?),/.exec(message)![1], got, wanted]),
        [
          ["warning", "objective", "eps", "v"],
          ["warning", "schedule", "ldm/cosine", "ho/linear"],
          ["warning", "number of timesteps", "50", "60"],
        ],
      );
    });
  });
});
