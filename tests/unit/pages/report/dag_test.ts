import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { drawDag } from "../../../../pages/report/dag.ts";
import { stage } from "../../../support/report.ts";

Deno.test("drawDag() puts each stage after what it reads, with lines around boxes, and leaves very many to the table", () => {
  const reads = [[], [0], [0, 1], [], [2], [0, 4], [3, 5, 1]];
  const { text: svg } = drawDag(reads.map((from, i) => stage(`s${i}`, from.map((one) => `s${one}`))));
  const boxes = [...svg.matchAll(/<svg x="([\d.]+)" y="([\d.]+)" width="(\d+)" height="(\d+)"/g)]
    .map(([, ...all]) => all.map(Number) as [x: number, y: number, width: number, height: number]);
  assertEquals(boxes.length, reads.length);
  reads.forEach((from, i) => {
    for (const one of from) assert(boxes[one]![0] + boxes[one]![2] < boxes[i]![0]);
  });
  const edges = [...svg.matchAll(/class="edge" d="([^"]*)"/g)].map(([, path]) => path!.match(/[\d.]+/g)!.map(Number));
  assertEquals(edges.length, reads.flat().length);
  for (const [x0, y0, ...rest] of edges) {
    let [fromX, fromY] = [x0!, y0!];
    for (let i = 0; i + 3 < rest.length; i += 4) {
      const [midX, midY, toX, toY] = rest.slice(i, i + 4) as [number, number, number, number];
      for (let u = 0; u <= 1; u += 1 / 16) {
        const at = (a: number, b: number, c: number) => (1 - u) ** 2 * a + 2 * u * (1 - u) * b + u ** 2 * c;
        const [x, y] = [at(fromX, midX, toX), at(fromY, midY, toY)];
        // Lines begin and end on the rim of a box.
        const inside = boxes.filter(([left, top, width, height]) =>
          x > left + 1 && x < left + width - 1 && y > top + 1 && y < top + height - 1
        );
        assertEquals(inside, [], `${x} ${y}`);
      }
      [fromX, fromY] = [toX, toY];
    }
  }
  const { text: sweep } = drawDag([
    stage("a"),
    stage("b~x=1", ["a"]),
    stage("b~x=2", ["a"], { state: "failed" }),
    stage("c", ["b~x=2"]),
  ]);
  assertEquals(
    sweep.match(/class="(?:box|edge)[^"]*"/g)?.join(" ").replaceAll(/class=|"/g, ""),
    "edge edge box cached box cached failed box cached",
  );
  assertStringIncludes(sweep, "2 stages · cached · failed");
  assertEquals(drawDag(Array.from({ length: 61 }, (_, i) => stage(`s${i}`))).text, "");
});
