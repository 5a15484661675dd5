/**
 * The style of pages. Colours of Okabe and Ito 2008 for light and dark backgrounds; text has a contrast of at least
 * 7:1.
 */
export const STYLE = `
:root { color-scheme: light dark; --text: #1c1c1c; --soft: #545454; --ground: #ffffff; --panel: #f5f5f3; --line: #d6d6d2;
  --blue: #0072b2; --orange: #b14a00; --green: #00795a; --purple: #8f3f71; --gold: #7d6b00; --sky: #1b87a8; --red: #c0263c; --accent: #0072b2; }
@media (prefers-color-scheme: dark) { :root:not(.paper) { --text: #ececec; --soft: #b4b4b4; --ground: #161618; --panel: #212124;
  --line: #3c3c40; --blue: #56b4e9; --orange: #f0a35e; --green: #3fcfa4; --purple: #d99ac5; --gold: #f0e442; --sky: #8fd8f0; --red: #ff8a94; --accent: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0; color: var(--text); background: var(--ground); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
main, header, nav { max-width: 84rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; } h1 { font-size: 1.9rem; margin: 0; } header p { margin: .25rem 0 0; color: var(--soft); }
.notes { margin: .75rem 0 0; padding: .5rem 1rem .5rem 2rem; border-left: 4px solid var(--orange); background: var(--panel); }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; padding-top: .9rem; padding-bottom: .9rem; }
nav a, a { color: var(--accent); } :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
section { padding: 1rem 0 1.5rem; border-top: 1px solid var(--line); } h2 { font-size: 1.35rem; margin: .25rem 0 .75rem; }
h3 { font-size: 1.05rem; margin: 1.25rem 0 .25rem; } p { margin: .25rem 0 .5rem; } .provenance { color: var(--soft); }
td:first-child, td :is(small, b) { white-space: nowrap; } .scroll { overflow-x: auto; } table { font-size: .92rem; border-collapse: collapse; margin: .5rem 0 1rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; } thead th { white-space: nowrap; } small { color: var(--soft); } code { font-size: .9em; }
figure { margin: 0 1.25rem 1.25rem 0; display: inline-block; width: min-content; min-width: min(15rem, 100%); max-width: 100%;
  vertical-align: top; }
figcaption { color: var(--soft); font-size: .92rem; } figcaption > b { color: var(--text); }
.frames img { image-rendering: pixelated; max-width: none; height: auto; border: 1px solid var(--line); }
.frames[data-cells] .scroll { position: relative; } .frames[data-cells] .scroll::after { content: ""; position: absolute; top: 1px; left: 1px; width: var(--width, 0); height: var(--height, 0); pointer-events: none;
  background: repeating-linear-gradient(to right, var(--line) 0 var(--gap), #0000 0 var(--across)), repeating-linear-gradient(var(--line) 0 var(--gap), #0000 0 var(--down)); }
.frames .drawing { background: #ffffff; image-rendering: auto; border: 0; max-width: 100%; } figure:has(.drawing) { width: fit-content; } .frames .plot { border: 0; } [hidden] { display: none; }
.question::first-letter { text-transform: uppercase; } .question { max-width: 60rem; font-size: 1.1rem; } header .question { color: var(--text); } #runs .question { font-size: 1rem; color: var(--soft); }
.headlines { display: flex; flex-wrap: wrap; gap: .5rem clamp(1rem, 4vw, 2.5rem); margin: .25rem 0 1rem; } .headlines > div { position: relative; }
.headlines dt, .headlines .basis { color: var(--soft); } .headlines .basis { font-size: .85rem; } .headlines dd { margin: 0; } .headlines .copy { font-size: 1.9rem; font-weight: 650; line-height: 1.2; }
.headlines .meaning { display: none; position: absolute; z-index: 2; top: 100%; left: 0; width: min(20rem, 80vw); padding: .5rem .75rem;
  background: var(--panel); border: 1px solid var(--line); border-radius: 6px; font-size: .92rem; }
.headlines > :is(:hover, :focus-within, :focus) .meaning { display: block; } .headlines > :last-child .meaning { left: auto; right: 0; }
.grids { margin-bottom: 1rem; } .hero { margin-bottom: 1rem; display: grid; grid-template-columns: repeat(auto-fit, minmax(min(19rem, 100%), 1fr)); gap: 1.25rem; align-items: start; }
.hero > figure { width: auto; min-width: 0; margin: 0; } .hero.awaited img { max-width: 16rem; } .classes { display: grid; grid-template-columns: max-content 1fr; gap: 2px 10px; align-items: center; }
.classes span { max-width: 5.8rem; overflow: hidden; text-overflow: ellipsis; text-align: right; font-size: .85rem; color: var(--soft); white-space: nowrap; }
.classes canvas { display: block; max-width: 100%; background: var(--line); } .by-class { margin: .4rem 0; font-size: .85rem; } .classes[hidden] { display: none; }
.copy { border: 0; padding: 0; background: none; text-align: inherit; cursor: copy; } .copy:hover { color: var(--accent); }
.copied::after { content: " copied"; font-size: .8rem; font-weight: 400; color: var(--green); }
.copies { display: inline-flex; gap: .3rem; margin-left: .2rem; } .copies button { font-size: .72rem; line-height: 1.3; padding: 0 .35rem; color: var(--soft); border-color: var(--line); cursor: copy; }
.chart, .drawn { position: relative; } .chart > .copies { position: absolute; top: 2px; right: 0; }
@media (hover: hover) { :is(figure, .chart, .drawn):not(:hover, :focus-within) .copies { opacity: 0; } }
section > details { border: 0; padding: 0; } section > details > summary { list-style-position: outside; margin-left: 1rem; }
section > details > summary h2 { display: inline; } :is(#overview, #runs) > h2 { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
:is(#overview, #runs) { border: 0; padding-top: 0; }
.slider, .controls { display: flex; gap: 1.5rem; flex-wrap: wrap; align-items: center; margin: .4rem 0; }
.slider { position: sticky; top: 0; z-index: 1; padding: .3rem 0; background: var(--ground); } .slider input { width: min(24rem, 60vw); accent-color: var(--accent); } .controls input { accent-color: var(--accent); } .controls label { max-width: 100%; }
details { border-bottom: 1px solid var(--line); padding: .35rem 0; } summary { cursor: pointer; }
.done, .ran, .cached, .restored, :where(.box).restore { --tone: var(--green); }
:where(.box):is(.run, .extend, .resume, .may-run) { --tone: var(--blue); stroke-dasharray: 5 4; }
.failed { --tone: var(--red); } .interrupted, .killed { --tone: var(--orange); } .running { --tone: var(--blue); }
.dag .box { fill: var(--panel); stroke: var(--tone, var(--line)); stroke-width: 1.5; } .dag .edge { fill: none; stroke: var(--soft); }
.dag text { fill: var(--text); font: 14px system-ui, sans-serif; } .dag .facts { fill: var(--soft); font-size: 12px; }
.dag marker path { fill: var(--soft); } .dag .edge { marker-end: url(#arrow); } .dag .id { font-weight: 600; } .dag .running { stroke-width: 2.5; } .state { white-space: nowrap; }
.state::before { content: ""; display: inline-block; width: .6em; height: .6em; margin-right: .45em; border-radius: 50%;
  background: var(--tone, var(--soft)); }
.bar { display: block; width: 16rem; height: 14px; margin-top: .3rem; } .bar .waited { fill: var(--soft); } .bar .worked { fill: var(--tone, var(--green)); }
progress { accent-color: var(--accent); width: 7rem; vertical-align: -.1em; } td progress { display: block; } .now progress { display: block; width: min(20rem, 100%); }
.now { display: flex; flex-wrap: wrap; gap: 0 1.5rem; align-items: baseline; margin-top: .6rem; }
.now p { color: var(--text); max-width: 100%; } .now [role=status] { font-size: 1.15rem; }
#gone { position: sticky; top: 0; z-index: 1; margin: 0; padding: .5rem 1.25rem; color: var(--ground); background: var(--orange); }
.wide main, .wide header, .wide nav { max-width: 100rem; } .runs :is(th, td) { white-space: nowrap; } .runs th a { color: inherit; }
.runs thead a:not(:hover) { text-decoration: none; }
.runs thead th { vertical-align: bottom; white-space: normal; }
.runs thead a { display: inline-block; width: max-content; max-width: 8rem; overflow-wrap: anywhere; } .runs tr { background: var(--ground); } .runs tr > :first-child { position: sticky; left: 0; background: inherit; } .runs tbody th { font-weight: 400; } .runs tbody th a { color: var(--accent); }
.runs tbody tr:hover { background: var(--panel); } .runs .n { text-align: right; } .runs :is(th, td) { padding-right: .7rem; } .runs tr > :last-child { padding-right: 0; }
.runs tbody th > div { display: flex; gap: .5rem; align-items: center; min-width: 11rem; max-width: 22rem; white-space: normal; overflow-wrap: anywhere; } .runs th small { white-space: nowrap; }
.bar-below { position: sticky; bottom: 0; padding: .6rem 0; background: var(--ground); }
.thumbnail { display: block; width: 64px; height: 64px; object-fit: none; object-position: 0 0; border-radius: 4px; background: var(--panel); }
.runs tbody :is(th, td) { vertical-align: middle; } .spark { vertical-align: middle; } .spark polyline { fill: none; stroke: var(--blue); stroke-width: 1.5; }
.choices { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: .1rem 1rem; padding: .4rem 0; }
#columns[open] { flex-basis: 100%; } #columns { border: 0; } [aria-current] { font-weight: 600; } nav.pages { padding: 0; } nav.up { padding: 1rem 1.25rem 0; } .up ~ header { padding-top: .5rem; } .wide .up { display: none; }
button, input, select { font: inherit; color: inherit; } input[type=number] { width: 5.5rem; } select { max-width: 100%; }
button, select, input:is([type=search], [type=number]) { background: var(--ground); border: 1px solid var(--soft);
  border-radius: 6px; padding: .2rem .6rem; } button:disabled { opacity: .5; }
pre { display: flex; flex-direction: column-reverse; max-height: 24rem; overflow: auto; margin: .5rem 0; padding: .75rem 1rem; background: var(--panel); border-radius: 6px;
  font-size: .85rem; line-height: 1.45; }
.cells figure { min-width: 0; width: 160px; } canvas[data-frame] { display: block; image-rendering: pixelated; }
.swipe { display: inline-grid; position: relative; max-width: 100%; } .swipe img { grid-area: 1 / 1; width: 22rem; max-width: 100%;
  image-rendering: pixelated; } #over { clip-path: inset(0 0 0 var(--edge)); }
.swipe::after { content: ""; position: absolute; inset: 0 auto 0 var(--edge); border-left: 2px solid var(--orange); }
.charts { display: flex; flex-wrap: wrap; gap: 16px; overflow: hidden; }
.legend { flex-basis: 100%; display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; max-height: 9rem; overflow-y: auto; font-size: .85rem; }
.legend > ::before { content: ""; display: inline-block; width: 1.6rem; margin-right: .4rem; vertical-align: .25em; border-top: var(--mark); }
.sort { border: 0; padding: 0; background: none; font-weight: 600; } [aria-sort=ascending] .sort::after { content: " ↑"; } [aria-sort=descending] .sort::after { content: " ↓"; }
data.best { font-weight: 700; color: var(--green); } data.best::after { content: " ★"; font-size: .8em; }
.u-legend :is(th, td) { border: 0; } .u-inline.u-live th::after { content: ""; } .u-legend { color: var(--text); max-height: 12em; overflow-y: auto; } .u-title { font-weight: 600; font-size: 14px; }
.cut { mask-image: linear-gradient(to left, #0004, #000 3rem); }
@media (max-width: 40rem) { .slider { position: static; } .bar { width: 7rem; } .grids { display: grid; grid-template-columns: 1fr 1fr; gap: .75rem; } .grids > figure { width: auto; min-width: 0; margin: 0; } .grids img { max-width: 100%; } .grids > button { grid-column: 1 / -1; }
  .scroll > table, .scroll tbody { display: block; } .scroll thead:not(:has(.sort)), .scroll td:empty { display: none; } .scroll tr { display: flex; flex-wrap: wrap; align-items: center; gap: .1rem 1rem; } .scroll tbody tr { padding: .6rem 0; border-bottom: 1px solid var(--line); } .scroll tr > * { border: 0; padding: 0; white-space: normal; overflow-wrap: anywhere; } .scroll tbody th { flex: 1 1 100%; }
  .scroll td::before { content: attr(data-name) " "; color: var(--soft); font-weight: 400; } td[colspan]::before, .runs td:is([data-name=samples], [data-name=state])::before { content: none; } .scroll td:first-child { font-weight: 600; } .scroll td small { white-space: normal; } td progress { margin-right: .4em; } }
@media (prefers-color-scheme: dark) { :root:not(.paper) :is(.frames .drawing, .plot) { filter: invert(.91) hue-rotate(180deg); } }
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
:root.paper { color-scheme: light; } .paper body { width: 44rem; }
@media print { details::details-content { content-visibility: visible; display: block; height: auto; } nav, .controls, .slider, .copies, .bar-below, [data-more] { display: none; }
  .scroll { overflow: visible; } .cut { mask-image: none; } .dag { max-width: 100%; height: auto; } td, td small { white-space: normal !important; } td :is(code, small) { overflow-wrap: anywhere; } .legend { max-height: none; } td:first-child { min-width: 6rem; } .bar { width: 9rem; }
  .hero { display: block; orphans: 1; widows: 1; } .hero > :is(figure, .charts) { display: inline-flex; flex-direction: column; width: 47%; margin-right: 2%; vertical-align: top; }
  figure, .chart, .drawn, tr { break-inside: avoid; } h2, h3, summary { break-after: avoid; } }
`;
