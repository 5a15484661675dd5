import { escapeMarkup } from "../../std/escape.ts";
import type { DemoData } from "./browser/main.ts";
import { STYLE } from "./browser/style.ts";

/** Nothing comes from a network, and nothing goes there. */
const POLICY = "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; worker-src blob:; " +
  "style-src 'unsafe-inline'; img-src data: blob:; connect-src data: blob:";

const SHELL = `
:root { color-scheme: light dark; background: light-dark(#fff, #15171c); color: light-dark(#1a1c1f, #e7e9ee); }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { margin: 1rem 0 0; font-size: 1.75rem; line-height: 1.2; overflow-wrap: anywhere; }
p, footer { color: light-dark(#5c6370, #a2a9b8); }
footer { margin-top: 3rem; font-size: .8125rem; }`;

const NOTICE = "Made with noiseline. With TensorFlow.js, © Google LLC, under the Apache License 2.0 " +
  "(apache.org/licenses/LICENSE-2.0), Zod, © Colin McDonnell, and noble-hashes, © Paul Miller, under the MIT License " +
  "(opensource.org/license/mit).";

/**
 * The page that draws, with all that it needs; equal for equal values.
 * @param about a line below the title @param code of `main.ts` and what it is started with
 */
export function renderPage(
  { title, about, data, code }: {
    readonly title: string;
    readonly about: string;
    readonly data: DemoData;
    readonly code: string;
  },
): string {
  const json = JSON.stringify(data).replaceAll("<", "\\u003c");
  const script = code.replaceAll(/<(?=\/script|!--)/gi, "<\\");
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${escapeMarkup(title)}</title>
<style>${SHELL}${STYLE}</style>
<h1>${escapeMarkup(title)}</h1>
<p>${escapeMarkup(about)}</p>
<main id="demo"><p id="state" role="status">Looking for what can draw here …</p></main>
<footer>${NOTICE}</footer>
<script type="application/json" id="demo-data">${json}</script>
<script type="module" id="demo-code">${script}</script>
</html>
`;
}
