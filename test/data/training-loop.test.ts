/** Metrics, early stopping, logs and curves. */
import { beforeEach, describe, expect, test } from "vitest";
import { Accuracy, ConfusionMatrix, EarlyStopping, History, Mean, plot, tensor, zeros, type Tensor } from "texgrad";
import { useTestDevice } from "../support/device.ts";

beforeEach(useTestDevice);

const classes = (...y: number[]): Tensor => tensor(y, { dtype: "i32" });
const scores = tensor([
  [0.1, 0.7, 0.2],
  [0.5, 0.3, 0.2],
  [0.2, 0.3, 0.5],
  [0.6, 0.1, 0.3],
]);

describe("metrics add up over batches", () => {
  test("Accuracy", async () => {
    const metric = new Accuracy();
    metric.update(scores, classes(1, 1, 2, 2));
    expect(await metric.value()).toBe(0.5);
    metric.update(classes(0, 0), classes(0, 0));
    expect(await metric.value()).toBeCloseTo(4 / 6, 6);
    metric.reset();
    metric.update(classes(0), classes(1));
    expect(await metric.value()).toBe(0);
  });

  test("top 2", async () => {
    const metric = new Accuracy({ topK: 2 });
    metric.update(scores, classes(2, 2, 1, 1));
    expect(await metric.value()).toBe(0.5);
  });

  test("ConfusionMatrix, precision, recall, F1", async () => {
    const metric = new ConfusionMatrix(3);
    metric.update(scores, classes(1, 1, 2, 0));
    metric.update(classes(2), classes(2));
    expect(await metric.value()).toEqual([
      [1, 0, 0],
      [1, 1, 0],
      [0, 0, 2],
    ]);
    const { precision, recall, f1, macroF1, accuracy } = await metric.scores();
    expect([precision, recall, accuracy]).toEqual([[0.5, 1, 1], [1, 0.5, 1], 0.8]);
    expect(f1[0]).toBeCloseTo(2 / 3, 12);
    expect(macroF1).toBeCloseTo((2 / 3 + 2 / 3 + 1) / 3, 12);
  });

  test("a class that never comes scores 0", async () => {
    const metric = new ConfusionMatrix(2);
    metric.update(classes(0), classes(0));
    expect((await metric.scores()).f1).toEqual([1, 0]);
  });

  test("Mean weighs batches by their size", async () => {
    const metric = new Mean();
    metric.update(tensor([1, 2, 3]));
    metric.update(tensor(10), 2);
    expect(await metric.value()).toBeCloseTo(26 / 5, 6);
    expect(await new Mean().value()).toBeNaN();
  });

  test("refuse what does not fit", () => {
    expect(() => new Accuracy().update(scores, classes(1))).toThrow(
      "Accuracy: takes scores [n, classes] and targets [n], got [4,3] and [1]",
    );
    expect(() => new Accuracy({ topK: 0 })).toThrow("Accuracy: topK is 0");
    expect(() => new ConfusionMatrix(2).update(zeros([1, 1, 2]), classes(0))).toThrow("ConfusionMatrix: takes scores");
  });
});

describe("EarlyStopping", () => {
  test("stops after more than `patience` checks without improvement", () => {
    const stop = new EarlyStopping({ patience: 1 });
    expect([3, 2, 2.5, NaN].map((v) => stop.update(v))).toEqual([false, false, false, true]);
    expect([stop.best, stop.improved]).toEqual([2, false]);
  });

  test("mode max, and differences too small to count", () => {
    const stop = new EarlyStopping({ patience: 0, mode: "max", minDelta: 0.1 });
    expect([0.5, 0.7, 0.75].map((v) => stop.update(v))).toEqual([false, false, true]);
    expect(() => new EarlyStopping({ patience: -1 })).toThrow("EarlyStopping: patience is -1");
  });
});

describe("History", () => {
  test("as CSV and JSON lines, and to a writer", () => {
    const lines: string[] = [];
    const history = new History({ write: (line) => void lines.push(line) });
    history.add({ step: 1, loss: 0.5 });
    history.add({ step: 2, note: 'a "quoted", one' });
    expect(history.toCsv()).toBe('step,loss,note\n1,0.5,\n2,,"a ""quoted"", one"\n');
    expect(lines.join("")).toBe(history.toJsonLines());
    expect(history.column("loss")).toEqual([0.5]);
  });

  test("draws curves", () => {
    const history = new History();
    for (let i = 0; i < 8; i++) history.add({ a: 8 - i, b: 1 });
    const text = history.plot(["a", "b"], { width: 8, height: 4 });
    expect(text.split("\n")).toEqual([
      "     8.000 |**",
      "           |  **",
      "           |    **",
      "     1.000 |oooooooo",
      "           +--------",
      "            * a   o b",
    ]);
  });

  test("on a logarithmic scale, with gaps for what is not finite", () => {
    const text = plot({ a: [100, NaN, 1] }, { width: 3, height: 3, log: true });
    expect(text.split("\n").slice(0, 3)).toEqual(["     100.0 |*", "           |", "     1.000 |  *"]);
    expect(() => plot({ a: [] })).toThrow("plot: no finite value to draw");
  });
});
