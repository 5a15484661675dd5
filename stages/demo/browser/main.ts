/// <reference lib="dom" />
import type { WeightsName } from "../../../artifacts/checkpoint.ts";
import type { OwnDefinition } from "../../../contract/stage.ts";
import { isOwn } from "../../../schemas/definitions.ts";
import type { SamplerParam } from "../../shared/draw/sampler.ts";
import { Gallery } from "./gallery.ts";
import { Mask } from "./mask.ts";
import { Failure, openPool, type PagePort, type Pool, type PoolOptions } from "./pool.ts";
import { BACKENDS, type Task } from "./protocol.ts";
import { serve } from "./worker.ts";

/** What is in the page beside this code: JSON in the element `demo-data`. */
export interface DemoData {
  /** Files of the checkpoint in base64, by name: those of one of its weights. */
  readonly files: Readonly<Record<string, string>>;
  readonly weights: WeightsName;
  /** TF.js's engine in base64, with SIMD and without threads. */
  readonly wasm: string;
  /** Names of the classes in order, where they have any. */
  readonly classNames?: readonly string[] | undefined;
  readonly defaults: {
    readonly count: number;
    readonly seed: number;
    readonly sampler: SamplerParam;
    readonly guidance: number;
    /** A class by its number. */
    readonly labels: "cycle" | "none" | number;
  };
}

const PARTS = `
  <form class="controls" id="draw">
    <label>Images<input name="count" type="number" min="1" max="256" required></label>
    <label>Seed<input name="seed" type="number" min="0" max="9007199254740991" required></label>
    <label>Sampler<select name="sampler"></select></label>
    <label>Steps<input name="steps" type="number" min="1" required></label>
    <label>Class<select name="labels"></select></label>
    <label>Guidance<input name="guidance" type="number" min="0" max="100" step="any" required></label>
    <span><button class="button">Draw</button> <button type="button" class="button" id="stop" disabled>Stop</button></span>
  </form>
  <p id="state" role="status"></p>
  <progress id="progress" aria-label="Drawn so far" value="0"></progress>
  <div id="images"></div>
  <section id="anew" hidden>
    <h2>Paint a part anew</h2>
    <p>Choose an image above, paint over a part of it, and the network fills that part in. Without a pointer: arrow keys move,
      space paints or takes away, with shift arrows paint.</p>
    <div class="pair">
      <canvas id="mask" tabindex="0" role="application" aria-label="The image to paint on" aria-describedby="where"></canvas>
      <form class="controls" id="inpaint">
        <label>Brush<input name="brush" type="number" min="1" max="16" value="3" required></label>
        <label>Versions<input name="count" type="number" min="1" max="16" value="4" required></label>
        <span><button class="button">Fill in</button> <button type="button" class="button" id="clear">Clear</button></span>
        <p id="where" aria-live="polite"></p>
      </form>
    </div>
    <div id="versions"></div>
  </section>
  <section id="between" hidden>
    <h2>Between two seeds</h2>
    <p>The noise that the chosen image began from is turned into that of another seed, on a circle, so that it stays noise.</p>
    <form class="controls" id="way">
      <label>Other seed<input name="seed" type="number" min="0" max="9007199254740991" required></label>
      <label>Points<input name="points" type="number" min="3" max="33" value="9" required></label>
      <span><button class="button">Draw the way</button></span>
    </form>
    <div class="pair" id="walk" hidden>
      <canvas id="point" role="img" aria-label="The image at this place of the way"></canvas>
      <label class="wide">From one seed to the other<input id="place" type="range" min="0"></label>
    </div>
    <div id="points"></div>
  </section>`;

/**
 * Begin, on the page or in a worker of it: both run the same code, which is the text of the page's script element `demo-code`.
 *
 * @param options.definitions those of the user's own that the checkpoint and the sampler name
 */
export function start({ definitions }: { readonly definitions: readonly OwnDefinition[] }): void {
  if (typeof document === "undefined") return serve(self as unknown as Parameters<typeof serve>[0], definitions);
  startPage(definitions).catch((error) => {
    byId("state").textContent = error instanceof Failure ? error.message : `This page has a fault: ${error}`;
  });
}

const byId = <E extends HTMLElement = HTMLElement>(id: string) => document.getElementById(id) as E;
const fieldsOf = (id: string) => byId<HTMLFormElement>(id).elements as unknown as Record<string, HTMLInputElement>;

async function startPage(definitions: readonly OwnDefinition[]): Promise<void> {
  const data: DemoData = JSON.parse(byId("demo-data").textContent!);
  const { defaults, classNames = [] } = data;
  byId("demo").innerHTML = PARTS;
  byId("state").textContent = "Looking for what can draw here …";
  const options = poolOptions(data, definitions);
  let pool = await openPool(options);
  const { model } = pool;
  const { images: size, classes, samplers } = model;
  const fields = fieldsOf("draw");
  const nameOf = (label: number | undefined) => label === undefined ? "" : `, ${classNames[label] ?? `class ${label}`}`;

  const samplerName = (param: SamplerParam) => isOwn(param) ? param.uses : param.name;
  const choices = fields["sampler"] as unknown as HTMLSelectElement;
  choices.append(...samplers.map((param, i) => new Option(samplerName(param), `${i}`)));
  const chosenSampler = () => samplers[Number(choices.value)]! as SamplerParam & { readonly steps?: unknown };
  const showSteps = () => {
    const { steps } = chosenSampler();
    const field = fields["steps"]!;
    field.disabled = typeof steps !== "number";
    field.value = typeof steps === "number" ? `${steps}` : "";
  };
  fields["steps"]!.max = `${model.timesteps}`;
  choices.addEventListener("input", showSteps);
  showSteps();
  const labels = fields["labels"] as unknown as HTMLSelectElement;
  labels.append(new Option("each in turn", "cycle"), new Option("none", "none"));
  for (let i = 0; i < (classes ?? 0); i++) labels.append(new Option(classNames[i] ?? `${i}`, `${i}`));
  if (classes === undefined) { for (const name of ["labels", "guidance"]) fields[name]!.parentElement!.hidden = true; }
  for (const name of ["count", "seed", "guidance", "labels"] as const) fields[name]!.value = `${defaults[name]}`;

  const taskNow = (): Task => {
    const { steps, ...sampler } = chosenSampler();
    const { value } = labels;
    return {
      seed: fields["seed"]!.valueAsNumber,
      sampler: {
        ...sampler,
        ...(steps === undefined ? {} : { steps: fields["steps"]!.valueAsNumber }),
      } as SamplerParam,
      guidance: classes === undefined ? 1 : fields["guidance"]!.valueAsNumber,
      labels: value === "cycle" || value === "none" ? value : [Number(value)],
    };
  };

  /** What is in the first gallery. */
  let shown = taskNow();
  let chosen = 0;
  const labelOf = (image: number) => {
    if (classes === undefined || shown.labels === "none") return undefined;
    return shown.labels === "cycle" ? image % classes : shown.labels[0]!;
  };
  const mask = new Mask(byId<HTMLCanvasElement>("mask"), size, fieldsOf("inpaint")["brush"]!, byId("where"));
  const images = new Gallery(byId("images"), {
    size,
    nameOf: (image) => `Image ${image}${nameOf(labelOf(image))}`,
    onSelect(image) {
      chosen = image;
      mask.start(images.imageOf(image));
    },
  });
  const versions = new Gallery(byId("versions"), {
    size,
    nameOf: (image) => `Version ${image + 1}`,
    onSelect: (image) => mask.start(versions.imageOf(image)),
  });
  const place = byId<HTMLInputElement>("place");
  const point = byId<HTMLCanvasElement>("point");
  const points = new Gallery(byId("points"), {
    size,
    nameOf: (image) => `Point ${image + 1} of the way`,
    onSelect(image) {
      place.valueAsNumber = image;
      [point.height, point.width] = [size.height, size.width];
      points.copy(image, point);
    },
  });

  let stopped = false;
  const draw = async (task: Task, count: number, gallery: Gallery): Promise<boolean> => {
    const buttons = document.querySelectorAll<HTMLButtonElement>("form button:not([type])");
    const busy = (is: boolean) => {
      buttons.forEach((button) => button.disabled = is);
      byId<HTMLButtonElement>("stop").disabled = !is;
    };
    busy(true);
    stopped = false;
    try {
      for (;;) {
        const began = performance.now();
        const parts = new Map<number, number>();
        gallery.start(count);
        byId("state").textContent = "Drawing …";
        try {
          await pool.draw(task, count, (first, frame) => {
            gallery.add(first, frame);
            parts.set(first, frame.done / frame.total * frame.x.length / gallery.size);
            const share = [...parts.values()].reduce((sum, part) => sum + part, 0) / count;
            byId<HTMLProgressElement>("progress").value = share;
            const left = (performance.now() - began) / 1000 * (1 - share) / share;
            byId("state").textContent = share === 0 ? "Drawing …" : `Drawing, about ${Math.ceil(left)} s left`;
          });
          const took = ((performance.now() - began) / 1000).toFixed(1);
          byId("state").textContent = stopped ? "Stopped." : `${count} images in ${took} s. ${pool.about}`;
          gallery.end();
          return !stopped;
        } catch (error) {
          if (!(error instanceof Failure) || error.final) throw error;
          const next = await openPool(options, [[pool.backend, error.message]]);
          pool.close();
          pool = next;
        }
      }
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      byId("state").textContent = error.message;
      return false;
    } finally {
      busy(false);
    }
  };
  const on = (id: string, event: string, act: () => unknown) =>
    byId(id).addEventListener(event, (given) => {
      given.preventDefault();
      act();
    });
  const drawImages = async () => {
    const task = taskNow();
    shown = task;
    if (!await draw(task, fields["count"]!.valueAsNumber, images)) return;
    byId("anew").hidden = byId("between").hidden = false;
    images.select(0);
  };

  on("stop", "click", () => {
    stopped = true;
    pool.stop();
  });
  on("draw", "submit", drawImages);
  on("clear", "click", () => mask.start());
  on("inpaint", "submit", async () => {
    const kept = mask.kept;
    if (kept === undefined) {
      byId("where").textContent = "Nothing is painted yet.";
      return;
    }
    const label = labelOf(chosen);
    const task = { ...shown, labels: label === undefined ? "none" as const : [label] };
    await draw(
      { ...task, inpaint: { image: mask.image, kept, repeats: 1 } },
      fieldsOf("inpaint")["count"]!.valueAsNumber,
      versions,
    );
  });
  fieldsOf("way")["seed"]!.value = `${defaults.seed + 1}`;
  on("way", "submit", async () => {
    const way = fieldsOf("way");
    const between = { seed: way["seed"]!.valueAsNumber, image: chosen, points: way["points"]!.valueAsNumber };
    place.max = `${between.points - 1}`;
    if (!await draw({ ...shown, between }, between.points, points)) return;
    byId("walk").hidden = false;
    points.select(0);
  });
  on("place", "input", () => points.select(place.valueAsNumber));
  await drawImages();
}

function poolOptions({ files, weights, wasm, defaults }: DemoData, definitions: readonly OwnDefinition[]): PoolOptions {
  const bytes = (base64: string) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const asked = /\bbackend=(\w+)/.exec(location.search + location.hash)?.[1];
  const embedded = {
    files: Object.fromEntries(Object.entries(files).map(([name, base64]) => [name, bytes(base64)])),
    weights,
    sampler: defaults.sampler,
    wasm: bytes(wasm),
  };
  // A module cannot be a worker where the page is a file, and without modules these two are no syntax.
  const script = `(async () => { "use strict"; ${
    byId("demo-code").textContent!.replaceAll("import.meta", "({})")
  } })();`;
  const code = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  return {
    embedded,
    forced: BACKENDS.find((name) => name === asked),
    begin: () => beginWorker(code).catch(() => beginHere(definitions)),
  };
}

/** Without an event it is too early to know whether a worker lives: it says so by a first message. */
function beginWorker(code: string): Promise<PagePort> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(code);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    worker.onmessage = () => resolve(Object.assign(worker, { close: () => worker.terminate() }) as unknown as PagePort);
  });
}

/** On the page itself, which then pauses at each step. */
function beginHere(definitions: readonly OwnDefinition[]): PagePort {
  const { port1, port2 } = new MessageChannel();
  serve(port2 as unknown as Parameters<typeof serve>[0], definitions);
  return port1 as unknown as PagePort;
}
