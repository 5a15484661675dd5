import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { makeBetas, SCHEDULE_NAMES, type ScheduleSpec } from "../../../science/diffusion/schedule/betas.ts";
import { chainPath } from "../../../science/diffusion/path.ts";
import { makeTables } from "../../../science/diffusion/schedule/tables.ts";
import { scheduleKind } from "../../../stages/schedule/kind.ts";
import { plotSchedule } from "../../../stages/schedule/run.ts";
import { runStage } from "../../support/stage_context.ts";
import { withFolder } from "./small_world.ts";

const plot = (spec: ScheduleSpec) => plotSchedule(spec.name, chainPath(makeTables(makeBetas(spec))));

Deno.test("plotSchedule() draws three curves with finite coordinates for every schedule and length", () => {
  for (const name of SCHEDULE_NAMES) {
    for (const timesteps of [1, 2, 7, 1_000]) {
      for (const zeroTerminalSnr of [false, true]) {
        const svg = plot({ name, timesteps, zeroTerminalSnr });
        const label = `${name} ${timesteps} ${zeroTerminalSnr}`;
        assert(!/NaN|Infinity|undefined/.test(svg), label);
        // If the log-SNR is minus infinity throughout, its chart stays empty.
        const curves = svg.match(/<path d="M|<circle /g)?.length;
        assertEquals(curves, timesteps === 1 && (zeroTerminalSnr || name === "ho/jsd") ? 2 : 3, label);
      }
    }
  }
});

Deno.test("plotSchedule() says what the ends are, in words where there are no numbers", () => {
  const svg = plot({ name: "ho/linear", timesteps: 1_000 });
  // numpy float64: A_T 4.03582976538e-05, prior KL 2.91129454203e-05 bits; ln(9999) = 9.21, ln(4.036e-5) = -10.1.
  for (const part of ["T = 1000; prior KL 2.91e-5 bits", "from 1e-4 to 0.02", "to 4.04e-5", "from 9.21 to -10.1"]) {
    assertStringIncludes(svg, part);
  }
  assertStringIncludes(plot({ name: "ho/jsd", timesteps: 10 }), "from 2.2 to minus infinity");
  assertStringIncludes(plot({ name: "ho/const", timesteps: 10 }), "0.02 throughout");
});

Deno.test("schedule writes its plot, the same bytes each time", async () => {
  await withFolder(async (folder) => {
    const draw = async () => {
      const params = { betas: "ho/linear", timesteps: 500, zeroTerminalSnr: true };
      const { outputs } = await runStage(folder, scheduleKind, { params });
      return await outputs["schedule"]!.readText("schedule.svg");
    };
    const svg = await draw();
    assertStringIncludes(
      svg,
      "<title>ho/linear with zero terminal SNR, T = 500; prior KL 0 bits per dimension</title>",
    );
    assertEquals(await draw(), svg);
  });
});
