import { type Pipeline, readTail, sha256Of, type Store } from "noiseline/core";
import { PAGE, VERSION } from "../../package/program.ts";

/** Returns the last line of a page, by which a later run knows what the page shows besides the results. */
export function lineOf({ name, question, seed, profiles, overrides, stages }: Pipeline): string {
  const params = Array.from(stages.values(), (stage) => [stage.id, stage.params]);
  return `<!-- ${sha256Of(JSON.stringify([VERSION, name, question, seed, profiles, overrides, params]))} -->\n`;
}

/** Returns the path of a pipeline's page, if it shows the pipeline and results as they are, and no failed run. */
export function currentPage(pipeline: Pipeline, views: ReturnType<Store["viewsOf"]>): string | undefined {
  const path = views.pathIfNewest(PAGE);
  return path !== undefined && readTail(path, 200)?.endsWith(lineOf(pipeline)) ? path : undefined;
}
