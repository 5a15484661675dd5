import { escapeMarkup } from "../../std/escape.ts";
import type { DemoData } from "./browser/protocol.ts";
import { hasSteps, samplerName } from "./browser/samplers.ts";
import { explainSampler, titleOf } from "./explain.ts";

type Field = Readonly<Record<"label" | "name", string>> & {
  readonly value: number;
  readonly min?: number;
  readonly max: number;
  readonly step?: number | "any";
};

const attributesOf = ({ name, value, min = 0, max, step = 1 }: Omit<Field, "label">) =>
  `name="${name}" value="${value}" min="${min}" max="${max}" step="${step}"`;
const number = ({ label, ...field }: Field) =>
  `<label>${label}<input type="number" ${attributesOf(field)} required></label>`;
const slider = ({ label, ...field }: Field) =>
  `<label class="wide"><span>${label} <b class="value">${field.value}</b></span><input type="range" ${
    attributesOf(field)
  }></label>`;
const chip = (value: string | number, name: string) =>
  `<label class="chip" title="${name}"><input type="radio" name="labels" value="${value}"${
    value === "cycle" ? " checked" : ""
  }><span>${name}</span></label>`;
const SEEDS = { max: Number.MAX_SAFE_INTEGER };

/** Writes the parts of a page that sample, for `browser/main.ts`: they stand there before its code has started. */
export function renderParts(
  { start: { task, count }, model, made }: Pick<DemoData, "start" | "model" | "made">,
): string {
  const { seed, sampler, guidance } = task;
  const { timesteps, samplers, classes, classNames = [] } = model;
  const steps = hasSteps(sampler) && "steps" in sampler ? Number(sampler.steps) : timesteps;
  const names = Array.from({ length: classes ?? 0 }, (_, i) => chip(i, escapeMarkup(classNames[i] ?? `class ${i}`)));
  const ways = samplers.map((param) => escapeMarkup(samplerName(param)));
  // A scale that is no multiple of the slider's step would be rounded.
  const tenths = Number.isInteger(Number((guidance * 10).toFixed(6)));
  const labelled = classes === undefined ? "" : `<fieldset><legend>Class</legend><div class="chips">
      ${chip("cycle", "each in turn")}${chip("none", "none")}${names.join("")}</div></fieldset>
    ${
    slider({
      ...{ label: "Guidance, 1 is none:", name: "guidance", value: guidance },
      ...{ max: Math.max(10, guidance), step: tenths ? 0.1 : "any" },
    })
  }`;
  return `<details id="what"><summary>What is this?</summary>${
    samplers.map((param, i) => `<div data-sampler="${ways[i]}">${explainSampler(samplerName(param))}</div>`).join("")
  }</details>
  <section class="split" aria-label="Samples">
    <div><p id="made"${
    made.length === 0 ? " hidden" : ""
  }><b>Made beforehand</b> with this page. Sample makes new ones in your browser.</p>
      <div id="images"></div></div>
    <form class="controls" id="draw" aria-label="Settings">
      ${labelled}
      ${number({ label: "Seed", name: "seed", value: seed, ...SEEDS })}
      <button type="button" class="button" id="next">Next seed</button>
      ${number({ label: "Images", name: "count", value: count, min: 1, max: 256 })}
      <label>Sampler<select name="sampler" required>${
    ways.map((name) => `<option value="${name}">${titleOf(name)}</option>`).join("")
  }</select></label>
      ${number({ label: "Steps", name: "steps", value: steps, min: 1, max: timesteps })}
      <p class="buttons"><button class="button">Sample</button>
        <button type="button" class="button" id="link">Copy link</button></p>
      <p id="backend">Looking for a backend that works in this browser …</p>
      <details id="why" hidden><summary>Why nothing faster?</summary><p></p></details>
    </form>
  </section>
  <section aria-labelledby="inpaint"><h2 id="inpaint">Inpaint</h2>
    <div class="split"><canvas id="mask" class="large" tabindex="0" role="application" aria-label="The image to mark" aria-describedby="keys where"></canvas>
    <form class="controls" id="anew" aria-label="Inpainting">
      <p id="keys">Select an image above and mark a part of it with a finger, the mouse or keys: arrows move the cursor, Space
        marks or unmarks, Shift with an arrow marks. The network then fills in that part.</p>
      ${slider({ label: "Brush, in pixels:", name: "brush", value: 3, min: 1, max: 15, step: 2 })}
      ${number({ label: "Versions", name: "count", value: 4, min: 1, max: 16 })}
      <p class="buttons"><button class="button">Fill in</button> <button type="button" class="button" id="clear">Clear</button></p>
      <p id="where" role="status"></p>
    </form></div>
    <div id="versions"></div>
  </section>
  <section aria-labelledby="interpolate"><h2 id="interpolate">Interpolate</h2>
    <form class="controls" id="way" aria-label="Interpolation">
      <p>From the noise of the selected image to the noise of another seed, on a circle, so that each point is noise too.</p>
      ${number({ label: "Other seed", name: "to", value: seed + 1, ...SEEDS })}
      ${number({ label: "Points", name: "points", value: 9, min: 3, max: 33 })}
      <p class="buttons"><button class="button">Interpolate</button></p>
    </form>
    <div id="points"></div>
  </section>
  <div id="bar"><span id="state" role="status">Starting …</span> <span id="left"></span>
    <button type="button" class="button" id="stop" disabled>Stop</button>
    <progress id="progress" aria-label="Sampled so far" value="0"></progress></div>`;
}
