/** Colours of Okabe and Ito 2008 on both grounds; text has a contrast of at least 7:1. */
export const STYLE = `
:root { color-scheme: light dark; --text: #1c1c1c; --soft: #545454; --ground: #ffffff; --panel: #f5f5f3; --line: #d6d6d2;
  --blue: #0072b2; --orange: #b14a00; --green: #00795a; --accent: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --text: #ececec; --soft: #b4b4b4; --ground: #161618; --panel: #212124;
  --line: #3c3c40; --blue: #56b4e9; --orange: #f0a35e; --green: #3fcfa4; --accent: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0; color: var(--text); background: var(--ground); font: 16px/1.5 system-ui, sans-serif; }
main, header, nav { max-width: 70rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; } h1 { font-size: 1.9rem; margin: 0; } header p { margin: .25rem 0 0; color: var(--soft); }
.notes { margin: .75rem 0 0; padding: .5rem 1rem .5rem 2rem; border-left: 4px solid var(--orange); background: var(--panel); }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; padding-top: .9rem; padding-bottom: .9rem; }
nav a, a { color: var(--accent); } :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
section { padding: 1rem 0 1.5rem; border-top: 1px solid var(--line); } h2 { font-size: 1.35rem; margin: .25rem 0 .75rem; }
h3 { font-size: 1.05rem; margin: 1.25rem 0 .25rem; } p { margin: .25rem 0 .5rem; } .provenance { color: var(--soft); }
td:first-child, td small { white-space: nowrap; } .scroll { overflow-x: auto; } table { border-collapse: collapse; margin: .5rem 0 1rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; } small { color: var(--soft); } code { font-size: .9em; }
figure { margin: 0 0 1.5rem; display: inline-block; max-width: 100%; vertical-align: top; margin-right: 2rem; }
figcaption { color: var(--soft); max-width: 26rem; } figcaption b { color: var(--text); }
.frames img { image-rendering: pixelated; max-width: none; height: auto; border: 1px solid var(--line); }
.frames .drawing { background: #ffffff; image-rendering: auto; border: 0; } [hidden] { display: none; }
.slider, .controls { display: flex; gap: 1.5rem; flex-wrap: wrap; align-items: center; margin: .4rem 0; }
.slider input { width: min(24rem, 60vw); accent-color: var(--accent); } .controls input { accent-color: var(--accent); }
details { border-bottom: 1px solid var(--line); padding: .35rem 0; } summary { cursor: pointer; }
.dag .box { fill: var(--panel); stroke: var(--line); stroke-width: 1.5; } .dag .edge { fill: none; stroke: var(--soft); }
.dag text { fill: var(--text); font: 14px system-ui, sans-serif; } .dag .facts { fill: var(--soft); font-size: 12px; }
.dag .id { font-weight: 600; } .dag .ran, .dag .cached, .dag .restored, .dag .restore { stroke: var(--green); }
.dag .run, .dag .extend, .dag .resume, .dag .may-run { stroke: var(--blue); stroke-dasharray: 5 4; }
.dag .failed, .dag .blocked, .dag .interrupted { stroke: var(--orange); }
.charts { display: flex; flex-wrap: wrap; gap: 16px; overflow: hidden; }
.u-legend { color: var(--text); max-height: 12em; overflow-y: auto; } .u-title { font-weight: 600; font-size: 14px; }
@media print { nav, .controls, .slider { display: none; } }
`;
