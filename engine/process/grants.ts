import { homedir } from "node:os";
import { dirname, isAbsolute, join, relative } from "node:path";
import { type GrantsFile, grantsFileSchema } from "../../schemas/permissions.ts";
import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import { makeFolder, writeAtomically } from "../store/files.ts";
import { parseJson } from "../store/read_record.ts";
import { readTextIfThere, statIfThere } from "../store/reading.ts";
import { ignoreTrouble, unlessReadable } from "../store/trouble.ts";
import { openRoot } from "../store/roots.ts";
import { projectOf, type RightsRequest } from "./rights.ts";

/** Where what users grant is kept: no project, cache or stage can write there. */
function grantsPath(): string {
  const folder = Deno.env.get("XDG_CONFIG_HOME") ?? "";
  return join(isAbsolute(folder) ? folder : join(homedir(), ".config"), "noiseline", "grants.json");
}

/**
 * What the user has granted to the stages of one project: (project, stage file, rights). Editing a stage asks for
 * nothing anew, since whoever edits the code runs it; more rights do.
 */
export class Grants {
  readonly #project: string;
  readonly #held = new Map<string, Set<string>>();
  /** What is wrong with the file, which then grants nothing and is left as it is. */
  readonly problems: readonly Diagnostic[];

  /** @param folder of the pipeline, wherever its store is */
  constructor(folder: string, private readonly path: string = grantsPath()) {
    this.#project = projectOf(folder);
    const read = this.#read();
    const message = `${path} is not a valid list of grants: it grants nothing, and new grants are not saved`;
    const fix = "repair or remove it";
    this.problems = read === undefined ? [{ severity: "warning", code: "file-unreadable", message, fix }] : [];
    for (const { project, stage, rights } of read ?? []) {
      if (project === this.#project) this.#hold(stage, rights);
    }
  }

  /** What of some requests is not granted. */
  open(requests: readonly RightsRequest[]): RightsRequest[] {
    return requests.flatMap((request) => {
      const held = this.#held.get(this.#nameOf(request.file));
      const rights = request.rights.filter((right) => held?.has(right) !== true);
      return rights.length === 0 ? [] : [{ ...request, rights }];
    });
  }

  /** Grant, and remember it where the configuration folder can be written. */
  add({ file, rights }: RightsRequest): void {
    const stage = this.#nameOf(file);
    this.#hold(stage, rights);
    const grants = this.#read();
    // What another version wrote, or somebody is mending, is not written over.
    if (grants === undefined) return;
    const others = grants.filter((one) => one.project !== this.#project || one.stage !== stage);
    const own = { project: this.#project, stage, rights: [...this.#held.get(stage)!].sort() };
    const kept: GrantsFile = { format: 1, grants: [...others, own] };
    ignoreTrouble(() => {
      openRoot(dirname(this.path));
      makeFolder(dirname(this.path));
      writeAtomically(this.path, `${JSON.stringify(kept, null, 2)}\n`);
    });
  }

  #nameOf(file: string): string {
    return relative(this.#project, file);
  }

  #hold(stage: string, rights: Iterable<string>): void {
    const held = this.#held.get(stage) ?? new Set();
    for (const right of rights) held.add(right);
    this.#held.set(stage, held);
  }

  /** Undefined where the file cannot be read or understood: it then grants nothing. */
  #read(): GrantsFile["grants"] | undefined {
    const text = readTextIfThere(this.path);
    if (text !== undefined) return parseJson(text, grantsFileSchema)?.grants;
    return unlessReadable(() => statIfThere(this.path) === undefined, false) ? [] : undefined;
  }
}
