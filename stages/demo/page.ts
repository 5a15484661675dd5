import { escapeMarkup } from "../../std/escape.ts";
import { ICON } from "../../std/icon.ts";
import type { DemoData } from "./browser/protocol.ts";
// The style includes that of elements that `browser/` makes; its colours are those of the report.
import style from "./page.css" with { type: "text" };
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
<style>
${style.trimEnd()}</style>
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
