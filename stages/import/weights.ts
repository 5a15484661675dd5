import { checked } from "../../artifacts/record.ts";
import { decodeSafetensors, floatsOf, type SafetensorsTensor } from "../../science/formats/safetensors.ts";
import { readTorchStateDict } from "../../science/formats/torch/state_dict.ts";

/** Reads the tensors of a file of PyTorch weights, as safetensors or as `torch.save` writes them, with its metadata. */
export async function readTensors(name: string, path: string) {
  const bytes = await Deno.readFile(path);
  const { tensors, metadata } = await checked(
    name,
    async () =>
      name.endsWith(".bin")
        ? { tensors: Object.fromEntries(await readTorchStateDict(bytes)), metadata: {} as Record<string, string> }
        : decodeSafetensors(bytes),
  );
  return { tensors: namedTensors(name, tensors), metadata };
}

/** Returns tensors of float32. @throws FormatError for a tensor of another type */
export function namedTensors(file: string, tensors: Readonly<Record<string, SafetensorsTensor>>) {
  const floats = Object.entries(tensors).map(([key, tensor]) => {
    return [key, { shape: tensor.shape, data: floatsOf(`${file}, ${key}`, tensor) }] as const;
  });
  return Object.fromEntries(floats);
}
