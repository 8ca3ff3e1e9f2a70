/**
 * Prints the host time of a repeated training step, in ms, and how many plans were made while it was measured.
 * A program of its own, run by steady.test.ts: `host-time.ts sgd|adam|resnet|resnet-compiled`; the first two train the
 * MLP.
 */
import { compile, setDevice } from "texgrad";
import { createWebglDevice } from "../../src/runtime/device.ts";
import { stubCapabilities, stubGl } from "../support/recording-gl.ts";
import { noise, trainer } from "./mlp.ts";
import { resnetTrainer } from "./resnet.ts";

/** A step to repeat, and how often, so that every measurement takes a tenth of a second or more. */
function subject(name: string): { readonly step: () => unknown; readonly steps: number } {
  switch (name) {
    case "sgd":
    case "adam": {
      const { step } = trainer(name);
      const batch = noise(64);
      return { step: () => step(batch), steps: 300 };
    }
    case "resnet": {
      const { step, batch } = resnetTrainer();
      return { step: () => step(batch), steps: 60 };
    }
    case "resnet-compiled": {
      const { step, batch } = resnetTrainer();
      const compiled = compile(step);
      return { step: () => compiled(batch), steps: 600 };
    }
    default:
      throw new Error(`host-time: ${name}?`);
  }
}

const device = createWebglDevice(stubGl().gl, { capabilities: stubCapabilities, readsSynchronously: true });
setDevice(device);
const { step, steps } = subject(process.argv[2]!);
for (let i = 0; i < 3 * steps; i++) step();
const { plans } = device.counters;
// Where other processes take turns on the core, the time this one had it for is what the step costs.
const runs = Array.from({ length: 5 }, () => {
  const start = performance.now();
  const cpu = process.cpuUsage();
  for (let i = 0; i < steps; i++) step();
  const { user, system } = process.cpuUsage(cpu);
  return Math.min(performance.now() - start, (user + system) / 1000) / steps;
});
console.log(JSON.stringify({ ms: Math.min(...runs), plans: device.counters.plans - plans }));
