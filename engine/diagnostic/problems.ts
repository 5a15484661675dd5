import type { Details, Diagnostic } from "./diagnostic.ts";
import { suggestName } from "../../std/did_you_mean.ts";
import { diagnosticAt, type DocumentPath, type SourceDocument } from "./document.ts";

type Placed = readonly [path: DocumentPath, message: string, fix: string, details: Details];

/**
 * What is wrong with a pipeline. Everything that looks at a part of it adds to one collection, so that all is said at
 * once; where a path is written is looked up at the end, when it is known of which files the pipeline is made.
 */
export class Problems {
  constructor(
    private readonly found: (Placed | Diagnostic)[] = [],
    private readonly place: (path: DocumentPath) => DocumentPath = (path) => path,
  ) {}

  get count(): number {
    return this.found.length;
  }

  /** @returns undefined, as whoever gives up with it does */
  add(path: DocumentPath, message: string, fix: string, details: Details = {}): undefined {
    this.found.push([this.place(path), message, fix, details]);
  }

  /** Add each of the names at a path that is none of those that are known. @param say what is wrong with one */
  addUnknown(
    path: DocumentPath,
    names: Iterable<string>,
    { known, say, ...details }: Details & { readonly known: readonly string[]; readonly say: (name: string) => string },
  ): void {
    for (const name of names) {
      if (!known.includes(name)) this.add([...path, name], say(name), suggestName(name, known), details);
    }
  }

  /** Add what is known with its place. */
  addAll(diagnostics: Iterable<Diagnostic>): void {
    for (const one of diagnostics) this.found.push(one);
  }

  /** The same collection for whoever knows paths of a part alone. @param place of such a path in the whole */
  within(place: (path: DocumentPath) => DocumentPath): Problems {
    return new Problems(this.found, place);
  }

  /** The paths of errors whose places are not looked up yet. */
  get wrongPaths(): DocumentPath[] {
    return this.found.flatMap((one) => "severity" in one || one[3].severity === "warning" ? [] : [one[0]]);
  }

  /** All that was found, with its places in the files. */
  diagnostics(document: Pick<SourceDocument, "locate">): Diagnostic[] {
    return this.found.map((one) => "severity" in one ? one : diagnosticAt(document, ...one));
  }
}
