/**
 * Low-rank adaptation, Hu et al. (2022): frozen Linear layers with a trained product of two thin matrices beside them.
 * Names in state dicts are loralib's: `lora_A` and `lora_B` beside `weight` and `bias`.
 */
import { TexgradError } from "../ir/errors.ts";
import { noGrad, Parameter, zeros, type Generator, type Tensor } from "../trace/index.ts";
import { checkCount, checkProbability } from "./check.ts";
import { dropout } from "./functional-dropout.ts";
import { linear } from "./functional.ts";
import { initialParameter } from "./layer.ts";
import { Linear } from "./linear.ts";
import type { Module } from "./module.ts";
import type { StateDict } from "./state-dict.ts";

export interface LoraOptions {
  /** Rank of the product. */
  readonly rank: number;
  /** The product counts alpha / rank. Default rank. */
  readonly alpha?: number;
  /** Of the product's input, in training. Default 0. */
  readonly dropout?: number;
  /** Which Linear layers, by path. Default all. */
  readonly where?: (name: string, layer: Linear) => boolean;
  readonly generator?: Generator;
}

interface Adapted {
  lora_A?: Parameter;
  lora_B?: Parameter;
  loraScale?: number;
  forward(x: Tensor): Tensor;
}

/**
 * Freezes every parameter of a network and gives its Linear layers, or those that `where` names, a trained product B A:
 * y = W x + b + alpha / rank B A x. B starts as zeros, so nothing changes at first. Gives the paths of these layers.
 */
export function lora(module: Module, options: LoraOptions): string[] {
  const { rank, alpha = options.rank, dropout: p = 0, where = () => true, generator } = options;
  checkCount("lora", "rank", rank, 1);
  checkProbability("lora", p);
  const chosen = [...module.namedModules()].filter(
    (entry): entry is readonly [string, Linear] => entry[1] instanceof Linear && where(entry[0], entry[1]),
  );
  if (chosen.length === 0) throw new TexgradError("lora: no Linear layer is chosen");
  const twice = chosen.find(([, layer]) => "lora_A" in layer);
  if (twice !== undefined) throw new TexgradError(`lora: ${twice[0]} is adapted already; mergeLora comes first`);
  module.requiresGrad_(false);
  for (const [, layer] of chosen) {
    const adapted = layer as Linear & Adapted;
    adapted.lora_A = initialParameter([rank, layer.inFeatures], layer.inFeatures, generator);
    adapted.lora_B = new Parameter(zeros([layer.outFeatures, rank]));
    adapted.loraScale = alpha / rank;
    adapted.forward = (x) => {
      const thin = linear(
        dropout(x, { p, training: layer.training, ...(generator && { generator }) }),
        adapted.lora_A!,
      );
      return linear(x, layer.weight, layer.bias).add(linear(thin, adapted.lora_B!).mul(adapted.loraScale!));
    };
  }
  return chosen.map(([name]) => name);
}

/** Adds every trained product to its layer's weight and takes it away: the network is as before, and as fast. */
export function mergeLora(module: Module): void {
  for (const layer of module.modules()) {
    if (!(layer instanceof Linear) || !("lora_A" in layer)) continue;
    const adapted = layer as Linear & Adapted;
    noGrad(() => {
      const product = adapted.lora_B!.matmul(adapted.lora_A!).mul(adapted.loraScale!);
      layer.weight.copy_(layer.weight.add(product));
    });
    for (const name of ["lora_A", "lora_B", "loraScale", "forward"] as const)
      delete (adapted as Partial<Adapted>)[name];
  }
}

/** The trained products alone, by name: a few kilobytes to save; `loadStateDict(dict, { strict: false })` takes them. */
export const loraStateDict = (module: Module): StateDict =>
  Object.fromEntries(Object.entries(module.stateDict()).filter(([name]) => /(^|\.)lora_[AB]$/.test(name)));
