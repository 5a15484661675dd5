/// <reference lib="dom" />
import type { OwnDefinition } from "../../../contract/stage.ts";
import { isOwn } from "../../../schemas/definitions.ts";
import { labelsOf } from "../../sample/drawer.ts";
import type { SamplerParam } from "../../shared/draw/sampler.ts";
import { escapeMarkup } from "../../../std/escape.ts";
import { makeGallery, paint } from "./gallery.ts";
import { makeMask } from "./mask.ts";
import { Failure, openPool } from "./pool.ts";
import { BACKENDS } from "./protocol.ts";
import type { DemoData, FromWorker, Model, Port, Task, ToWorker } from "./protocol.ts";
import { serve } from "./worker.ts";

const options = (names: readonly string[], first = "") =>
  first + names.map((name, i) => `<option value="${i}">${escapeMarkup(name)}</option>`).join("");
const number = (label: string, name: string, value: unknown, [min, max]: readonly [number, number], more = "") =>
  `<label>${label}<input type="number" name="${name}" value="${
    Number(value)
  }" min="${min}" max="${max}" required ${more}></label>`;
/** True if a sampler has a number of steps. */
const hasSteps = (param: SamplerParam) => !isOwn(param) || typeof param["steps"] === "number";
const SEEDS = [0, Number.MAX_SAFE_INTEGER] as const;

function partsOf({ defaults: { count, seed, sampler, guidance } }: DemoData, model: Model): string {
  const { timesteps, samplers, classes = 0, classNames = [] } = model;
  const steps = hasSteps(sampler) && "steps" in sampler ? sampler.steps : timesteps;
  const named = Array.from({ length: classes }, (_, i) => classNames[i] ?? `${i}`);
  const ways = options(samplers.map((param) => isOwn(param) ? param.uses : param.name));
  const told = options(named, `<option value="cycle">each in turn</option><option value="none">none</option>`);
  return `<form class="controls" id="draw">
    ${number("Images", "count", count, [1, 256])}${number("Seed", "seed", seed, SEEDS)}
    <label>Sampler<select name="sampler">${ways}</select></label>
    ${number("Steps", "steps", steps, [1, timesteps])}
    <label ${classes ? "" : "hidden"}>Class<select name="labels">${told}</select></label>
    <span ${classes ? "" : "hidden"}>${number("Guidance", "guidance", guidance, [0, 100], `step="any"`)}</span>
    <span><button class="button">Sample</button> <button type="button" class="button" id="stop" disabled>Stop</button></span>
  </form>
  <p id="state" role="status"></p><progress id="progress" aria-label="Sampled so far" value="0"></progress>
  <div id="images"></div>
  <div id="more" hidden>
    <h2>Repaint a part</h2>
    <p>Select an image, mark a part of it, and let the network fill in that part. Arrow keys move the cursor, Space marks
      or unmarks, Shift + arrow keys mark.</p>
    <form class="controls" id="anew">
      <canvas id="mask" class="large" tabindex="0" role="application" aria-label="The image to mark" aria-describedby="where"></canvas>
      ${number("Brush", "brush", 3, [1, 15], `step="2"`)}${number("Versions", "count", 4, [1, 16])}
      <span><button class="button">Fill in</button> <button type="button" class="button" id="clear">Clear</button></span>
      <p id="where" role="status"></p>
    </form>
    <div id="versions"></div>
    <h2>Between two seeds</h2>
    <p>Interpolates from the noise of the selected image to the noise of another seed, on a circle, so that every point is
      noise too.</p>
    <form class="controls" id="way">
      <canvas id="point" class="large" role="img" aria-label="The image at this point of the path" hidden></canvas>
      ${number("Other seed", "to", seed + 1, SEEDS)}${number("Points", "points", 9, [3, 33])}
      <span><button class="button">Draw the path</button></span>
      <label class="wide" hidden>From one seed to the other<input name="place" type="range" min="0"></label>
    </form>
    <div id="points"></div>
  </div>`;
}

/**
 * Starts the demo, on the page or in one of its workers. Both run the same code, the text of the page's script element
 * `demo-code`.
 *
 * @param options.definitions the user's definitions that the checkpoint and the sampler refer to
 */
export function start({ definitions }: { readonly definitions: readonly OwnDefinition[] }): void {
  if (typeof document === "undefined") return serve(self as unknown as Port<FromWorker, ToWorker>, definitions);
  startPage().catch((error) => {
    const message = error instanceof Failure ? error.message : `This page failed: ${error}`;
    byId("state").textContent = message;
  });
}

const byId = <E extends HTMLElement = HTMLElement>(id: string) => document.getElementById(id) as E;
const fieldOf = (form: string, name: string) => byId(form).querySelector<HTMLInputElement>(`[name=${name}]`)!;
const valuesOf = (id: string) => Object.fromEntries(new FormData(byId<HTMLFormElement>(id))) as Record<string, string>;

async function startPage(): Promise<void> {
  const data: DemoData = JSON.parse(byId("demo-data").textContent!);
  const asked = /\bbackend=(\w+)/.exec(location.search + location.hash)?.[1];
  const forced = BACKENDS.find((name) => name === asked);
  const code = workerCode();
  const pool = await openPool({ data, forced, begin: () => beginWorker(code) });
  const { images: size, classNames = [], samplers } = pool.model;
  byId("demo").innerHTML = partsOf(data, pool.model);
  const say = (text: string) => byId("state").textContent = text;

  const taskNow = (): Task => {
    const { seed, sampler: place, steps, labels, guidance } = valuesOf("draw");
    const sampler = samplers[Number(place)]!;
    return {
      seed: Number(seed),
      sampler: hasSteps(sampler) ? { ...sampler, steps: Number(steps) } as SamplerParam : sampler,
      guidance: Number(guidance),
      labels: labels === "cycle" || labels === "none" ? labels : [Number(labels)],
    };
  };
  /** The task that the images were sampled with, and the index of the selected image. */
  let [task, chosen] = [taskNow(), 0];
  const labelOf = (image: number) => labelsOf(task, pool.model)(image);
  const ofChosen = (): Task => ({ ...task, labels: [labelOf(chosen) ?? []].flat() });
  const mask = makeMask(byId("mask") as HTMLCanvasElement, fieldOf("anew", "brush"), byId("where"), size);
  const nameOf = (image: number) => {
    const label = labelOf(image);
    return `Image ${image}${label === undefined ? "" : `, ${classNames[label] ?? `class ${label}`}`}`;
  };
  const images = makeGallery(byId("images"), size, nameOf, (end, image) => {
    chosen = image;
    mask.start(end);
  });
  const versions = makeGallery(byId("versions"), size, (image) => `Version ${image + 1}`, mask.start);
  const place = fieldOf("way", "place");
  const points = makeGallery(byId("points"), size, (image) => `Point ${image + 1} of the path`, ({ x0 }, image) => {
    place.valueAsNumber = image;
    paint(byId<HTMLCanvasElement>("point"), x0, size);
    byId("point").hidden = place.parentElement!.hidden = false;
  });

  const draw = async (task: Task, count: number, gallery: typeof images): Promise<void> => {
    const setBusy = (is: boolean) => {
      for (const button of document.querySelectorAll<HTMLButtonElement>("#demo form button:not(#clear)")) {
        button.disabled = is !== (button.id === "stop");
      }
    };
    setBusy(true);
    say("Sampling …");
    gallery.start(count);
    const began = performance.now();
    const seconds = () => (performance.now() - began) / 1000;
    try {
      const isWhole = await pool.draw(task, count, (first, frame) => {
        const share = gallery.add(first, frame);
        byId<HTMLProgressElement>("progress").value = share;
        if (share > 0) say(`Sampling, about ${Math.ceil(seconds() * (1 / share - 1))} s left`);
      });
      say(isWhole ? `${count} images in ${seconds().toFixed(1)} s. ${pool.about()}` : "Stopped.");
      if (isWhole && gallery !== versions) gallery.select(0);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      say(error.message);
    } finally {
      setBusy(false);
    }
  };
  const drawImages = async () => {
    task = taskNow();
    await draw(task, Number(valuesOf("draw")["count"]), images);
    byId("more").hidden = false;
  };
  // A click on the form's button is used, since a page in a sandbox cannot submit forms.
  const onSubmit = (id: string, act: () => unknown) =>
    byId(id).querySelector("button")!.onclick = (event) => {
      event.preventDefault();
      if (byId<HTMLFormElement>(id).reportValidity()) act();
    };
  onSubmit("draw", drawImages);
  onSubmit("anew", () => {
    const inpaint = mask.read();
    if (inpaint === undefined) byId("where").textContent = "No part is marked yet.";
    else draw({ ...ofChosen(), inpaint }, Number(valuesOf("anew")["count"]), versions);
  });
  onSubmit("way", () => {
    const [to, count] = [Number(valuesOf("way")["to"]), Number(valuesOf("way")["points"])];
    place.max = `${count - 1}`;
    draw({ ...ofChosen(), way: { to, image: chosen, points: count } }, count, points);
  });
  byId("stop").onclick = () => pool.stop();
  byId("clear").onclick = () => mask.start();
  place.oninput = () => points.select(place.valueAsNumber);
  await drawImages();
}

/** Returns the address of the page's code, for a worker. */
function workerCode(): string {
  // A module cannot be a worker if the page is a local file. The code runs as a script instead, in which `import.meta`
  // and top-level `await` are syntax errors.
  const module = byId("demo-code").textContent!.replaceAll("import.meta", "({})");
  const script = `(async () => { "use strict"; ${module} })().catch((error) => setTimeout(() => { throw error; }));`;
  return URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
}

/** Resolves when the worker reports that it is ready. */
function beginWorker(code: string): Promise<Port<ToWorker, FromWorker>> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(code);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Failure(`This browser cannot sample: it cannot start a worker: ${event.message}`, true));
    };
    worker.onmessage = () => resolve(worker);
  });
}
