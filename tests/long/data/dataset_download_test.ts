import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { cifarArchive } from "../../support/cifar_archive.ts";
import { FileServer } from "../../support/file_server.ts";
import { makeIdxFiles } from "../../support/idx.ts";
import { Project } from "../../support/project.ts";
import { until } from "../../support/until.ts";

const ARCHIVE = "cifar-10-binary.tar.gz";
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

function pipeline(params: Readonly<Record<string, unknown>>): string {
  return `name: demo
stages:
  images:
    uses: dataset
    with: ${JSON.stringify(params)}
`;
}

Deno.test("run fetches an archive from the mirror that has it, once, and knows it again at a path", async () => {
  await using server = new FileServer();
  const archive = cifarArchive();
  const url = server.serve("/gone.tar.gz", { status: 404 });
  const mirror = server.serve("/mirror.tar.gz", { bytes: archive });
  const params = { source: "cifar10", limit: 50, sha256: { [ARCHIVE]: sha256(archive) } };
  await using project = new Project({ files: { "p.yaml": pipeline({ ...params, url: [url, mirror] }) } });
  const first = await project.cli(["run", "p.yaml"]);
  assertEquals(first.code, 0, first.stdout + first.stderr);
  assertStringIncludes(first.stderr, `cannot fetch ${url}: HTTP 404 Not Found`);
  assertEquals(server.seen.map(({ path }) => path), ["/gone.tar.gz", "/mirror.tar.gz"]);

  // Other addresses of the same bytes need another param, but no new download.
  project.write("p.yaml", pipeline({ ...params, url: mirror }));
  assertStringIncludes((await project.cli(["plan", "p.yaml"])).stdout, "nothing to do");
  project.write("p.yaml", pipeline({ ...params, url: mirror, limit: 60 }));
  assertEquals((await project.cli(["run", "p.yaml"])).code, 0);
  assertEquals(server.seen.length, 2);

  // The key contains the archive's content, whatever its source.
  project.write("cifar-10-binary.tar.gz", archive);
  project.write("p.yaml", pipeline({ source: "cifar10", limit: 60, path: "cifar-10-binary.tar.gz" }));
  assertStringIncludes((await project.cli(["plan", "p.yaml"])).stdout, "nothing to do");
  project.write("p.yaml", pipeline({ ...params, url: mirror, sha256: { [ARCHIVE]: "00".repeat(32) } }));
  assertStringIncludes((await project.cli(["plan", "p.yaml"])).stdout, "external");
});

Deno.test("run stops in a download when interrupted, and the next run continues it", async () => {
  await using server = new FileServer();
  const archive = cifarArchive();
  const half = Math.floor(archive.length / 2);
  const url = server.serve("/a.tar.gz", { bytes: archive, after: half, then: "hang" }, { bytes: archive });
  await using project = new Project({
    files: { "p.yaml": pipeline({ source: "cifar10", limit: 50, url, sha256: { [ARCHIVE]: sha256(archive) } }) },
  });
  {
    await using running = project.start(["run", "p.yaml", "--json"]);
    const part = `.noiseline/cache/downloads/${sha256(archive)}.part`;
    await until("half of the archive", () => project.exists(part) && Deno.statSync(project.path(part)).size >= half);
    running.signal("SIGINT");
    assertEquals((await running.outcome()).code, 130);
  }
  const again = await project.cli(["run", "p.yaml"]);
  assertEquals(again.code, 0, again.stdout + again.stderr);
  assertEquals(server.seen.map(({ range }) => range), [null, `bytes=${half}-`]);
});

Deno.test("run says of every address why it did not give the data, and records nothing", async () => {
  await using server = new FileServer();
  const files = makeIdxFiles();
  for (const [name, bytes] of Object.entries(files)) server.serve(`/set/${name}`, { bytes });
  const spoiled = server.serve("/set/t10k-labels-idx1-ubyte.gz", { bytes: new TextEncoder().encode("<html>") });
  const digests = Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, sha256(bytes)]));
  const url = [server.url("/set/"), server.url("/none")];
  const params = { source: "mnist", limit: 20, url, sha256: digests };
  await using project = new Project({ files: { "p.yaml": pipeline(params) } });
  const failed = await project.cli(["run", "p.yaml"]);
  assertEquals(failed.code, 1, failed.stdout);
  const said = failed.stdout + failed.stderr;
  assertStringIncludes(said, "cannot fetch t10k-labels-idx1-ubyte.gz from any of 2 addresses:");
  assertStringIncludes(said, `${spoiled}: its SHA-256 is`);
  assertStringIncludes(said, `${server.url("/none/t10k-labels-idx1-ubyte.gz")}: HTTP 404 Not Found`);
  assert(!project.exists("outputs/demo/images"));

  server.serve("/set/t10k-labels-idx1-ubyte.gz", { bytes: files["t10k-labels-idx1-ubyte.gz"]! });
  const before = server.seen.length;
  assertEquals((await project.cli(["run", "p.yaml"])).code, 0);
  // The three files that were fetched the first time were kept.
  assertEquals(server.seen.slice(before).map(({ path }) => path), ["/set/t10k-labels-idx1-ubyte.gz"]);
});

Deno.test("validate refuses addresses beside a path before anything is fetched", async () => {
  const params = { source: "cifar10", path: "x", url: "http://127.0.0.1:9/x", sha256: { [ARCHIVE]: "ab".repeat(32) } };
  await using project = new Project({ files: { "p.yaml": pipeline(params) } });
  const { code, stderr } = await project.cli(["validate", "p.yaml"]);
  assertEquals(code, 2);
  assertStringIncludes(stderr, "url does not go with path");
  assertStringIncludes(stderr, "sha256 does not go with path");
});
