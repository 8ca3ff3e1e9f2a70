/**
 * Prints the host time of a repeated training step, in ms, and how many plans were made while it was measured.
 * A program of its own, run by steady.test.ts: `host-time.ts sgd|adam`.
 */
import { setDevice } from "texgrad";
import { createWebglDevice } from "../../src/runtime/device.ts";
import { stubCapabilities, stubGl } from "../support/recording-gl.ts";
import { noise, trainer, type Rule } from "./mlp.ts";

const STEPS = 300;

const device = createWebglDevice(stubGl().gl, { capabilities: stubCapabilities, readsSynchronously: true });
setDevice(device);
const { step } = trainer(process.argv[2] as Rule);
const batch = noise(64);
for (let i = 0; i < 3 * STEPS; i++) step(batch);
const { plans } = device.counters;
// Where other processes take turns on the core, the time this one had it for is what the step costs.
const runs = Array.from({ length: 5 }, () => {
  const start = performance.now();
  const cpu = process.cpuUsage();
  for (let i = 0; i < STEPS; i++) step(batch);
  const { user, system } = process.cpuUsage(cpu);
  return Math.min(performance.now() - start, (user + system) / 1000) / STEPS;
});
console.log(JSON.stringify({ ms: Math.min(...runs), plans: device.counters.plans - plans }));
