/**
 * What optimizers are made of: a rule that turns (parameter, gradient, states, settings) into the next parameter and
 * states, traced as one macro node a parameter and expanded only when a plan is made.
 */
import { item, macro, type Attrs, type MacroDefinition, type Node } from "../ir/node.ts";
import { uniform } from "../ir/ops/leaf.ts";
import type { UniformSource } from "../ir/source.ts";
import { engine } from "./engine.ts";
import type { Step } from "./recorder.ts";
import type { Tensor } from "./tensor.ts";

/** What a rule sees. All tensors have the parameter's shape, settings are scalars. */
export interface UpdateInputs {
  readonly param: Node;
  readonly grad: Node;
  readonly states: readonly Node[];
  readonly settings: readonly Node[];
  /** Switches that choose the formula; part of the plan's key. */
  readonly flags: Attrs;
}

export interface UpdateRule {
  readonly macro: MacroDefinition;
  readonly states: number;
  readonly settings: number;
}

/**
 * Defines a rule. `states` and `settings` say how many it takes; `update` uses + - * / sqrt only, and gives the new
 * parameter and the new states in the same order.
 */
export function updateRule(row: {
  readonly name: string;
  readonly doc: string;
  readonly states: number;
  readonly settings: number;
  readonly update: (x: UpdateInputs) => { readonly param: Node; readonly states: readonly Node[] };
}): UpdateRule {
  const definition: MacroDefinition = {
    kind: "macro",
    name: row.name,
    doc: row.doc,
    results: (inputs) => [inputs[0]!, ...inputs.slice(2, 2 + row.states)],
    expand(inputs, flags) {
      const next = row.update({
        param: inputs[0]!,
        grad: inputs[1]!,
        states: inputs.slice(2, 2 + row.states),
        settings: inputs.slice(2 + row.states),
        flags,
      });
      return [next.param, ...next.states];
    },
  };
  return { macro: definition, states: row.states, settings: row.settings };
}

/** A number read each time a step is submitted. Make it once per optimizer group: a new one each step costs time. */
export const setting = (read: () => number): Node => uniform(new SettingSource(read));

/** A number that is read anew whenever a plan runs. */
export class SettingSource implements UniformSource {
  readonly kind = "uniform";
  readonly read: () => number;
  constructor(read: () => number) {
    this.read = read;
  }
}

export interface ParameterUpdate {
  readonly rule: UpdateRule;
  readonly param: Tensor;
  /** Cells (StateTensor) of the parameter's shape. */
  readonly states: readonly Tensor[];
  readonly settings: readonly Node[];
  readonly flags: Attrs;
}

/**
 * One optimizer step: assigns every parameter and state its next value and submits all that was traced. Parameters
 * without a gradient are left alone. `commit` runs once the step has happened (count it there); on an error nothing
 * has changed and the call may be repeated. `step` says more about it for those that replay it.
 */
export function applyUpdates(
  updates: readonly ParameterUpdate[],
  commit: () => void = () => {},
  step: Omit<Step, "commit"> = { stays: () => true, owner: null, settings: () => [] },
): void {
  engine.step(
    () => {
      for (const u of updates) {
        const grad = u.param.takeGradient();
        if (grad === null) continue;
        const states = u.states.map((s) => engine.expression(s.cell));
        const all = macro(u.rule.macro, [engine.expression(u.param.cell), grad, ...states, ...u.settings], u.flags);
        engine.assign(u.param.cell, item(all, 0));
        u.states.forEach((s, i) => engine.assign(s.cell, item(all, i + 1)));
      }
    },
    { ...step, commit },
  );
}
