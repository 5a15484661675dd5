/** The style of what `main.ts` makes. */
export const STYLE = `
#demo { --ink: #1a1c1f; --faint: #5c6370; --line: #c9ced8; --paper: #fff; --accent: #1d5fd1; color: var(--ink); }
#demo [hidden] { display: none !important; }
#demo .controls { display: flex; flex-wrap: wrap; gap: .75rem 1rem; align-items: end; margin: 1rem 0; }
#demo label b { font-weight: 500; }
#demo label { display: grid; gap: .25rem; font-size: .8125rem; color: var(--faint); }
#demo .wide { flex: 1 1 12rem; }
#demo input, #demo select, #demo .button { font: inherit; font-size: .9375rem; height: 2.25rem; border-radius: 6px;
  box-sizing: border-box; border: 1px solid var(--line); padding: 0 .625rem; color: var(--ink); background: var(--paper); }
#demo [type=number] { width: 6.5rem; }
#demo [type=range] { width: 100%; padding: 0; border: 0; background: none; }
#demo .button { display: inline-block; line-height: 2.125rem; text-decoration: none; cursor: pointer; }
#demo button.button:not([type]) { color: var(--paper); background: var(--accent); border-color: var(--accent); }
#demo .button:disabled { opacity: .4; cursor: default; }
#demo :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
#demo progress { width: 100%; height: 4px; display: block; }
#demo progress, #demo [type=range] { accent-color: var(--accent); }
#demo [role=status] { min-height: 1.5em; margin: .5rem 0; flex-basis: 100%; color: var(--faint); overflow-wrap: anywhere; }
#demo .grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(6.5rem, 22%), 1fr)); gap: 6px; margin: 1rem 0; }
#demo .grid button { padding: 0; border: 0; background: none; cursor: pointer; line-height: 0; }
#demo canvas { width: 100%; border-radius: 3px; image-rendering: pixelated; }
#demo [aria-pressed=true] canvas { outline: 3px solid var(--accent); }
#demo canvas.large { max-width: 16rem; touch-action: none; }
@media (prefers-color-scheme: dark) {
  #demo { --ink: #e7e9ee; --faint: #a2a9b8; --line: #3f4656; --paper: #15171c; --accent: #7fb0ff; }
}`;
