/**
 * The additional script of a served page, which applies the changes that the server sends. Plain JavaScript, after
 * `SCRIPT` and in its scope.
 */
export const CLIENT = `
  const MOST_POINTS = 2000;
  const callbacks = {
    // Charts update themselves.
    beforeNodeMorphed: (node) => !node.matches?.(".charts"),
    // Settings of the reader are kept.
    beforeAttributeUpdated: (name, node) => !(["open", "style"].includes(name) || ["value", "checked"].includes(name) && node.matches("input")),
  };
  const merge = ({ id, html }) => {
    const old = byId(id);
    if (old === null) return;
    Idiomorph.morph(old, html, { morphStyle: "outerHTML", callbacks });
    charts = charts.filter(({ holder }) => holder.isConnected);
    showChosen();
    fitAll();
    showFrames();
    for (const holder of document.querySelectorAll(".charts:empty")) drawIn(holder);
  };
  const addRows = ({ stage, run, href, rows }) => {
    let group = data.find(({ title }) => title === stage);
    if (group === undefined) data.push(group = { title: stage, runs: [] });
    let own = group.runs.find(({ label }) => label === run);
    const before = [group.runs.length, namesOf(group).length].join();
    if (own === undefined) group.runs.push(own = { label: run, href, rows: [] });
    // After a lost connection, the server sends some rows again.
    const last = own.rows.at(-1)?.step ?? -1;
    own.rows.push(...rows.filter(({ step }) => step > last));
    if (own.rows.length > MOST_POINTS) own.rows = own.rows.filter((_, i) => i % 2 === 0 || i === own.rows.length - 1);
    const isNew = before !== [group.runs.length, namesOf(group).length].join();
    for (const holder of document.querySelectorAll("[data-curve]")) {
      if (holder.dataset.curve !== stage) continue;
      if (isNew) drawIn(holder);
      else for (const { plot, name } of charts.filter((chart) => chart.holder === holder)) plot.setData(linesOf(group, name).data);
    }
  };
  // Grids of small images show some of these, larger pictures all that they have.
  const fit = (image) => {
    if (image.naturalWidth > 340) image.style.objectFit = "cover";
    markPlot(image);
  };
  const fitAll = () => document.querySelectorAll(".thumbnail").forEach((image) => image.complete && fit(image));
  document.addEventListener("load", ({ target }) => target.matches?.(".thumbnail") && fit(target), true);
  fitAll();
  // Chosen runs stay chosen on other pages of the table, and with other filters.
  const [CHOSEN, MOST_CHOSEN] = ["noiseline-chosen", 8];
  let runs = JSON.parse(sessionStorage.getItem(CHOSEN) ?? "[]");
  const showChosen = () => {
    if (byId("selection") === null) return;
    for (const box of document.querySelectorAll("#compare [name=run]")) box.checked = runs.includes(box.value);
    byId("clear").hidden = runs.length === 0;
    document.querySelector(".bar-below button").disabled = runs.length === 0;
    byId("selection").textContent = runs.length === 0
      ? "select two to eight runs, of any files, or one run with a matrix"
      : runs.length + " selected" + (runs.length > MOST_CHOSEN ? "; at most eight are compared" : "");
  };
  const choose = (next) => {
    sessionStorage.setItem(CHOSEN, JSON.stringify(runs = next));
    showChosen();
  };
  addEventListener("change", ({ target }) => {
    if (target.matches("#compare [name=run]")) choose(target.checked ? [...runs, target.value] : runs.filter((run) => run !== target.value));
  });
  addEventListener("submit", ({ target }) => {
    if (target.id !== "compare") return;
    const here = [...target.querySelectorAll("[name=run]")].map(({ value }) => value);
    for (const value of runs) if (!here.includes(value)) target.append(make("input", { type: "hidden", name: "run", value }));
  });
  addEventListener("click", ({ target }) => target.id === "clear" && choose([]));
  addEventListener("pageshow", showChosen);
  const say = (words) => {
    byId("gone").textContent = words;
    byId("gone").hidden = words === "";
  };
  let address = byId("stream").dataset.events;
  let source;
  const listen = () => {
    source?.close();
    // A browser opens at most six connections to a server, so hidden pages close theirs.
    if (address === undefined || document.hidden) return;
    source = new EventSource(address);
    source.onopen = () => say("");
    source.onerror = ({ target }) => {
      say("The server has ended: it was stopped, or no page was open for ten minutes. To update this page again, run deno task ui in the folder where it was started, and open the address that it prints.");
      // A refused source, as after a restart of the server, does not reconnect by itself.
      if (target.readyState === EventSource.CLOSED) setTimeout(() => target === source && listen(), 3000);
    };
    const on = (name, take) => source.addEventListener(name, ({ data }) => take(JSON.parse(data)));
    on("part", merge);
    on("rows", addRows);
    on("gone", () => {
      source.close();
      address = undefined;
      say("The run or comparison of this page no longer exists.");
    });
  };
  document.addEventListener("visibilitychange", listen);
  listen();
`;
