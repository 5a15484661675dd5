import { renderReport } from "../../report/page.ts";
import { PLOT_LIBRARY } from "../../report/plot_library.ts";
import type { InputArtifact, RunOf } from "../contract.ts";
import { collectArtifacts } from "./collect.ts";
import type { reportKind } from "./kind.ts";

/** An artifact knows neither its pipeline nor the ids of its stages: it is the same under any names. */
const run: RunOf<typeof reportKind> = async ({ params, inputs, outputs }) => {
  const numbered = (what: string, artifacts: readonly InputArtifact[] = []) =>
    artifacts.map((artifact, i) => ({ title: artifacts.length > 1 ? `${what} ${i + 1}` : what, artifact }));
  const items = [
    ...numbered("metrics", inputs.metrics),
    ...numbered("samples", inputs.samples),
    ...numbered("training", inputs.logs),
    ...numbered("schedule", inputs.schedules),
  ];
  if (items.length === 0) {
    return {
      status: "failed",
      message: "there is nothing to report on",
      fix: "add metrics, samples or logs under inputs",
    };
  }
  const { unreadable, ...content } = await collectArtifacts(items);
  if (unreadable.length > 0) {
    return { status: "failed", message: unreadable.join("\n"), fix: "mend the stage that wrote it" };
  }
  const page = renderReport(
    { title: params.title, subtitle: "made by noiseline", stages: [], ...content },
    PLOT_LIBRARY,
  );
  await outputs.report.write("report.html", page);
  return undefined;
};

export default run;
