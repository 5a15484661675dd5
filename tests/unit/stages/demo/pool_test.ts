import { assertEquals, assertRejects } from "@std/assert";
import { Failure, openPool } from "../../../../stages/demo/browser/pool.ts";
import type {
  BackendName,
  DemoData,
  Frame,
  FromWorker,
  Port,
  Task,
  ToWorker,
} from "../../../../stages/demo/browser/protocol.ts";

const TASK: Task = { seed: 1, sampler: { uses: "./s.ts" }, guidance: 1, labels: "cycle" };
const MODEL = { images: { height: 1, width: 1, channels: 1 }, timesteps: 10, samplers: [] };
const DATA: DemoData = { files: {}, weights: "ema", wasm: "", model: MODEL, start: { task: TASK, count: 1 }, made: [] };
const FRAME: Frame = { done: 1, total: 1, x: new Uint8Array(1), x0: new Uint8Array(1) };

interface World {
  /** The failure of each backend when it is opened, if it does not work. */
  readonly broken?: Partial<Record<BackendName, string>>;
  /** The failure of each backend when it samples. */
  readonly breaks?: Partial<Record<BackendName, Extract<FromWorker, { kind: "failed" }>>>;
  readonly forced?: BackendName;
}

/** Makes a pool that only pretends to sample, and records all requests to it. */
async function pretend({ broken = {}, breaks = {}, forced }: World) {
  const asked: string[] = [];
  let made = 0;
  const begin = (): Promise<Port<ToWorker, FromWorker>> => {
    const name = made++;
    let backend: BackendName | undefined;
    const answer = (message: ToWorker): FromWorker[] => {
      if (message.kind === "stop") return [];
      if (message.kind === "open") {
        backend = message.backend;
        const problem = broken[backend];
        asked.push(`${name} ${backend}${message.forced ? " forced" : ""}`);
        return [problem === undefined ? { kind: "opened", on: "a card" } : fault(problem)];
      }
      asked.push(`${name} ${message.first}+${message.count}`);
      return [{ kind: "frame", frame: FRAME }, breaks[backend!] ?? { kind: "drawn" }];
    };
    const port: Port<ToWorker, FromWorker> = {
      onmessage: null,
      postMessage(message) {
        for (const data of answer(message)) {
          queueMicrotask(() => port.onmessage?.(new MessageEvent("message", { data })));
        }
      },
    };
    return Promise.resolve(port);
  };
  const pool = await openPool({ data: DATA, forced, begin });
  return { pool, asked };
}

const fault = (message: string, final = false): Extract<FromWorker, { kind: "failed" }> => ({
  kind: "failed",
  message,
  final,
});

Deno.test("the best backend draws, all images at once, in one worker", async () => {
  const { pool, asked } = await pretend({});
  const frames: number[] = [];
  assertEquals(await pool.draw({ task: TASK, count: 100 }, (first) => frames.push(first)), true);
  assertEquals(asked, ["0 webgpu", "0 0+64", "0 64+36"]);
  assertEquals(frames, [0, 64]);
  assertEquals(pool.about(), ["Runs on a card, by WebGPU.", ""]);
});

Deno.test("without a graphics processor two workers draw half of the images each, and the page says why", async () => {
  const { pool, asked } = await pretend({ broken: { webgpu: "no driver.", webgl: "it would run in software" } });
  await pool.draw({ task: TASK, count: 15 }, () => {});
  assertEquals(asked, ["0 webgpu", "0 webgl", "0 wasm", "1 wasm", "0 0+8", "1 8+7"]);
  assertEquals(
    pool.about()[1],
    "WebGPU cannot be used (no driver). WebGL cannot be used (it would run in software).",
  );
});

Deno.test("a backend that fails while it draws falls to the next, which draws all of it", async () => {
  const { pool, asked } = await pretend({ breaks: { webgpu: fault("lost") } });
  await pool.draw({ task: TASK, count: 3 }, () => {});
  assertEquals(asked, ["0 webgpu", "0 0+3", "0 webgl", "0 0+3"]);
  assertEquals(pool.about(), ["Runs on a card, by WebGL.", "WebGPU cannot be used (lost)."]);
});

Deno.test("the last backend's failure, and one that is the sampler's, are told and end the drawing alone", async () => {
  const broken = { webgpu: "none", webgl: "none" };
  const last = await pretend({ broken, breaks: { wasm: fault("out of memory") } });
  await assertRejects(() => last.pool.draw({ task: TASK, count: 2 }, () => {}), Failure, "out of memory");
  const own = await pretend({ breaks: { webgpu: fault("never finishes", true) } });
  await assertRejects(() => own.pool.draw({ task: TASK, count: 2 }, () => {}), Failure, "never finishes");
  assertEquals(own.asked, ["0 webgpu", "0 0+2"]);
});

Deno.test("a backend that is named is the only one that is tried, and one that is missing is told", async () => {
  const { pool, asked } = await pretend({ forced: "webgl" });
  assertEquals([asked, pool.about()], [["0 webgl forced"], ["Runs on a card, by WebGL.", ""]]);
  const none = () => pretend({ forced: "webgpu", broken: { webgpu: "no driver" } });
  await assertRejects(none, Failure, "This browser cannot sample: WebGPU cannot be used (no driver).");
});

Deno.test("a drawing that is stopped begins no further batch", async () => {
  const { pool, asked } = await pretend({});
  assertEquals(await pool.draw({ task: TASK, count: 200 }, () => pool.stop()), false);
  assertEquals(asked, ["0 webgpu", "0 0+64"]);
});
