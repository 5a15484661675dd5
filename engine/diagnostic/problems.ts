import type { Details, Diagnostic } from "./diagnostic.ts";
import { suggestName } from "../../std/did_you_mean.ts";
import { diagnosticAt, type DocumentPath, type SourceDocument } from "./document.ts";

type Placed = readonly [path: DocumentPath, message: string, fix: string, details: Details];

/**
 * Collects the problems of a pipeline. All checks add to one collection, so that all problems are reported at once.
 * Where a path is written is looked up at the end, when it is known which files the pipeline is made of.
 */
export class Problems {
  constructor(
    private readonly found: (Placed | Diagnostic)[] = [],
    private readonly place: (path: DocumentPath) => DocumentPath = (path) => path,
  ) {}

  get count(): number {
    return this.found.length;
  }

  /** Adds a problem at a path. @returns undefined, for callers that give up with the problem */
  add(path: DocumentPath, message: string, fix: string, details: Details = {}): undefined {
    this.found.push([this.place(path), message, fix, details]);
  }

  /** Adds a problem for each of the names at a path that is not known. @param say returns the message for one name */
  addUnknown(
    path: DocumentPath,
    names: Iterable<string>,
    { known, say, ...details }: Details & { readonly known: readonly string[]; readonly say: (name: string) => string },
  ): void {
    for (const name of names) {
      if (!known.includes(name)) this.add([...path, name], say(name), suggestName(name, known), details);
    }
  }

  /** Adds diagnostics that have their places already. */
  addAll(diagnostics: Iterable<Diagnostic>): void {
    for (const one of diagnostics) this.found.push(one);
  }

  /**
   * Returns the same collection for code that knows only paths within a part.
   * @param place maps such a path to the path in the whole
   */
  within(place: (path: DocumentPath) => DocumentPath): Problems {
    return new Problems(this.found, place);
  }

  /** The paths of errors whose places are not looked up yet. */
  get wrongPaths(): DocumentPath[] {
    return this.found.flatMap((one) => "severity" in one || one[3].severity === "warning" ? [] : [one[0]]);
  }

  /** Returns everything that was found, with its places in the files. */
  diagnostics(document: Pick<SourceDocument, "locate">): Diagnostic[] {
    return this.found.map((one) => "severity" in one ? one : diagnosticAt(document, ...one));
  }
}
