import { assert, assertEquals } from "@std/assert";
import { findServers, startUi, userOf, Visitor } from "../../support/live_server.ts";
import { hasProgram, skipTestsUnless } from "../../support/proc.ts";
import { Project } from "../../support/project.ts";

const SCHEDULE = "name: demo\nstages:\n  noise: { uses: schedule, with: { betas: sigmoid, timesteps: 10 } }\n";
/** The number of files and connections that the server's process may have open; twice as many connections are tried. */
const MOST_FILES = 400;

type Connection = Deno.TcpConn;

async function connectAll(port: number, count: number, say: string): Promise<Connection[]> {
  const connections: Connection[] = [];
  for (let i = 0; i < count; i++) {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    connections.push(connection);
    // A connection that the server has closed by now may refuse the text.
    await connection.write(new TextEncoder().encode(say)).catch(() => {});
  }
  return connections;
}

if (!skipTestsUnless(hasProgram("prlimit"), "prlimit, of util-linux, is not there")) {
  const WAYS = {
    "say nothing": "",
    "say their head byte by byte": "GET / HTT",
    "promise a body": "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n",
    "speak another language": "\u0016\u0003\u0001\u0002",
    "send thousands of requests at once": "GET / HTTP/1.1\r\nHost: elsewhere\r\n\r\n".repeat(6_000),
    "send a head without an end": `GET / HTTP/1.1\r\nX: ${"x".repeat(200_000)}`,
  };
  for (const [name, say] of Object.entries(WAYS)) {
    Deno.test(`the page answers, and what it listens to goes on, beside hundreds of connections that ${name}`, async () => {
      await using project = new Project({ files: { "p.yaml": SCHEDULE } });
      const env = await userOf(project);
      await using ui = await startUi(project, ["--json"], { env });
      await ui.said("}");
      const { address } = (await project.cli(["ui", "--json"], { env })).json;
      const [pid] = findServers(project);
      const args = [`--pid=${pid}`, `--nofile=${MOST_FILES}:${MOST_FILES}`];
      assert((await new Deno.Command("prlimit", { args }).output()).success);
      const visitor = await Visitor.open(address);
      const events = visitor.events("/");
      assertEquals((await events.next()).value?.name, "part");

      const others = await connectAll(Number(new URL(address).port), 2 * MOST_FILES, say);
      try {
        for (let round = 0; round < 5; round++) {
          if (say.startsWith("GET / HTT") && !say.endsWith("\n")) {
            for (const one of others) await one.write(new TextEncoder().encode("P")).catch(() => {});
          }
          const page = await visitor.get("/");
          assertEquals([page.status, (await page.text()).includes("There is no store")], [200, true]);
        }
        // A run happens, and the listening pages are told.
        const run = await project.cli(["run", "p.yaml"], { env });
        assertEquals(run.code, 0, run.stderr);
        const next = await events.next();
        assertEquals([next.done, next.value?.name], [false, "part"]);
      } finally {
        await events.return(undefined);
        for (const one of others) one.close();
      }
      assertEquals(findServers(project), [pid]);
      // The process took 90 MB before; thousands of requests once took 2 GB.
      const [, kilobytes] = /^VmHWM:\s*(\d+) kB$/m.exec(await Deno.readTextFile(`/proc/${pid}/status`))!;
      assert(Number(kilobytes) < 300_000, `${kilobytes} kB`);
    });
  }
}
