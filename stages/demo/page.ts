import type { DemoData } from "./browser/main.ts";
import { STYLE } from "./browser/style.ts";

/** Nothing comes from a network, and nothing goes there. */
const POLICY = [
  "default-src 'none'",
  "script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:",
  "worker-src blob:",
  "style-src 'unsafe-inline'",
  "img-src data: blob:",
  "connect-src data: blob:",
].join("; ");

/**
 * The page that draws, with all that it needs; equal for equal values.
 * @param about a line below the title @param code of `main.ts` and what it is started with
 */
export function renderPage(
  { title, about, data, code }: { readonly title: string; readonly about: string; readonly data: DemoData; readonly code: string },
): string {
  const json = JSON.stringify(data).replaceAll("<", "\\u003c");
  const script = code.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${escape(title)}</title>
<style>${STYLE}</style>
<main id="demo">
<h1>${escape(title)}</h1>
<p>${escape(about)}</p>
<div id="parts"></div>
<footer>Made with noiseline. Contains TensorFlow.js (Apache License 2.0, © Google LLC) and Zod (MIT License, © Colin McDonnell).</footer>
</main>
<script type="application/json" id="demo-data">${json}</script>
<script type="module" id="demo-code">${script}</script>
</html>
`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
