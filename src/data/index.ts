/**
 * texgrad/data: datasets, files, batches.
 *
 * Not here: any code but the seam where a batch's arrays become what the user trains on.
 */
import type { DefaultBatch } from "./collate.ts";
import type { Dataset } from "./dataset.ts";
import type { HostTensor } from "./host-tensor.ts";
import { tensor } from "../trace/create.ts";
import type { Tensor } from "../trace/tensor.ts";
import { BatchLoader, type LoaderOptions } from "./loader.ts";

/** What a batch's arrays become. */
const makeTensor = ({ data, shape, dtype }: HostTensor): Tensor => tensor(data, { shape, dtype });

/**
 * Batches of a dataset, as torch's: `for await (const { x, y } of new DataLoader(dataset, { batchSize: 64 }))`.
 *
 * A batch stacks b samples along a new first axis, [b, ...]; the last of an epoch may be smaller. Options and errors:
 * see LoaderOptions and BatchLoader.
 */
export class DataLoader<Sample, Batch = DefaultBatch<Sample>> extends BatchLoader<Sample, Batch, Tensor> {
  constructor(dataset: Dataset<Sample>, options: LoaderOptions<Sample, Batch> = {}) {
    super(dataset, options, makeTensor);
  }
}

export { load, save } from "./checkpoint.ts";
export type { DefaultBatch, Leaf } from "./collate.ts";
export { ArrayDataset, type Columns, type Dataset, type Stacked } from "./dataset.ts";
export { drawnDigits, type DrawnDigits, type DrawnDigitsOptions } from "./digits.ts";
export type { Field } from "./fields.ts";
export { hostTensor, type HostTensor } from "./host-tensor.ts";
export { type IdxArray, parseIdx, readIdx } from "./idx.ts";
export type { Delivered, LoaderOptions } from "./loader.ts";
export { ImageDataset, type ImageOptions, type LabelledImages, mnist, type MnistOptions } from "./mnist.ts";
export {
  loadSafetensors,
  type NamedTensors,
  parseSafetensors,
  type Safetensors,
  saveSafetensors,
  writeSafetensors,
} from "./safetensors.ts";
export type { WordSource } from "./words.ts";
export type { Progress } from "./progress.ts";
export { track, type Tracker, type TrackOptions } from "./track.ts";
export { EarlyStopping, type EarlyStoppingOptions } from "./early-stopping.ts";
export { History, plot, type PlotOptions, type Row } from "./history.ts";
export { Accuracy, type ClassScores, ConfusionMatrix, Mean } from "./metrics.ts";
