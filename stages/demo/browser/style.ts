/** The style of what `main.ts` makes, in the colours of the page around it. */
export const STYLE = `
#demo { --ink: #1a1c1f; --faint: #5c6370; --line: #d5d9e0; --paper: #fff; --accent: #1d5fd1; color: var(--ink); }
#demo [hidden] { display: none !important; }
#demo .controls { display: flex; flex-wrap: wrap; gap: .75rem 1rem; align-items: end; margin: 1rem 0; }
#demo label { display: grid; gap: .25rem; font-size: .8125rem; color: var(--faint); }
#demo label.wide { flex: 1 1 12rem; }
#demo input, #demo select { font: inherit; font-size: .9375rem; color: var(--ink); background: var(--paper);
  border: 1px solid var(--line); border-radius: 6px; padding: .375rem .5rem; box-sizing: border-box; height: 2.25rem; }
#demo input[type=number] { width: 6.5rem; }
#demo input[type=range] { width: 100%; padding: 0; border: 0; background: none; accent-color: var(--accent); }
#demo .button { font: inherit; font-size: .9375rem; color: var(--accent); background: none; text-decoration: none;
  border: 1px solid currentcolor; border-radius: 6px; padding: 0 .875rem; height: 2.25rem; line-height: 2.125rem;
  box-sizing: border-box; display: inline-block; cursor: pointer; }
#demo .button:not([type]):is(button) { color: #fff; background: var(--accent); border-color: var(--accent); }
#demo .button:disabled { opacity: .45; cursor: default; }
#demo :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
#demo progress { width: 100%; height: 4px; appearance: none; border: 0; accent-color: var(--accent); display: block; }
#demo #state { min-height: 1.5em; margin: .5rem 0; color: var(--faint); font-size: .875rem; overflow-wrap: anywhere; }
#demo .grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(4.5rem, 1fr)); gap: 4px; margin: 1rem 0; }
#demo .grid button { padding: 0; border: 0; background: none; cursor: pointer; line-height: 0; }
#demo .grid canvas { width: 100%; border-radius: 3px; image-rendering: pixelated; }
#demo .grid [aria-pressed=true] canvas { outline: 3px solid var(--accent); }
#demo .pair { display: flex; flex-wrap: wrap; gap: 1rem 1.5rem; align-items: start; }
#demo #mask, #demo #point { width: min(100%, 18rem); image-rendering: pixelated; border-radius: 6px; }
#demo #mask { touch-action: none; cursor: crosshair; }
#demo #inpaint { flex: 1 1 14rem; margin: 0; }
#demo #where { flex-basis: 100%; margin: 0; min-height: 1.5em; color: var(--faint); font-size: .875rem; }
#demo h2 { margin: 2rem 0 .5rem; font-size: 1.125rem; }
@media (prefers-color-scheme: dark) {
  #demo { --ink: #e7e9ee; --faint: #a2a9b8; --line: #3b4150; --paper: #1c1f26; --accent: #7fb0ff; }
  #demo .button:not([type]):is(button) { color: #10131a; }
}`;
