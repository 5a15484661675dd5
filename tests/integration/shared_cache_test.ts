import { assertEquals, assertStringIncludes } from "@std/assert";
import { digestsOf, Project } from "../support/project.ts";
import { finalDigests } from "../support/check_plan.ts";
import type { Json } from "../support/cli_process.ts";
import { MotoServer } from "../support/moto_server.ts";
import { skipUnless } from "../support/proc.ts";

const FILE = `name: demo
stages:
  noise: { uses: schedule, with: { betas: ldm/cosine, timesteps: 20 } }
  other: { uses: schedule, with: { betas: ho/linear, timesteps: 20 } }
`;

const makeProject = () => new Project({ files: { "p.yaml": FILE } });

async function checkSharing(place: string, env: Record<string, string>): Promise<void> {
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

Deno.test("a folder shares results between two projects, by option and by environment", async () => {
  await using shared = new Project({ bare: true });
  await checkSharing(shared.path("cache"), {});
});

Deno.test("an S3 service shares results between two projects", async () => {
  const server = await MotoServer.start({ install: false });
  if (typeof server === "string") return void skipUnless(false, server);
  await using _server = server;
  const env = { AWS_ACCESS_KEY_ID: "any", AWS_SECRET_ACCESS_KEY: "any", AWS_ENDPOINT_URL: server.endpoint };
  await checkSharing(`s3://${server.bucket}/some where`, env);
});

Deno.test("a cache or mode that cannot be is refused before anything runs, and off needs none", async () => {
  await using project = makeProject();
  const place = await project.cli(["run", "p.yaml", "--cache", "gs://bucket"]);
  assertEquals(place.code, 2);
  assertStringIncludes(place.stderr, '"gs" is not a kind of cache');
  const env = { NOISELINE_CACHE: "gs://bucket", NOISELINE_CACHE_MODE: "reed" };
  const mode = await project.cli(["plan", "p.yaml"], { env });
  assertEquals(mode.code, 2);
  assertStringIncludes(mode.stderr, "NOISELINE_CACHE_MODE is not a mode");
  assertEquals((await project.cli(["plan", "p.yaml", "--cache-mode", "off"], { env })).code, 0);
});
