/**
 * The MLP trains in a real browser as it does in Node: same programs, same losses.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { setDevice } from "texgrad";
import { selectDevice } from "../../src/runtime/select.ts";
import { openModule, openStage, type ModulePage, type Stage } from "./chromium.ts";
import * as here from "./pages/training.ts";

const STEPS = 50;

let stage: Stage;
let there: ModulePage<typeof here>;
beforeAll(async () => {
  setDevice(selectDevice({ device: "webgl" }));
  stage = await openStage();
  there = await openModule<typeof here>(stage.browser, stage.site, "training");
});
afterAll(() => stage.close());

describe.each(["sgd", "adam"] as const)("the MLP with %s in Chromium", (rule) => {
  let page: here.Training;
  let node: here.Training;
  beforeAll(async () => {
    page = await there.run.train(rule, STEPS);
    node = await here.train(rule, STEPS);
  });

  test("has eight render targets, proven and used", () => {
    expect(page).toMatchObject({ device: "webgl", maxDrawBuffers: 8 });
    expect(page.mostTargets).toBe(8);
  });

  test("learns", () => {
    const mean = (losses: readonly number[]): number => losses.reduce((a, b) => a + b) / losses.length;
    expect(page.losses).toHaveLength(STEPS);
    expect(mean(page.losses.slice(-5))).toBeLessThan(0.85 * mean(page.losses.slice(0, 5)));
  });

  test("has the losses it has on headless GL", () => {
    const errors = page.losses.map((loss, i) => Math.abs(loss - node.losses[i]!) / Math.abs(node.losses[i]!));
    console.log(`${rule}: largest relative difference of ${STEPS} losses ${Math.max(...errors)} (${page.renderer})`);
    // The same bits where both draw with the same Mesa driver, as here. Another driver has its own exp and log and may
    // contract a * b + c: a few ulp a step, which 50 steps let grow; the cpu device is held to the same bound.
    expect(Math.max(...errors)).toBeLessThan(1e-4);
  });

  test("runs the programs it runs on headless GL", () => {
    expect(page.programs).toEqual(node.programs);
    expect(page.draws).toBe(node.draws);
  });

  test("says nothing to the console", () => expect(there.complaints).toEqual([]));
});
