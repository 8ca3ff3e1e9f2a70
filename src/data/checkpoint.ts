/**
 * Saves and loads named tensors, such as a module's state dict, as safetensors files. Not here: the format
 * (safetensors.ts), or which names a module has (src/nn).
 */
import { tensor, type Tensor } from "../trace/index.ts";
import type { HostTensor } from "./host-tensor.ts";
import { loadSafetensors, saveSafetensors } from "./safetensors.ts";

/**
 * Writes the tensors' values, whole or not at all: `await save(net.stateDict(), "net.safetensors")`. PyTorch reads the
 * file with safetensors.torch.load_file. In a browser the file is offered as a download.
 */
export async function save(tensors: Readonly<Record<string, Tensor>>, path: string): Promise<void> {
  const values = await Promise.all(
    Object.entries(tensors).map(async ([name, t]): Promise<[string, HostTensor]> => [
      name,
      { dtype: t.dtype, shape: t.shape, data: await t.data() },
    ]),
  );
  await saveSafetensors(path, new Map(values));
}

/**
 * The tensors of a file or URL, by name: `net.loadStateDict(await load("net.safetensors"))`. Types that do not exist
 * here become the nearest (safetensors.ts says which).
 * Throws FormatError saying what and where when the file is truncated or corrupt.
 */
export async function load(location: string): Promise<Record<string, Tensor>> {
  const { tensors } = await loadSafetensors(location);
  return Object.fromEntries(
    [...tensors].map(([name, { dtype, shape, data }]) => [name, tensor(data, { shape, dtype })]),
  );
}
