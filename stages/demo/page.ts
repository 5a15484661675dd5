import { escapeMarkup } from "../../std/escape.ts";
import { ICON } from "../../std/icon.ts";
import type { DemoData } from "./browser/protocol.ts";
import { renderParts } from "./parts.ts";

/** Allows no traffic to or from a network. */
const POLICY = "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; worker-src blob:; " +
  "style-src 'unsafe-inline'; img-src data: blob:; connect-src data: blob:";

const NOTICE = "Made with noiseline. With TensorFlow.js, © Google LLC, under the Apache License 2.0 " +
  "(apache.org/licenses/LICENSE-2.0), Zod, © Colin McDonnell, and noble-hashes, © Paul Miller, under the MIT License " +
  "(opensource.org/license/mit).";

/** Shows an error if the code does not start, which would otherwise say nothing. */
const GUARD = `addEventListener("error", ({ message = "a part of its code did not load" }) => {
  if (document.getElementById("demo").dataset.starting !== undefined) {
    document.getElementById("state").textContent = "This page cannot start: " + message;
  }
}, true);`;

/**
 * Renders the page with all that it needs; equal for equal values.
 * @param about a line below the title @param code the code of `main.ts` and its call of `start`
 */
export function renderPage(
  { title, about, code, data }: Readonly<Record<"title" | "about" | "code", string>> & { readonly data: DemoData },
): string {
  const json = JSON.stringify(data).replaceAll("<", "\\u003c");
  const script = code.replaceAll(/<(?=\/script|!--)/gi, "<\\");
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<link rel="icon" href="${ICON}">
<title>${escapeMarkup(title)}</title>
<style>${STYLE}</style>
<header><h1 dir="auto">${escapeMarkup(title)}</h1>
<p>${escapeMarkup(about)}</p></header>
<main id="demo" data-starting>${renderParts(data)}</main>
<footer>${NOTICE}</footer>
<script>${GUARD}</script>
<script type="application/json" id="demo-data">${json}</script>
<script type="module" id="demo-code">${script}</script>
</html>
`;
}

/** The style of the page, including the elements that `browser/` makes; its colours are those of the report. */
const STYLE = `
:root { color-scheme: light dark; --ink: light-dark(#1c1c1c, #ececec); --faint: light-dark(#545454, #b4b4b4);
  --line: light-dark(#8a8a86, #77777d); --paper: light-dark(#fff, #161618); --panel: light-dark(#f5f5f3, #212124);
  --accent: light-dark(#0072b2, #56b4e9); background: var(--paper); color: var(--ink); }
* { box-sizing: border-box; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 76rem; margin: 0 auto; padding: 1rem clamp(1rem, 3vw, 2rem); }
h1 { margin: .5rem 0 0; font-size: 1.9rem; line-height: 1.2; } header { overflow-wrap: anywhere; }
h2 { margin: 0 0 .5rem; font-size: 1.35rem; }
p, footer, label, legend { color: var(--faint); margin: .25rem 0; }
section { padding: 1.25rem 0; } section + section { border-top: 1px solid var(--line); }
footer { margin-top: 2rem; font-size: .8125rem; }
[hidden] { display: none !important; }
summary { cursor: pointer; color: var(--accent); } details div { max-width: 44rem; } math { color: var(--ink); }
mi { font-style: italic; text-transform: none; }
math[display=block] { font-size: clamp(.75rem, 4.2vw, 1.25rem); margin: .75rem 0; }
.split { display: grid; gap: 1.25rem 2rem; align-items: start; }
.split > * { min-width: 0; }
@media (max-width: 47.99rem) { section { padding: .75rem 0; } section.split { grid-template-columns: 1fr 1fr; gap: .75rem; align-items: end; } section.split > div { grid-column: 1 / -1; }
  form#draw { display: contents; } #draw .buttons { order: -1; } }
@media (min-width: 48rem) { .split { grid-template-columns: minmax(0, 1fr) 22rem; }
  div.split { grid-template-columns: min(22rem, 40%) minmax(0, 1fr); } }
.controls { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; }
#draw { display: grid; grid-template-columns: 1fr 1fr; padding: 1rem; border-radius: 10px; background: var(--panel); }
#draw > :is(p, details, fieldset, .wide) { grid-column: 1 / -1; } #draw > label > :is(input, select), #next { width: 100%; min-width: 0; }
.controls > p, fieldset { flex: 1 1 100%; } .buttons { display: flex; flex-wrap: wrap; gap: .5rem; }
label { display: grid; gap: .25rem; font-size: .875rem; margin: 0; } label b { color: var(--ink); font-weight: 600; }
.wide { flex: 1 1 12rem; } div.controls .wide { flex-basis: calc(100% - 6rem); }
fieldset { border: 0; padding: 0; margin: 0; min-width: 0; } legend { padding: 0; font-size: .875rem; }
.chips { display: flex; flex-wrap: wrap; gap: .375rem; max-height: 12rem; overflow-y: auto; padding: 4px; }
.chip { position: relative; max-width: 100%; } .chip input { position: absolute; opacity: 0; }
.chip span { min-width: 2.25rem; padding: .3rem .7rem; border: 1px solid var(--line); border-radius: 2rem; color: var(--ink);
  text-align: center; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; cursor: pointer; background: var(--paper); }
.chip :checked + span { color: var(--paper); background: var(--accent); border-color: var(--accent); }
.chip :focus-visible + span, :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
input, select, .button { font: inherit; font-size: .9375rem; height: 2.5rem; border-radius: 6px; border: 1px solid var(--line);
  padding: 0 .625rem; color: var(--ink); background: var(--paper); }
[type=number] { width: 6.5rem; }
[type=range] { width: 100%; padding: 0; border: 0; background: none; }
.button { display: inline-block; line-height: 2.375rem; text-decoration: none; cursor: pointer; }
button.button:not([type]) { color: var(--paper); background: var(--accent); border-color: var(--accent); padding: 0 1.25rem; font-weight: 600; }
.button:disabled { opacity: .5; cursor: default; }
progress { width: 100%; height: 4px; display: block; } progress[value="0"] { visibility: hidden; } progress, [type=range] { accent-color: var(--accent); }
#bar { position: sticky; bottom: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: 0 .75rem; align-items: center;
  padding: .375rem 0; background: var(--paper); border-top: 1px solid var(--line); } #bar.over { position: static; } .over > :not(#state) { display: none; } #left { flex: 1; color: var(--faint); }
#made b { padding: .15rem .6rem; border-radius: 2rem; font-size: .8125rem; color: var(--ink); background: var(--panel); border: 1px solid var(--line); }
#state, #where, #backend, #why { overflow-wrap: anywhere; } #backend, #why { font-size: .8125rem; }
.grid { display: grid; grid-template-columns: repeat(var(--columns), minmax(0, 1fr)); gap: 6px; margin: .75rem 0;
  max-width: max(20rem, 78vh); }
.grid button { padding: 0; border: 0; background: none; cursor: pointer; font: inherit; font-size: .75rem; line-height: 1.4; color: var(--faint);
  min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; border-radius: 4px; }
canvas { display: block; width: 100%; border-radius: 3px; image-rendering: pixelated; }
[aria-pressed=true] { box-shadow: 0 0 0 3px var(--accent); }
canvas.large { max-width: 22rem; } #mask { touch-action: none; cursor: crosshair; }
#versions .grid { max-width: none; grid-template-columns: repeat(auto-fill, minmax(min(8rem, 40%), 10rem)); }
#points .grid { max-width: none; grid-template-columns: repeat(auto-fit, minmax(2.75rem, 1fr)); } #points .grid button { max-width: 8rem; }`;
