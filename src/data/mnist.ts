/**
 * Images with class labels in memory, and MNIST's files read into them.
 *
 * Not here: downloading anything, or the drawn digits (digits.ts), which fit the same dataset.
 */
import { FormatError, ShapeError, TexgradError } from "../ir/errors.ts";
import { numel, show } from "../ir/shape.ts";
import { ArrayDataset, checkSlice } from "./dataset.ts";
import { byteField, greyTable, integerTable } from "./fields.ts";
import { type IdxArray, readIdx } from "./idx.ts";

/** Grey images and their classes, a byte each. */
export interface LabelledImages {
  /** [n, height, width], 0 to 255. */
  readonly images: Uint8Array;
  /** [n]. */
  readonly labels: Uint8Array;
  /** Default 28. */
  readonly height?: number;
  /** Default 28. */
  readonly width?: number;
}

export interface ImageOptions {
  /** Shape of one x. Default [1, height, width]; [height * width] for a network of linear layers. */
  readonly shape?: readonly number[];
  /** x = (byte / 255 - mean) / std. Default 0: x in [0, 1]. MNIST's own training mean is 0.1307. */
  readonly mean?: number;
  /** Default 1. MNIST's own is 0.3081. */
  readonly std?: number;
}

/**
 * x: f32 [...shape], y: i32 [] for each sample; the images stay bytes until they are taken.
 * Throws ShapeError when images and labels differ in number or `shape` has another number of elements than an image.
 */
export class ImageDataset extends ArrayDataset<"x" | "y"> implements LabelledImages {
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
  readonly height: number;
  readonly width: number;
  readonly #options: ImageOptions;

  constructor({ images, labels, height = 28, width = 28 }: LabelledImages, options: ImageOptions = {}) {
    const { shape = [1, height, width], mean = 0, std = 1 } = options;
    if (numel(shape) !== height * width) {
      throw new ShapeError(
        `ImageDataset: shape ${show(shape)} has ${numel(shape)} elements, an image ${height} x ${width}`,
      );
    }
    super({
      x: byteField(images, shape, "f32", greyTable(mean, std)),
      y: byteField(labels, [], "i32", integerTable()),
    });
    this.images = images;
    this.labels = labels;
    this.height = height;
    this.width = width;
    this.#options = options;
  }

  /** Samples from start up to, not including, end, sharing the bytes. */
  override slice(start: number, end: number): ImageDataset {
    checkSlice("ImageDataset.slice", start, end, this.length);
    const size = this.height * this.width;
    const images = this.images.subarray(start * size, end * size);
    const labels = this.labels.subarray(start, end);
    return new ImageDataset({ images, labels, height: this.height, width: this.width }, this.#options);
  }

  /** The first nTrain samples and the others, in the order they are. Throws when there are fewer than nTrain. */
  split(nTrain: number): { readonly train: ImageDataset; readonly test: ImageDataset } {
    checkSlice("ImageDataset.split", 0, nTrain, this.length);
    return { train: this.slice(0, nTrain), test: this.slice(nTrain, this.length) };
  }
}

export interface MnistOptions extends ImageOptions {
  /** "train": 60,000, "t10k": 10,000. Default: "t10k" where its files are, else "train". */
  readonly set?: "train" | "t10k";
}

/**
 * Reads MNIST from a folder or URL that holds `<set>-images-idx3-ubyte` and `<set>-labels-idx1-ubyte`, each with or
 * without `.gz`.
 * Throws FormatError naming the file when it is corrupt, not images or labels of ten classes, or when the two differ
 * in number; TexgradError naming every place looked at when there is none.
 */
export async function mnist(folder: string, options: MnistOptions = {}): Promise<ImageDataset> {
  const { set, ...imageOptions } = options;
  const tried: string[] = [];
  for (const name of set === undefined ? (["t10k", "train"] as const) : [set]) {
    const images = await readFirst(folder, `${name}-images-idx3-ubyte`, tried);
    if (images === undefined) continue;
    const labels = await readFirst(folder, `${name}-labels-idx1-ubyte`, tried);
    if (labels === undefined) continue;
    return new ImageDataset(labelledImages(images, labels), imageOptions);
  }
  throw new TexgradError(`mnist: no IDX files of images and labels in ${folder}:\n${tried.join("\n")}`);
}

interface ReadFile {
  readonly location: string;
  readonly array: IdxArray;
}

/** The file gzipped or plain, whichever can be read; undefined when neither, with the reasons added to `tried`. */
async function readFirst(folder: string, name: string, tried: string[]): Promise<ReadFile | undefined> {
  const reasons: string[] = [];
  for (const ending of [".gz", ""]) {
    const location = `${folder.replace(/\/+$/, "")}/${name}${ending}`;
    try {
      return { location, array: await readIdx(location) };
    } catch (error) {
      // A file that is there but broken must be told, not passed over for another.
      if (error instanceof FormatError) throw error;
      reasons.push(`  ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  tried.push(...reasons);
  return undefined;
}

function labelledImages(images: ReadFile, labels: ReadFile): LabelledImages {
  const [count, height, width] = images.array.shape;
  if (images.array.type !== "u8" || images.array.shape.length !== 3 || height === undefined || width === undefined) {
    throw new FormatError(`mnist: ${images.location}: ${describe(images.array)}, wanted u8 [n, height, width]`);
  }
  if (labels.array.type !== "u8" || labels.array.shape.length !== 1) {
    throw new FormatError(`mnist: ${labels.location}: ${describe(labels.array)}, wanted u8 [n]`);
  }
  if (labels.array.shape[0] !== count) {
    throw new FormatError(
      `mnist: ${labels.location} has ${labels.array.shape[0]} labels, ${images.location} ${count} images`,
    );
  }
  const wrong = labels.array.data.findIndex((label) => label > 9);
  if (wrong !== -1) {
    throw new FormatError(`mnist: ${labels.location}: label ${wrong} is ${labels.array.data[wrong]}, wanted 0 to 9`);
  }
  return { images: images.array.data, labels: labels.array.data, height, width };
}

function describe({ type, shape }: IdxArray): string {
  return `${type} ${show(shape)}`;
}
