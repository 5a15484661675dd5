import { assertEquals, assertStringIncludes } from "@std/assert";
import { finalDigests } from "./check_plan.ts";
import type { Json } from "./cli_process.ts";
import { digestsOf, Project } from "./project.ts";

const FILE = `name: demo
stages:
  noise: { uses: schedule, with: { betas: ldm/cosine, timesteps: 20 } }
  other: { uses: schedule, with: { betas: ho/linear, timesteps: 20 } }
`;

export const makeProject = () => new Project({ files: { "p.yaml": FILE } });

/**
 * Checks that results of one project are taken from the cache by another, with the cache named by an option or by the
 * environment.
 */
export async function checkSharing(place: string, env: Record<string, string>): Promise<void> {
  await using one = makeProject();
  await using two = makeProject();
  const first = await one.cli(["run", "p.yaml", "--cache", place], { env });
  assertEquals(first.code, 0, first.stdout + first.stderr);
  assertStringIncludes(first.stderr, "2 results sent to the shared cache\n");
  const plan = await two.cli(["plan", "p.yaml", "--json"], { env: { ...env, NOISELINE_CACHE: place } });
  assertEquals(plan.json.stages.map(({ state }: Json) => state), ["restore", "restore"]);
  assertEquals(two.exists(".noiseline"), false);
  const second = await two.cli(["run", "p.yaml", "--json"], { env: { ...env, NOISELINE_CACHE: place } });
  const ended = second.events.filter(({ type }) => type === "stage-finished");
  assertEquals(
    ended.map(({ state, message }) => `${state} ${message}`),
    Array(2).fill("restored from the shared cache"),
  );
  assertEquals(await finalDigests(two, ["p.yaml"]), digestsOf(plan.json));
}
