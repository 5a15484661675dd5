import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { isGoneWithin } from "../support/proc.ts";
import { findServers, startUi, userOf, Visitor } from "../support/live_server.ts";
import { Project } from "../support/project.ts";

const SCHEDULE = `name: demo
stages:
  noise: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1250 } }
  quiet: { uses: schedule, with: { betas: sigmoid, timesteps: 10 } }
`;

Deno.test("ui prints where it listens, serves what the store has, and ends with 0", async () => {
  await using project = new Project({ files: { "p.yaml": SCHEDULE } });
  const env = await userOf(project);
  await project.cli(["run", "p.yaml"], { env });
  const [runId] = project.list(".noiseline/runs");
  project.write(`.noiseline/runs/${runId}/logs/noise.log`, "\u001b[1msaid\u001b[0m by \u202enoise\n");
  const before = project.files(".noiseline").join("\n");
  await using ui = await startUi(project, ["--json"], { env });
  await ui.said("}");
  // The JSON document is complete, although the command continues.
  const second = await project.cli(["ui", "--json"], { env });
  assertEquals([second.code, second.json.started], [0, false]);
  const { address } = second.json;
  assertMatch(address, /^http:\/\/127\.0\.0\.1:\d+\/\?token=[0-9a-f]{64}$/);

  const visitor = await Visitor.open(address);
  assertStringIncludes(await visitor.text("/"), `/run/${runId}`);
  const page = await visitor.get(`/run/${runId}`);
  const html = await page.text();
  assertEquals(page.status, 200);
  assertStringIncludes(html, "<h1>demo</h1>");
  assertStringIncludes(html, "<code>noise</code>, last lines;");
  for (const text of [html, await visitor.text(`/log/${runId}/noise`)]) {
    assertStringIncludes(text, "said by \\u202enoise");
  }
  assert(!/<style|<script>|\son\w+=|style="/.test(html), "inline code or style, which the policy refuses");
  const [drawing] = /\/object\/[0-9a-f]{64}\.svg/.exec(html)!;
  const svg = await visitor.get(drawing);
  assertEquals([svg.status, svg.headers.get("content-type")], [200, "image/svg+xml"]);
  assertStringIncludes(svg.headers.get("content-security-policy")!, "sandbox");
  assertStringIncludes(svg.headers.get("cache-control")!, "immutable");
  assertStringIncludes(await svg.text(), "<svg");
  for (const [path, type] of [["/style.css", "text/css"], ["/app.js", "text/javascript"]] as const) {
    const { status, headers, body } = await visitor.get(path);
    await body?.cancel();
    assertEquals([status, headers.get("content-type")?.split(";")[0]], [200, type]);
  }
  const head = await visitor.get(`/run/${runId}`, { method: "HEAD" });
  assertEquals([head.status, head.headers.get("allow")], [405, "GET"]);

  // Addresses that are not a page, a run, a stage or an object of an artifact, or that lead elsewhere.
  const digest = /[0-9a-f]{64}/.exec(drawing)![0];
  const nothing = [
    "/run/",
    "/run/x",
    "/run/..%2f..",
    "/compare",
    "/compare?run=x",
    "/nothing",
    "/run",
    "/log",
    "/%ff",
    "/%",
  ];
  nothing.push(
    `/log/${runId}/x`,
    `/log/${runId}/..%2frun.json`,
    `/preview/${runId}/noise/1.png`,
    `/page/${digest}.html`,
  );
  nothing.push(
    `/object/${digest}.png`,
    `/object/${digest}`,
    `/object/${"0".repeat(64)}.png`,
    `/object/..%2f..%2fp.yaml`,
  );
  nothing.push(
    "/events",
    "/events?of=/run/x",
    "/events?of=http://evil.example/",
    "/events?of=//[",
    "/events?of=/run/%ff",
    "/events?of=/log/x?run=x",
  );
  for (const path of nothing) {
    const { status, body } = await visitor.get(path);
    await body?.cancel();
    assertEquals(status, 404, path);
  }
  for (
    const path of [
      "/../../p.yaml",
      "/object/../../p.yaml",
      "//evil.example/",
      "/run/%2e%2e/x",
      "/.noiseline/index.jsonl",
    ]
  ) {
    assertMatch(await visitor.raw(path), /^HTTP\/1\.1 404/, path);
  }
  assertMatch(await visitor.raw("/", "evil.example"), /^HTTP\/1\.1 421/);
  assertMatch(await visitor.raw("http://evil.example/"), /^HTTP\/1\.1 421/);
  assertMatch(await visitor.raw("/", "localhost:999999"), /^HTTP\/1\.1 4\d\d/);
  assertMatch(await visitor.raw("/", "evil.example:127.0.0.1"), /^HTTP\/1\.1 4\d\d/);
  assertMatch(await visitor.raw("/", "localhost:9"), /^HTTP\/1\.1 200/);
  assertMatch(await visitor.raw("/", undefined, "POST"), /^HTTP\/1\.1 405/);
  assertEquals((await fetch(visitor.origin)).status, 401);

  const [kept] = project.list("cache/noiseline/ui").filter((name) => name.endsWith(".json"));
  const modes = ["", kept!].map((name) => Deno.statSync(project.path("cache/noiseline/ui", name)).mode! & 0o777);
  assertEquals(modes, [0o700, 0o600]);

  const [pid] = findServers(project);
  ui.signal("SIGINT");
  const ended = await ui.outcome();
  assertEquals([ended.code, ended.stderr], [0, ""]);
  assert(await isGoneWithin(pid!));
  assertEquals(project.files(".noiseline").join("\n"), before);
  // A restarted server has the same port, so that pages find it again. The cookies that pages sent in the meantime, to
  // any other program on that port, must not let anybody in.
  await using again = await startUi(project, [], { env });
  const anew = (await project.cli(["ui"], { env })).stdout.trim();
  assertEquals(new URL(anew).origin, visitor.origin);
  assertNotEquals(anew, address);
  assertEquals((await visitor.get("/")).status, 401);
  assertEquals((await fetch(address)).status, 401);
  again.signal("SIGTERM");
  const { code, stdout, stderr } = await again.outcome();
  assertEquals([code, stdout.trim(), stderr], [0, anew, ""]);
});

Deno.test("several that ask for a server at the same time have one", async () => {
  await using project = new Project({ files: { "p.yaml": SCHEDULE } });
  const env = await userOf(project);
  await project.cli(["run", "p.yaml"], { env });
  const runs = Array.from({ length: 3 }, () => project.cli(["run", "p.yaml", "--open"], { env }));
  const said = (await Promise.all(runs)).map(({ stderr }) => stderr);
  const pids = findServers(project);
  for (const pid of pids) Deno.kill(pid, "SIGKILL");
  assertEquals([pids.length, new Set(said).size], [1, 1], said.join(""));
});

Deno.test("ui says what is wrong: a port in use, a port that is none, a store that is a file", async () => {
  await using project = new Project({ files: { store: "x" } });
  const env = await userOf(project);
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const inUse = await project.cli(["ui", "--port", `${port}`], { env });
  assertEquals(inUse.code, 2);
  assertStringIncludes(
    inUse.stderr,
    `another program listens on port ${port}\n  fix:    give another --port`,
  );
  for (const args of [["--port", "0"], ["--port", "65536"], ["--port", "x"], ["--store", "store"], ["--on", "none"]]) {
    const { code, stderr } = await project.cli(["ui", ...args], { env });
    assertEquals(code, 2, stderr);
  }
});
