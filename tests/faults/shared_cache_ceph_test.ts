import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { AwsClient } from "aws4fetch";
import { S3Backend } from "../../engine/store/cache/s3_backend.ts";
import { CephGateway } from "../support/ceph_gateway.ts";
import { finalDigests } from "../support/check_plan.ts";
import { onlyIf } from "../support/proc.ts";
import { Project } from "../support/project.ts";

const FILE = `name: demo
stages:
  noise: { uses: schedule, with: { betas: sigmoid, timesteps: 50 } }
  other: { uses: schedule, with: { betas: sigmoid, timesteps: 60 } }
`;

const ENABLED = Deno.env.get("NOISELINE_TEST_CEPH") === "1";

Deno.test({
  ...onlyIf(
    ENABLED,
    "Ceph takes half a minute; set NOISELINE_TEST_CEPH=1",
    "a shared cache in Ceph's S3 service, which checks signatures and digests",
  ),
  async fn(t) {
    const gateway = await CephGateway.start();
    if (typeof gateway === "string") throw new Error(`NOISELINE_TEST_CEPH asks for Ceph, and ${gateway}`);
    await using _gateway = gateway;
    const { endpoint, key } = gateway;
    const base = `${endpoint}/team`;
    const client = new AwsClient({ accessKeyId: key, secretAccessKey: key, service: "s3", region: "us-east-1" });
    assertEquals((await client.fetch(base, { method: "PUT" })).status, 200);
    const env = (secret: string) => ({
      AWS_ACCESS_KEY_ID: key,
      AWS_SECRET_ACCESS_KEY: secret,
      AWS_ENDPOINT_URL: endpoint,
      NOISELINE_CACHE: "s3://team/a place+with=signs",
    });
    const run = async (secret: string, state: string) => {
      await using project = new Project({ files: { "p.yaml": FILE } });
      const outcome = await project.cli(["run", "p.yaml", "--json"], { env: env(secret) });
      assertEquals(outcome.code, 0, outcome.stderr);
      const ended = outcome.events.filter(({ type }) => type === "stage-finished");
      assertEquals(ended.map((event) => event.state), [state, state]);
      const warnings = outcome.events.filter(({ type, level }) => type === "warning" || level === "warn");
      return { digests: await finalDigests(project, ["p.yaml"]), warnings: warnings.map(({ message }) => message) };
    };

    await t.step("two machines share", async () => {
      const first = await run(key, "ran");
      assertEquals(first.warnings, []);
      assertEquals(await run(key, "restored"), first);
    });

    await t.step("a wrong secret costs one warning", async () => {
      const { warnings } = await run("wrong", "ran");
      assertEquals(warnings.length, 1);
      assertStringIncludes(warnings[0]!, "403 SignatureDoesNotMatch");
    });

    const backend = new S3Backend({
      base,
      region: "us-east-1",
      credentials: { accessKeyId: key, secretAccessKey: key },
    }, "x");
    const signal = new AbortController().signal;
    const contentOf = async (text: string) => {
      const bytes = new TextEncoder().encode(text);
      const sha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
      return { sha256, size: bytes.length, from: { bytes } };
    };

    await t.step("of sixteen writers at once one wins", async () => {
      assertEquals(await backend.prepare(signal), { value: undefined });
      const answers = await Promise.all(Array.from({ length: 16 }, async (_, n) => {
        return await backend.create("contended", await contentOf(`writer ${n}`), { signal, replace: false });
      }));
      const created = answers.flatMap((answer, n) => "value" in answer && answer.value === "created" ? [n] : []);
      assertEquals(created.length, 1);
      const opened = await backend.open("contended", signal);
      assert("value" in opened && opened.value !== undefined);
      assertEquals(await new Response(opened.value).text(), `writer ${created[0]}`);
    });

    await t.step("bytes that are not what their digest says are refused on arrival", async () => {
      const content = { ...await contentOf("right"), from: { bytes: new TextEncoder().encode("wrong") } };
      const answer = await backend.create("damaged", content, { signal, replace: true });
      assert("trouble" in answer, JSON.stringify(answer));
      assertEquals(await backend.size("damaged", signal), { value: undefined });
    });
  },
});
