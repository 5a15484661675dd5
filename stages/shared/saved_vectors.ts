import type { SavedState } from "../../contract/stage.ts";
import { decodeSafetensors, encodeSafetensors, type SafetensorsTensor } from "../../formats/safetensors.ts";
import { DTYPES } from "../../formats/safetensors_header.ts";

/** Numbers of a saved state, by name. */
type Vector = SafetensorsTensor["data"];

/** A file of a saved state that holds such vectors; those that are undefined are left out. */
export function vectorFiles(
  file: string,
  vectors: Readonly<Record<string, Float32Array | Float64Array | Int32Array | Uint8Array | undefined>>,
  metadata: Readonly<Record<string, string>> = {},
): Record<string, Uint8Array> {
  const tensors: Record<string, SafetensorsTensor> = {};
  for (const [name, data] of Object.entries(vectors)) {
    if (data === undefined) continue;
    const dtype = (Object.keys(DTYPES) as SafetensorsTensor["dtype"][]).find((each) => data instanceof DTYPES[each])!;
    tensors[name] = { dtype, shape: [data.length], data } as SafetensorsTensor;
  }
  return { [file]: encodeSafetensors({ tensors, metadata }) };
}

/** @throws FormatError when the file is none of `vectorFiles` */
export async function readVectors(saved: Pick<SavedState, "read">, file: string) {
  const { tensors, metadata } = decodeSafetensors(await saved.read(file));
  const vectors = Object.fromEntries(Object.entries(tensors).map(([name, { data }]) => [name, data]));
  return { vectors, metadata };
}

/** One of them. @throws Error when it is not so long or of another type */
export function vectorOf<T extends Vector>(
  vectors: Readonly<Record<string, Vector>>,
  name: string,
  { file, type, length }: { readonly file: string; readonly type: new () => T; readonly length: number },
): T {
  const data = vectors[name];
  if (data instanceof type && data.length === length) return data;
  throw new Error(`${file}, tensor ${name}: got ${data?.length ?? "none"}, wanted ${length} of ${type.name}`);
}
