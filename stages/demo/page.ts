import { escapeMarkup } from "../../std/escape.ts";
import type { DemoData } from "./browser/protocol.ts";

/** Allows no traffic to or from a network. */
const POLICY = "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; worker-src blob:; " +
  "style-src 'unsafe-inline'; img-src data: blob:; connect-src data: blob:";

const NOTICE = "Made with noiseline. With TensorFlow.js, © Google LLC, under the Apache License 2.0 " +
  "(apache.org/licenses/LICENSE-2.0), Zod, © Colin McDonnell, and noble-hashes, © Paul Miller, under the MIT License " +
  "(opensource.org/license/mit).";

/** Shows an error if the code does not start, which would otherwise say nothing. */
const GUARD = `addEventListener("error", ({ message = "a part of its code did not load" }) => {
  if (document.getElementById("draw") === null) {
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
<title>${escapeMarkup(title)}</title>
<style>${STYLE}</style>
<h1>${escapeMarkup(title)}</h1>
<p>${escapeMarkup(about)}</p>
<main id="demo"><p id="state" role="status">Looking for a backend that works in this browser …</p></main>
<footer>${NOTICE}</footer>
<script>${GUARD}</script>
<script type="application/json" id="demo-data">${json}</script>
<script type="module" id="demo-code">${script}</script>
</html>
`;
}

/** The style of the page, including the elements that `browser/main.ts` makes. */
const STYLE = `
:root { color-scheme: light dark; --ink: light-dark(#1a1c1f, #e7e9ee); --faint: light-dark(#5c6370, #a2a9b8);
  --line: light-dark(#c9ced8, #3f4656); --paper: light-dark(#fff, #15171c); --accent: light-dark(#1d5fd1, #7fb0ff);
  background: var(--paper); color: var(--ink); }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { margin: 1rem 0 0; font-size: 1.75rem; line-height: 1.2; overflow-wrap: anywhere; }
p, footer, label { color: var(--faint); }
footer { margin-top: 3rem; font-size: .8125rem; }
[hidden] { display: none !important; }
.controls { display: flex; flex-wrap: wrap; gap: .75rem 1rem; align-items: end; margin: 1rem 0; }
label b { font-weight: 500; }
label { display: grid; gap: .25rem; font-size: .8125rem; }
.wide { flex: 1 1 12rem; }
input, select, .button { font: inherit; font-size: .9375rem; height: 2.25rem; border-radius: 6px;
  box-sizing: border-box; border: 1px solid var(--line); padding: 0 .625rem; color: var(--ink); background: var(--paper); }
[type=number] { width: 6.5rem; }
[type=range] { width: 100%; padding: 0; border: 0; background: none; }
.button { display: inline-block; line-height: 2.125rem; text-decoration: none; cursor: pointer; }
button.button:not([type]) { color: var(--paper); background: var(--accent); border-color: var(--accent); }
.button:disabled { opacity: .4; cursor: default; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
#state { position: sticky; top: 0; z-index: 1; background: var(--paper); }
progress { width: 100%; height: 4px; display: block; }
progress, [type=range] { accent-color: var(--accent); }
[role=status] { min-height: 1.5em; margin: .5rem 0; flex-basis: 100%; overflow-wrap: anywhere; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(6.5rem, 22%), 1fr)); gap: 6px; margin: 1rem 0; }
.grid button { padding: 0; border: 0; background: none; cursor: pointer; line-height: 0; }
canvas { width: 100%; border-radius: 3px; image-rendering: pixelated; }
[aria-pressed=true] canvas { outline: 3px solid var(--accent); }
canvas.large { max-width: 16rem; touch-action: none; }`;
