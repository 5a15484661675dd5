/// <reference lib="dom" />
import type { OwnDefinition } from "../../../engine/contract/stage.ts";
import { labelsOf } from "../../sample/drawer.ts";
import type { SamplerParam } from "../../shared/draw/sampler.ts";
import { makeGallery } from "./gallery.ts";
import { makeMask } from "./mask.ts";
import { Failure, openPool } from "./pool.ts";
import { BACKENDS, frameOf } from "./protocol.ts";
import type { DemoData, FromWorker, Port, Task, ToWorker } from "./protocol.ts";
import { hasSteps, samplerName } from "./samplers.ts";
import { serve } from "./worker.ts";

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
    [byId("state").textContent, byId("backend").textContent] = [message, ""];
  });
}

const byId = <E extends HTMLElement = HTMLElement>(id: string) => document.getElementById(id) as E;
const fieldOf = (form: string, name: string) => byId(form).querySelector<HTMLInputElement>(`[name=${name}]`)!;
const valuesOf = (id: string) => Object.fromEntries(new FormData(byId<HTMLFormElement>(id))) as Record<string, string>;

async function startPage(): Promise<void> {
  const data: DemoData = JSON.parse(byId("demo-data").textContent!);
  const { start, model: { images: size, samplers, ...labels }, made } = data;
  /** @param isOver true if nothing is left to do: the bar then leaves the images their room */
  const say = (text: string, isOver = false) => {
    byId("state").textContent = text;
    byId("bar").classList.toggle("over", isOver);
  };
  const tellBackend = () => {
    const [words, why] = pool.about();
    [byId("backend").textContent, byId("why").lastElementChild!.textContent] = [words, why];
    byId("why").hidden = why === "";
  };
  const setBusy = (is: boolean) => {
    for (const button of document.querySelectorAll<HTMLButtonElement>("form button:not([type]), #next")) {
      button.disabled = is;
    }
  };
  setBusy(true);

  const form = byId<HTMLFormElement>("draw");
  // Some browsers restore what was set before the page was loaded again.
  form.reset();
  const taskNow = (): Task => {
    const { seed, sampler: name, steps, labels = "cycle", guidance = 1 } = valuesOf("draw");
    const sampler = samplers.find((param) => samplerName(param) === name)!;
    return {
      seed: Number(seed),
      sampler: hasSteps(sampler) ? { ...sampler, steps: Number(steps) } as SamplerParam : sampler,
      guidance: Number(guidance),
      labels: labels === "cycle" || labels === "none" ? labels : [Number(labels)],
    };
  };
  /** The task that the images were sampled with, and the index of the selected image. */
  let [task, chosen] = [start.task, 0];
  const labelOf = (image: number) => labelsOf(task, labels)(image);
  const ofChosen = (): Task => ({ ...task, labels: [labelOf(chosen) ?? []].flat() });
  const mask = makeMask(byId<HTMLCanvasElement>("mask"), fieldOf("anew", "brush"), byId("where"), size);
  const captionOf = (image: number) => {
    const label = labelOf(image);
    return label === undefined ? undefined : labels.classNames?.[label] ?? `class ${label}`;
  };
  const nameOf = (image: number) => [`Image ${image}`, captionOf(image) ?? []].flat().join(", ");
  const images = makeGallery(byId("images"), {
    ...{ size, nameOf, captionOf },
    onSelect(end, image) {
      chosen = image;
      mask.start(end);
    },
  });
  const nameVersion = (image: number) => `Version ${image + 1}`;
  const versions = makeGallery(byId("versions"), { size, nameOf: nameVersion, onSelect: mask.start });
  const namePoint = (image: number) => `Point ${image + 1} of the path`;
  const points = makeGallery(byId("points"), { size, nameOf: namePoint, along: true });

  // The address carries the settings that differ from those of the page.
  const settings = () => new URLSearchParams(valuesOf("draw"));
  const own = new URLSearchParams([...settings()]);
  const linked = () => {
    const changed = [...settings()].filter(([name, value]) => own.get(name) !== value);
    return `${new URLSearchParams([...changed, ...(forced === undefined ? [] : [["backend", forced]])])}`;
  };
  const readLink = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    for (const [name, value] of asked) {
      const field = form.elements.namedItem(name);
      if (own.has(name) && field !== null) (field as HTMLInputElement | RadioNodeList).value = value;
    }
    const fits = form.checkValidity() &&
      [...asked].every(([name, value]) => !own.has(name) || settings().get(name) === value);
    if (!fits) form.reset();
    showSettings();
    return fits;
  };
  const showSettings = () => {
    for (const shown of document.querySelectorAll("label .value")) {
      shown.textContent = shown.closest("label")!.querySelector("input")!.value;
    }
    const steps = fieldOf("draw", "steps");
    steps.parentElement!.hidden = !hasSteps(taskNow().sampler);
    for (const part of document.querySelectorAll<HTMLElement>("[data-sampler]")) {
      part.hidden = part.dataset["sampler"] !== valuesOf("draw")["sampler"];
    }
  };
  byId("demo").oninput = showSettings;

  const asked = /\bbackend=(\w+)/.exec(location.search + location.hash)?.[1];
  const forced = BACKENDS.find((name) => name === asked);
  const fits = readLink();
  if (made.length > 0) {
    images.start(made.at(-1)!.first + frameOf(made.at(-1)!).x0.length / (size.height * size.width * size.channels));
    for (const frame of made) images.add(frame.first, frameOf(frame));
    images.select(0);
  }
  delete byId("demo").dataset["starting"];
  const code = workerCode();
  const pool = await openPool({ data, forced, begin: () => beginWorker(code) });
  tellBackend();
  say("Ready to sample.", true);
  setBusy(false);

  const draw = async (task: Task, count: number, gallery: typeof images): Promise<void> => {
    setBusy(true);
    byId<HTMLButtonElement>("stop").disabled = false;
    say("Sampling …");
    gallery.start(count);
    const began = performance.now();
    const seconds = () => (performance.now() - began) / 1000;
    try {
      const isWhole = await pool.draw({ task, count }, (first, frame) => {
        const share = gallery.add(first, frame);
        byId<HTMLProgressElement>("progress").value = share;
        // Not in the status, which would be read out at each step.
        if (share > 0) byId("left").textContent = `about ${Math.ceil(seconds() * (1 / share - 1))} s left`;
      });
      say(isWhole ? `${count} images in ${seconds().toFixed(1)} s.` : "Stopped.", true);
      tellBackend();
      if (isWhole && gallery !== versions) gallery.select(0);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      say(error.message);
    } finally {
      byId("left").textContent = "";
      byId<HTMLProgressElement>("progress").value = 0;
      setBusy(false);
      byId<HTMLButtonElement>("stop").disabled = true;
    }
  };
  const drawImages = async () => {
    task = taskNow();
    const other = fieldOf("way", "to");
    if (other.valueAsNumber === task.seed) other.stepUp();
    byId("made").hidden = true;
    history.replaceState(null, "", `#${linked()}`);
    await draw(task, Number(valuesOf("draw")["count"]), images);
  };
  // A click on the form's button is used, since a page in a sandbox cannot submit forms.
  const onSubmit = (id: string, act: () => unknown) =>
    byId(id).querySelector<HTMLButtonElement>("button:not([type])")!.onclick = (event) => {
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
    if (to === task.seed) say("The other seed must be another than the seed of the images.");
    else draw({ ...ofChosen(), way: { to, image: chosen, points: count } }, count, points);
  });
  byId("next").onclick = () => {
    fieldOf("draw", "seed").stepUp();
    if (form.reportValidity()) drawImages();
  };
  byId("stop").onclick = () => pool.stop();
  byId("clear").onclick = () => mask.start();
  byId("link").onclick = async () => {
    history.replaceState(null, "", `#${linked()}`);
    // Not every browser lets a page of a file or in a sandbox write to the clipboard.
    const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
    say(copied ? "The link with these settings is copied." : "The address of this page now carries these settings.");
  };
  globalThis.onhashchange = () => location.reload();
  if (!fits) say("The link asks for settings that this page does not have, so it shows its own.");
  else if (`${settings()}` !== `${own}` || made.length === 0) await drawImages();
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
