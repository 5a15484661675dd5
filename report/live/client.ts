/** What a page of a server does besides: it takes in what changes. Plain JavaScript, after `SCRIPT` and in its scope. */
export const CLIENT = `
  const MOST_POINTS = 2000;
  const callbacks = {
    // Charts are their own.
    beforeNodeMorphed: (node) => !node.matches?.(".charts"),
    // What the reader set stays.
    beforeAttributeUpdated: (name, node) => !(name === "open" || ["value", "checked"].includes(name) && node.matches("input")),
  };
  const merge = ({ id, html }) => {
    const old = byId(id);
    if (old === null) return;
    Idiomorph.morph(old, html, { morphStyle: "outerHTML", callbacks });
    charts = charts.filter(({ holder }) => holder.isConnected);
    showFrames();
    for (const holder of document.querySelectorAll("[data-curve]:empty")) drawIn(holder);
  };
  const addRows = ({ stage, run, href, rows }) => {
    let group = data.find(({ title }) => title === stage);
    if (group === undefined) data.push(group = { title: stage, runs: [] });
    let own = group.runs.find(({ label }) => label === run);
    const before = [group.runs.length, namesOf(group).length].join();
    if (own === undefined) group.runs.push(own = { label: run, href, rows: [] });
    // After a lost connection some come twice.
    const last = own.rows.at(-1)?.step ?? -1;
    own.rows.push(...rows.filter(({ step }) => step > last));
    if (own.rows.length > MOST_POINTS) own.rows = own.rows.filter((_, i) => i % 2 === 0 || i === own.rows.length - 1);
    const holder = byId("curve-" + encodeURIComponent(stage));
    if (holder === null) return;
    if (before !== [group.runs.length, namesOf(group).length].join()) return drawIn(holder);
    for (const { plot, name } of charts.filter((chart) => chart.holder === holder)) plot.setData(linesOf(group.runs, name).data);
  };
  const say = (words) => {
    byId("gone").textContent = words;
    byId("gone").hidden = words === "";
  };
  let address = byId("stream").dataset.events;
  let source;
  const listen = () => {
    source?.close();
    // A browser opens six connections to a server at most: they are for pages that are seen.
    if (address === undefined || document.hidden) return;
    source = new EventSource(address);
    source.onopen = () => say("");
    source.onerror = ({ target }) => {
      say("The server has ended: it was stopped, or nobody looked for ten minutes. This page goes on once you run deno task ui where it was started, and open its address.");
      // Refused, as by a server that is another one by now, it would not try by itself.
      if (target.readyState === EventSource.CLOSED) setTimeout(() => target === source && listen(), 3000);
    };
    const on = (name, take) => source.addEventListener(name, ({ data }) => take(JSON.parse(data)));
    on("part", merge);
    on("rows", addRows);
    on("gone", () => {
      source.close();
      address = undefined;
      say("What this page shows is there no longer.");
    });
  };
  document.addEventListener("visibilitychange", listen);
  listen();
`;
