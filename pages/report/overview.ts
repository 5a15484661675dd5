import { chartPlace, learns, mainCurves, mainFigure } from "./charts.ts";
import { framesOf, grouped, stepSlider } from "./frames.ts";
import { headlines } from "./headlines.ts";
import type { Report, ReportMetrics, ReportPicture } from "./model.ts";
import { bestOf, isOfTrial, searchTables } from "./rungs.ts";
import { sweepOf } from "./sweep.ts";
import { entryOf, markup } from "./text.ts";

/** Pictures of samples that stand beside the real images: of several seeds, the first. */
const MOST_PICTURES = 3;

/**
 * Returns the first screen of a page: the figures that say how good a run's samples are, the samples beside real
 * images, and the loss. `shown` has the pictures in it, which need not be shown again; `isSweep` is true if a table of
 * settings says in short what each of many scores says.
 */
export function overviewOf(report: Report) {
  const { metrics, stages } = report;
  // Pictures that stages draw stand in for samples where there are none.
  const drawn = report.samples.length > 0 ? report.samples : report.pictures;
  const ids = new Set(stages.map(({ id }) => id));
  const own = <T extends { readonly title: string }>(all: readonly T[]) =>
    all.filter(({ title }) => !isOfTrial(title, ids));
  // Those of trials stand in for the winner's until it has some.
  const samples = own(drawn).length > 0 ? own(drawn) : drawn;
  const sweep = sweepOf({ metrics: own(metrics), samples: own(report.samples) });
  const chosen = sweep === undefined ? chooseSamples(samples, metrics) : [];
  const real = chooseData((chosen[0]?.[0] ?? [...sweep?.shown ?? []][0])?.title, report);
  // Reconstructions and pictures that stages draw have neither.
  const isGenerated = chosen.flat().some(({ digest, step }) => digest !== undefined || step !== undefined);
  const logged = new Set(report.curves.map(({ title }) => entryOf(title)));
  const training = stages.map(({ id, kind }) => ({ name: entryOf(id), kind })).findLast(({ name, kind }) =>
    kind === "train" || (learns(kind) && logged.has(name))
  );
  const isAwaited = samples.length === 0 && training !== undefined;
  const parts = [
    ...framesOf(chosen, isGenerated ? "Generated samples" : undefined),
    ...framesOf(real, "Training data"),
    ...mainCurves(report).map((group) => chartPlace(group.title, mainFigure(group))),
  ];
  const hero = parts.length === 0 ? [] : [markup`<div class="hero${isAwaited ? " awaited" : ""}">${parts}</div>`];
  const first = sweep === undefined ? stepSlider(grouped(samples)) : sweep.body;
  const shown = new Set([...[...chosen, ...real].flat(), ...sweep?.shown ?? []]);
  const best = bestOf(searchTables(report.rankings, stages)).map((one) => markup`<p>${one}</p>`);
  if (isAwaited) first.push(markup`<p>No samples of ${training.name} yet.</p>`);
  return { body: [...best, ...headlines(own(metrics)), ...first, ...hero], shown, isSweep: sweep !== undefined };
}

/** Chooses the samples that the last scores are of, else the last grid, else the last pictures of all. */
function chooseSamples(samples: readonly ReportPicture[], metrics: readonly ReportMetrics[]): ReportPicture[][] {
  const groups = grouped(samples);
  const scored = new Set(metrics.map(({ record }) => record.images["fake"]?.digest));
  const first = groups.findLast((group) => group.some(({ digest }) => digest !== undefined && scored.has(digest))) ??
    groups.findLast((group) => group.some(({ cells }) => cells !== undefined)) ?? groups.at(-1);
  const nameOf = ([one]: ReportPicture[]) => entryOf(one!.title);
  return first === undefined ? [] : groups.filter((one) => nameOf(one) === nameOf(first)).slice(0, MOST_PICTURES);
}

/**
 * Chooses the data beside samples: the nearest that their network was trained on, but not latents of them; else the
 * first. What other stages read, such as held-out images or another training's, says nothing of these samples.
 */
function chooseData(title: string | undefined, { data, stages }: Report): ReportPicture[][] {
  const groups = grouped(data);
  const byId = new Map(stages.map((one) => [one.id, one]));
  // Titles have the port of a stage with several, and say what a picture shows.
  const stageOf = (title: string) => {
    const [name] = title.split(": ") as [string];
    return byId.has(name) ? name : name.replace(/\.\w+$/, "");
  };
  const behind = (id: string) => {
    // A loop over a set also visits what is added meanwhile.
    const all = new Set([id]);
    for (const one of all) byId.get(one)?.reads.forEach((next) => all.add(next));
    return [...all];
  };
  const made = Map.groupBy(groups, ([one]) => stageOf(one!.title));
  const all = behind(stageOf(title ?? ""));
  const training = all.find((id) => byId.get(id)?.kind === "train");
  const read = [...training === undefined ? [] : behind(training), ...all];
  return [...read.filter((id) => byId.get(id)?.kind !== "encode").flatMap((id) => made.get(id) ?? []), ...groups].slice(
    0,
    1,
  );
}
