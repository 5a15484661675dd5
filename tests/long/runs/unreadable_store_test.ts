import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { hasProgram, isRoot, skipTestsUnless } from "../../support/proc.ts";
import { Project } from "../../support/project.ts";

const ignore = skipTestsUnless(
  Deno.build.os === "linux" && (!isRoot() || hasProgram("setpriv")),
  "the system's root may read everything, and setpriv, which takes that away, is not here",
);

const PIPELINE = `name: demo
stages:
  noise: { uses: schedule, with: { betas: sigmoid, timesteps: 100 } }
`;

/** Makes a project with a pipeline that has run, in a process that file modes apply to. */
async function makeProject() {
  const prefix = isRoot() ? ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] : [];
  const project = new Project({ files: { "p.yaml": PIPELINE } });
  const cli = async (...args: string[]) => {
    const { code, stdout, stderr } = await project.cli(args, { prefix });
    const said = stdout + stderr;
    assert(!/internal error|\n\s+at /.test(said), `${args.join(" ")}: ${said}`);
    return { code, said };
  };
  assertEquals((await cli("run", "p.yaml")).code, 0);
  assertEquals((await cli("tag", "good", "p.yaml")).code, 0);
  const close = (path: string) => Deno.chmodSync(project.path(path), 0);
  return { project, cli, close, [Symbol.asyncDispose]: () => project[Symbol.asyncDispose]() };
}

Deno.test({
  name: "an object and a manifest that may not be read are named, and the next run makes them again",
  ignore,
  async fn() {
    await using place = await makeProject();
    const { project, cli, close } = place;
    for (const folder of ["objects", "results"]) {
      close(`.noiseline/${folder}/${project.files(`.noiseline/${folder}`)[0]}`);
    }
    // Entries in the index would hide the manifest.
    project.remove(".noiseline/index.jsonl");
    project.remove("outputs");
    assertEquals((await cli("export", "good", "-o", "results")).code, 1);
    assertEquals((await cli("report", "p.yaml")).code, 1);
    assertEquals((await cli("gc")).code, 0);
    const { code, said } = await cli("run", "p.yaml");
    assertEquals(code, 0, said);
    assertMatch(said, /1 ran/);
    assertEquals((await cli("verify")).code, 0);
  },
});

Deno.test({
  name: "verify names an object that may not be read as damaged, and sets it aside",
  ignore,
  async fn() {
    await using place = await makeProject();
    const { project, cli, close } = place;
    close(`.noiseline/objects/${project.files(".noiseline/objects")[0]}`);
    const { code, said } = await cli("verify", "p.yaml");
    assertEquals(code, 1);
    assertStringIncludes(said, "damaged: demo/noise schedule/");
    assertEquals((await cli("run", "p.yaml")).code, 0);
    assertEquals((await cli("verify")).code, 0);
  },
});

Deno.test({
  name: "a store that may not be read is said in one error with its path, whatever the command",
  ignore,
  async fn() {
    await using place = await makeProject();
    const { project, cli } = place;
    for (const closed of [".noiseline", ".noiseline/results"]) {
      Deno.chmodSync(project.path(closed), 0);
      const wanted = [["verify"], ["gc"], ["run", "p.yaml", "--force-all"], ["export", "p.yaml", "-o", "results"]];
      for (const args of closed === ".noiseline" ? wanted : wanted.slice(0, 2)) {
        const { code, said } = await cli(...args);
        assertEquals(code, 2, `${args.join(" ")}: ${said}`);
        assertEquals(said.match(/error: /g)?.length, 1, said);
        assertStringIncludes(said, project.path(closed));
      }
      Deno.chmodSync(project.path(closed), 0o755);
    }
  },
});
