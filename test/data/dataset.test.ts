/** Datasets in typed arrays, the default collate, and MNIST's files. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { collateDefault } from "../../src/data/collate.ts";
import { drawnDigits } from "../../src/data/digits.ts";
import { ArrayDataset, hostTensor, ImageDataset, mnist } from "../../src/data/index.ts";
import { realDigits } from "./real-digits.ts";

const f32 = (shape: readonly number[], ...values: number[]) => hostTensor("f32", shape, Float32Array.from(values));
const i32 = (shape: readonly number[], ...values: number[]) => hostTensor("i32", shape, Int32Array.from(values));

describe("hostTensor", () => {
  it.each([
    [[2, 2], "hostTensor: shape [2,2] has 4 elements, data has 3"],
    [[], "hostTensor: shape [] has 1 elements, data has 3"],
    [[1.5, 2], "hostTensor: shape [1.5,2] has an extent that is not a whole number >= 0"],
    [[-3], "hostTensor: shape [-3] has an extent that is not a whole number >= 0"],
  ])("refuses three elements as %j", (shape, message) => {
    expect(() => f32(shape, 1, 2, 3)).toThrow(message);
  });
});

describe("ArrayDataset", () => {
  const data = new ArrayDataset({ x: f32([3, 2], 1, 2, 3, 4, 5, 6), y: i32([3], 7, 8, 9) });

  it("gives samples without the first axis, batches with it", () => {
    expect(data.get(1)).toEqual({ x: f32([2], 3, 4), y: i32([], 8) });
    expect(data.getBatch(Uint32Array.of(2, 0))).toEqual({ x: f32([2, 2], 5, 6, 1, 2), y: i32([2], 9, 7) });
  });

  it("gives batches equal to its samples stacked", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2), { minLength: 1, maxLength: 8 }), (indices) => {
        const stacked = collateDefault(
          indices.map((i) => data.get(i)),
          indices,
        );
        expect(data.getBatch(Uint32Array.from(indices))).toEqual(stacked);
      }),
    );
  });

  it("hands out copies", () => {
    const { x } = data.get(0);
    x.data.fill(99);
    expect(data.get(0).x).toEqual(f32([2], 1, 2));
  });

  it("is sliced without copying", () => {
    const part = data.slice(1, 3);
    expect(part.length).toBe(2);
    expect(part.get(0)).toEqual(data.get(1));
    expect(part.slice(1, 1).length).toBe(0);
  });

  it("has room for samples without elements", () => {
    const empty = new ArrayDataset({ x: f32([4, 0]) });
    expect(empty.length).toBe(4);
    expect(empty.getBatch(Uint32Array.of(3, 3))).toEqual({ x: f32([2, 0]) });
  });

  it.each([
    [() => data.get(3), "ArrayDataset: no sample 3; there are 3, counted from 0"],
    [() => data.getBatch(Uint32Array.of(0, 7)), "ArrayDataset: no sample 7; there are 3, counted from 0"],
    [() => data.slice(2, 1), "ArrayDataset.slice: 2 to 1 is not a part of the 3 samples there are"],
    [() => data.slice(0, 4), "ArrayDataset.slice: 0 to 4 is not a part of the 3 samples there are"],
    [() => new ArrayDataset({}), "ArrayDataset: no column given; give at least one, e.g. { x, y }"],
    [
      () => new ArrayDataset({ x: f32([1], 1), y: f32([2], 1, 2) }),
      "ArrayDataset: columns differ in their number of samples: x has 1, y has 2",
    ],
    [() => new ArrayDataset({ x: f32([], 1) }), "tensorField: shape [] has no axis to count samples along"],
  ])("%s", (act, message) => {
    expect(act).toThrow(message);
  });
});

describe("collateDefault", () => {
  const collate = (...samples: unknown[]) =>
    collateDefault(
      samples,
      samples.map((_, i) => 10 + i),
    );

  it.each([
    ["numbers as f32", [1, 2], { x: f32([2], 1, 2) }],
    ["booleans", [true, false], { x: hostTensor("bool", [2], Uint8Array.of(1, 0)) }],
    ["f64 as f32", [Float64Array.of(0.1)], { x: f32([1, 1], 0.1) }],
    ["bytes as i32", [Uint8Array.of(1, 255)], { x: i32([1, 2], 1, 255) }],
    ["u32", [Uint32Array.of(5)], { x: hostTensor("u32", [1, 1], Uint32Array.of(5)) }],
    [
      "pairs as x and y",
      [
        [Float32Array.of(1, 2), i32([], 3)],
        [Float32Array.of(4, 5), i32([], 6)],
      ],
      { x: f32([2, 2], 1, 2, 4, 5), y: i32([2], 3, 6) },
    ],
    [
      "records by name, in any order",
      [
        { a: 1, b: 2 },
        { b: 3, a: 4 },
      ],
      { a: f32([2], 1, 4), b: f32([2], 2, 3) },
    ],
  ])("stacks %s", (_, samples, batch) => {
    expect(collate(...samples)).toEqual(batch);
  });

  it.each([
    [[], "collate: no samples; a batch has at least one"],
    [
      [f32([2], 1, 2), f32([1, 2], 1, 2)],
      "collate: x of sample 11 has shape [1,2], of sample 10 [2]; all must agree, or give a collate that pads",
    ],
    [[1, true], "collate: x of sample 11 is bool, of sample 10 f32; all must agree"],
    [[{ a: 1 }, { b: 1 }], "collate: sample 11 has { b }, sample 10 has { a }; all must have the same names"],
    [[undefined], "collate: sample 10 is undefined; wanted a typed array, a number"],
    [["text"], "collate: sample 10 is a string; wanted"],
    [[{ x: [1, 2] }], "collate: x of sample 10 is Array; wanted a typed array"],
    [[[1, 2, 3]], "collate: sample 10 is an array of 3, only a pair [x, y] has names"],
    [[{ x: { dtype: "f32", shape: [3], data: new Float32Array(2) } }], "collate: x of sample 10 has 2 elements"],
  ])("says what is wrong with %j", (samples, message) => {
    expect(() => collate(...samples)).toThrow(message);
  });
});

describe("ImageDataset", () => {
  const digits = drawnDigits({ count: 20 });

  it("gives x in [0, 1] as [1, 28, 28] and y as i32", () => {
    const { x, y } = new ImageDataset(digits).get(3);
    expect([x.dtype, x.shape, y.dtype, y.shape]).toEqual(["f32", [1, 28, 28], "i32", []]);
    expect([...x.data]).toEqual([...digits.images.subarray(3 * 784, 4 * 784)].map((v) => Math.fround(v / 255)));
    expect([...y.data]).toEqual([digits.labels[3]]);
  });

  it("normalises as torchvision does, in f32", () => {
    const { fround } = Math;
    const { x } = new ImageDataset(digits, { shape: [784], mean: 0.1307, std: 0.3081 }).get(0);
    const wanted = [...digits.images.subarray(0, 784)].map((v) =>
      fround(fround(fround(v / 255) - fround(0.1307)) / fround(0.3081)),
    );
    expect(x.shape).toEqual([784]);
    expect([...x.data]).toEqual(wanted);
  });

  it("splits in the order it is", () => {
    const whole = new ImageDataset(digits, { shape: [784] });
    const { train, test } = whole.split(15);
    expect([train.length, test.length]).toEqual([15, 5]);
    expect(test.get(0)).toEqual(whole.get(15));
    expect(test.images.length).toBe(5 * 784);
    expect(() => whole.split(21)).toThrow("ImageDataset.split: 0 to 21 is not a part of the 20 samples there are");
  });

  it.each([
    [{ shape: [783] }, "ImageDataset: shape [783] has 783 elements, an image 28 x 28"],
    [{ std: 0 }, "normalise: mean 0, std 0; both must be finite and std above 0"],
  ])("refuses %j", (options, message) => {
    expect(() => new ImageDataset(digits, options)).toThrow(message);
  });

  it("refuses labels of another number", () => {
    const labels = digits.labels.subarray(1);
    expect(() => new ImageDataset({ images: digits.images, labels })).toThrow("x has 20, y has 19");
  });
});

describe("mnist", () => {
  const bytes = (...values: number[]) => Uint8Array.from(values);
  const two = bytes(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 10, 20, 30, 40);
  const labels = bytes(0, 0, 8, 1, 0, 0, 0, 2, 7, 3);
  const folders: string[] = [];
  afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));
  const folderOf = async (files: Record<string, Uint8Array>) => {
    const folder = await mkdtemp(join(tmpdir(), "texgrad-mnist-"));
    folders.push(folder);
    for (const [name, file] of Object.entries(files)) await writeFile(join(folder, name), file);
    return folder;
  };

  it("reads plain and gzipped files, of any size", async () => {
    const folder = await folderOf({
      "train-images-idx3-ubyte": two,
      "train-labels-idx1-ubyte.gz": gzipSync(labels),
    });
    const data = await mnist(`${folder}/`);
    expect([data.length, data.height, data.width]).toEqual([2, 1, 2]);
    expect([...data.images]).toEqual([10, 20, 30, 40]);
    expect([...data.labels]).toEqual([7, 3]);
    expect(data.get(1).x.shape).toEqual([1, 1, 2]);
  });

  it("names every place it looked at", async () => {
    const folder = await folderOf({ "train-images-idx3-ubyte": two });
    await expect(mnist(folder)).rejects.toThrow(
      [
        `mnist: no IDX files of images and labels in ${folder}:`,
        `  read ${folder}/t10k-images-idx3-ubyte.gz: no such file or folder`,
        `  read ${folder}/t10k-images-idx3-ubyte: no such file or folder`,
        `  read ${folder}/train-labels-idx1-ubyte.gz: no such file or folder`,
        `  read ${folder}/train-labels-idx1-ubyte: no such file or folder`,
      ].join("\n"),
    );
  });

  it("looks only for the set it is asked for", async () => {
    const folder = await folderOf({ "train-images-idx3-ubyte": two, "train-labels-idx1-ubyte": labels });
    await expect(mnist(folder, { set: "t10k" })).rejects.toThrow("t10k-images");
  });

  it.each([
    ["a corrupt file", two.slice(0, 19), labels, "truncated: [2,1,2] of u8 takes 20 bytes with its header"],
    ["labels for images", labels, labels, "t10k-images-idx3-ubyte: u8 [2], wanted u8 [n, height, width]"],
    ["images for labels", two, two, "t10k-labels-idx1-ubyte: u8 [2,1,2], wanted u8 [n]"],
    ["another number of labels", two, bytes(0, 0, 8, 1, 0, 0, 0, 1, 7), "has 1 labels"],
    ["a label above 9", two, bytes(0, 0, 8, 1, 0, 0, 0, 2, 7, 12), "label 1 is 12, wanted 0 to 9"],
  ])("tells of %s", async (_, imageFile, labelFile, message) => {
    const folder = await folderOf({ "t10k-images-idx3-ubyte": imageFile, "t10k-labels-idx1-ubyte": labelFile });
    await expect(mnist(folder)).rejects.toThrow(message);
    await expect(mnist(folder)).rejects.toHaveProperty("name", "FormatError");
  });

  it("reads the real digits and splits them", async (context) => {
    const { train, test } = (await mnist(realDigits(context).folder, { shape: [784] })).split(8000);
    expect([train.length, test.length]).toEqual([8000, 2000]);
    expect([...train.labels.subarray(0, 4)]).toEqual([7, 2, 1, 0]);
    const { x } = train.getBatch(Uint32Array.from({ length: 64 }, (_, i) => i));
    expect(x.shape).toEqual([64, 784]);
    expect(Math.max(...x.data)).toBe(1);
  });
});
