/**
 * Every call of PyTorch's fixtures as a graph, with its gradients and second derivatives, run on a WebGL2 device and
 * held against the evaluator. Runs in a page; what fails is given back as text.
 */
import { gradients } from "../../../src/autodiff/vjp.ts";
import { hostArray, type HostArray } from "../../../src/ir/dtype.ts";
import type { Node } from "../../../src/ir/node.ts";
import * as o from "../../../src/ir/ops/index.ts";
import { numel } from "../../../src/ir/shape.ts";
import type { WebglDevice } from "../../../src/runtime/device.ts";
import { selectDevice } from "../../../src/runtime/select.ts";
import { attr, fixture, toArray, type FixtureTensor, type OpCase } from "../../fixtures/load.ts";
import { calls } from "../../ir/torch.ts";
import { difference, runOn, truth } from "../../support/run-graph.ts";

/** Calls whose form is a tensor method's business, or not in this version; see test/ir/fixtures.test.ts. */
const beyond: readonly string[] = ["pad/13", "conv2d/17", "avgPool2d/10", "avgPool2d/11", "crossEntropy/13"];

/** Where WebGL2 promises less than IEEE 754: NaN, infinities and denormals may be anything (GLSL ES 3.00, 4.5.1). */
const unpromised: readonly string[] = ["nonfinite", "denormal"];

const cases = fixture("ops").cases.filter(
  ({ id, tags }) => !beyond.includes(id) && !(tags ?? []).some((tag) => unpromised.includes(tag)),
);

export const caseIds: readonly string[] = cases.map(({ id }) => id);

function leafOf(t: FixtureTensor): Node {
  const array = hostArray(t.dtype, numel(t.shape));
  array.set(toArray(t));
  return o.input({ kind: "input", array }, t.dtype, t.shape);
}

const total = (x: Node): Node => o.sum(x, [...x.shape.keys()]);

/** The result, its gradients, and the gradients of those: all in one submission. */
function rootsOf({ op, attrs, inputs, cotangent, grads, grad2 }: OpCase): Node[] {
  const x = inputs.map(leafOf);
  const y = calls[op]!(x, Object.fromEntries(Object.entries(attrs).map(([k, v]) => [k, attr(v)])));
  if (cotangent === null || grads === null) return [y];
  const first = gradients(y, leafOf(cotangent), x);
  const weighted = first.flatMap((g, i) => {
    const w = grad2?.weights[i];
    return g === null || w == null ? [] : [total(o.mul(g, leafOf(w)))];
  });
  const second =
    weighted.length === 0
      ? []
      : gradients(
          weighted.reduce((a, b) => o.add(a, b)),
          null,
          x,
        );
  return [y, ...first, ...second].filter((n) => n !== null);
}

/**
 * The values, the true ones where f32 cannot do better: no more than four times as far off as the evaluator in f32. At
 * 1 - tanh(x)^2 for large x, one ulp of tanh is many of the difference.
 */
const judged = (values: HostArray, wanted: Float64Array, rounded: Float64Array): number[] =>
  Array.from(values, (v, i) => {
    const w = wanted[i]!;
    return Math.abs(v - w) <= 4 * Math.abs(rounded[i]! - w) ? w : v;
  });

/** What is wrong with each case, by its id; nothing for those that are right. */
export function runCases(): Record<string, string> {
  const device = selectDevice({ device: "webgl" }) as WebglDevice;
  const wrong: Record<string, string> = {};
  for (const one of cases) {
    try {
      const roots = rootsOf(one);
      const [wanted, rounded] = [truth(roots), truth(roots, "f32")];
      const found = runOn(device, roots).map((values, i) =>
        difference(roots[i]!, judged(values, wanted[i]!, rounded[i]!), wanted[i]!),
      );
      found.forEach((text, i) => {
        if (text !== null) wrong[one.id] ??= `root ${i}: ${text}`;
      });
    } catch (error) {
      wrong[one.id] = error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
  }
  return wrong;
}
