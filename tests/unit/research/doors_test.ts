import { checkNetwork, checkObjective, checkPath, checkSampler } from "noiseline/testing";
import dit from "../../../pipelines/research/dit.ts";
import flow from "../../../pipelines/research/flow.ts";
import euler from "../../../pipelines/research/flow_euler.ts";
import heun from "../../../pipelines/research/flow_heun.ts";
import velocity from "../../../pipelines/research/velocity.ts";

const straight = { path: flow };

Deno.test("the definitions of research stand the checks for users", async () => {
  await checkNetwork(dit, { params: { depth: 1, width: 8, heads: 2, patch: 4 }, sizes: { classes: 3 } });
  await checkPath(flow);
  await checkPath(flow, { params: { draw: "logit-normal", m: -0.5, s: 1 } });
  await checkObjective(velocity);
  await checkObjective(velocity, straight);
  await checkSampler(euler, straight);
  await checkSampler(heun, straight);
});
