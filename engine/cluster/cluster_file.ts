import { basename, dirname, join, relative } from "node:path";
import { type ClusterFile, clusterFileSchema } from "../../schemas/cluster_file.ts";
import { suggestName } from "../../std/did_you_mean.ts";
import { configFolder } from "../../std/user_folder.ts";
import { type Diagnostic, errorOf, refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import { diagnosticAt, type Origins } from "../diagnostic/document.ts";
import { shellWord } from "../diagnostic/format.ts";
import { Problems } from "../diagnostic/problems.ts";
import { addIssues } from "../diagnostic/schema_issues.ts";
import { userFile } from "../pipeline/load/kinds.ts";
import { makeOrigins } from "../pipeline/load/origin.ts";
import { parseYaml } from "../pipeline/source/parse_yaml.ts";
import { readSource } from "../pipeline/source/read_source.ts";
import { getPath } from "../pipeline/source/tree.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { RightsRequest } from "../run/rights.ts";
import { validate } from "../diagnostic/validate.ts";
import { entriesOf, isThere, realPath, sha256Of } from "../store/reading.ts";
import { isWithin } from "../store/write_roots.ts";
import { findStoreRoot } from "../store/store.ts";

/** A cluster as its file describes it. */
export interface Cluster {
  readonly name: string;
  /** The path of its file, as messages name it. */
  readonly file: string;
  readonly settings: ClusterFile;
  readonly origins: Origins;
  /** Rights that a file in the project requests: its editors decide what this machine and jobs run. */
  readonly asks: readonly RightsRequest[];
}

/**
 * Keys whose values decide what is run, at the top or for one kind. The queue's own names and sizes are not commands.
 */
const COMMANDS = ["setup", "deno", "packages", "sbatch"] as const;

/**
 * Returns the right that a cluster's file requests: to be used as it is now. After an edit the right must be granted
 * again, as nobody looks at the file again unasked.
 */
function rightsOf(path: string, text: string, { settings, origins }: Pick<Cluster, "settings" | "origins">) {
  const all = [
    ...COMMANDS.map((key) => [key]),
    ...Object.keys(settings.kinds).map((kind) => ["kinds", kind, "sbatch"]),
  ];
  const given = all.find((keys) => [getPath(settings, keys).value ?? []].flat().length > 0);
  if (given === undefined) return [];
  const [uses, at] = [`clusters/${basename(path)}`, { origins, path: given }];
  return [{ stage: { entry: uses }, at, file: realPath(path), uses, rights: [`jobs=${sha256Of(text)}`] }];
}

/**
 * Reads the file of a cluster, `clusters/NAME.yaml` beside the nearest deno.json or in the user's settings, and checks
 * it. Returns either a usable cluster, or every problem at once.
 * @param folder the folder of the pipeline file, or any other in the project
 * @param kinds names of the built-in kinds
 */
export function loadCluster(
  name: string,
  { folder }: Pick<Pipeline, "folder">,
  kinds: readonly string[],
): Result<Cluster> {
  const shared = join(configFolder(), "clusters");
  const home = join(dirname(findStoreRoot(folder)), "clusters");
  // By a link, both may be the same folder.
  const folders = [...new Set([shared, home].map(realPath))];
  const files = folders.flatMap((one) => entriesOf(one).map((entry) => join(one, entry.name)));
  const named = files.filter((path) => /^[A-Za-z0-9][\w.-]*\.yaml$/.test(basename(path)));
  const known = Map.groupBy(named, (path) => basename(path, ".yaml"));
  const [path, other] = known.get(name) ?? [];
  if (path !== undefined && other !== undefined) {
    const message = `There are two clusters "${name}": ${path} and ${other}`;
    return refuse([errorOf("check", message, "rename or remove one of the files")]);
  }
  if (path === undefined) {
    const fix = known.size === 0 ? `write ${join(home, "NAME.yaml")}` : suggestName(name, [...known.keys()].sort());
    const wanted = `a file in ${home} or ${shared}, without .yaml`;
    return refuse([errorOf("file-unreadable", `There is no cluster "${name}"`, fix, { wanted })]);
  }
  const near = relative(Deno.cwd(), path);
  const file = near.startsWith("..") ? path : near;
  const source = readSource(path, file, "cluster file");
  if (!source.ok) return source;
  const document = parseYaml(source.value);
  if (!document.ok) return document;
  const origins = makeOrigins(document.value, [], new Map());
  const checked = validate(clusterFileSchema, document.value.value ?? {});
  const problems = new Problems();
  if (!checked.ok) addIssues(checked.issues, [], { origins, problems, file: "the cluster file" });
  const kindsNamed = Object.keys(getPath(document.value.value, ["kinds"]).value ?? {});
  problems.addUnknown(["kinds"], kindsNamed.filter((kind) => userFile(kind, home) === undefined), {
    known: kinds,
    say: (kind) => `there is no kind "${kind}"`,
    code: "unknown-kind",
    target: "key",
  });
  const found = problems.diagnostics(origins);
  if (!checked.ok || found.length > 0) return refuse(found);
  const settings = checked.value;
  // A link in the user's folder may lead to a file that whoever edits the project can change.
  const isOfUser = dirname(path) === realPath(shared) && !isWithin(realPath(path), realPath(dirname(home)));
  const asks = isOfUser ? [] : rightsOf(path, source.value.text, { settings, origins });
  return succeed({ name, file, settings, origins, asks });
}

/**
 * Returns problems of those folders that this machine cannot use. A missing folder may be a missing mount or a wrong
 * path, so it is neither made nor filled.
 */
export function checkFolders({ settings: { cache, logs, packages = "" }, origins }: Cluster): Diagnostic[] {
  const above = ["the folder above it is not there", "make it, mount its file system, or correct the path"] as const;
  const fill = `correct the path, or fill it: DENO_DIR=${shellWord(packages)} deno task validate FILE`;
  const needed = [
    ["cache", cache, "..", ...above],
    ["logs", logs, "..", ...above],
    ["packages", packages || undefined, "npm", "it holds no packages of Deno", fill],
  ] as const;
  return needed.flatMap(([key, path, part, message, fix]) =>
    path === undefined || isThere(join(path, part))
      ? []
      : [diagnosticAt(origins, [key], message, fix, { code: "check", got: path })]
  );
}
