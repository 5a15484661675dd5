import { assert, assertEquals } from "@std/assert";
import { allBlocks, splitShell } from "../docs/blocks.ts";
import { clusterTest } from "./support/slurm_cluster.ts";

const blocks = allBlocks().filter(({ place }) => place.startsWith("docs/cluster.md:"));

clusterTest("every command of docs/cluster.md works, with the files that it shows", { cpus: 8 }, async (cluster) => {
  const sweep = blocks.find(({ text }) => text.startsWith("# sweep.yaml\n"))!;
  const lab = blocks.find(({ text }) => /^engine: slurm$/m.test(text))!;
  const project = cluster.project({ files: { "sweep.yaml": sweep.text } });
  // The document's cluster with a separate cache, and with so little memory that all children of the sweep fit on these
  // nodes.
  const settings = lab.text.replace("/shared/noiseline", cluster.cache).replace(
    "cpu: 4, memory: 8GiB",
    "cpu: 1, memory: 1GiB",
  );
  assert(settings.includes(cluster.cache) && settings.includes("1GiB"));
  project.write("clusters/lab.yaml", settings);
  const lines = blocks.filter(({ language }) => language === "sh").flatMap(({ text }) => text.split("\n")).filter(
    Boolean,
  );
  assert(lines.length >= 8);
  for (const line of lines) {
    const [deno, task, ...args] = splitShell(line);
    assertEquals([deno, task], ["deno", "task"], line);
    const { code, stderr } = await cluster.cli(project, args);
    // A training that prints nothing has no log.
    assertEquals(code, args[0] === "logs" && stderr.includes("has printed nothing") ? 1 : 0, `${line}\n${stderr}`);
  }
  assert(project.files("outputs/sweep").some((name) => name.startsWith("evaluate~rate=0.01~seed=2/")));
});
