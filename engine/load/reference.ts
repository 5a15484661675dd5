import { ID_PATTERN } from "../../schemas/pipeline_file.ts";

/** A parsed `stage[@extent][.port]`. */
export interface Reference {
  readonly stage: string;
  readonly extent?: number;
  readonly port?: string;
}

const REFERENCE = /^([^@.\s]+)(?:@(\d+))?(?:\.([^@.\s]+))?$/;

/** Parse a reference; undefined where the text is none. */
export function parseReference(text: string): Reference | undefined {
  const match = REFERENCE.exec(text);
  if (match === null) return undefined;
  const [, stage, extent, port] = match;
  if (!ID_PATTERN.test(stage!) || (port !== undefined && !/^[A-Za-z][A-Za-z0-9_]*$/.test(port))) return undefined;
  const reference: { stage: string; extent?: number; port?: string } = { stage: stage! };
  if (extent !== undefined) {
    reference.extent = Number(extent);
    if (!Number.isSafeInteger(reference.extent) || reference.extent < 1) return undefined;
  }
  if (port !== undefined) reference.port = port;
  return reference;
}

/** The id of the node that a reference means: `train`, or `train@2000`. */
export function nodeIdOf(reference: Reference): string {
  return reference.extent === undefined ? reference.stage : `${reference.stage}@${reference.extent}`;
}
