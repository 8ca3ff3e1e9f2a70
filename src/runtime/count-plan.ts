/**
 * What a compiled plan costs when it runs once, draw by draw. Not here: how a single draw is counted
 * (codegen/glsl/count.ts), and what a whole program does (counting.ts).
 */
import { addWork, countDraw, noWork, type Work } from "../codegen/glsl/count.ts";
import { cutReasons, type CutReason } from "../ir/kernel.ts";
import { textureOf } from "../ir/layout.ts";
import type { DeviceProfile, KernelPlan } from "../ir/plan.ts";
import { numel, type Shape } from "../ir/shape.ts";
import type { PlanInfo } from "./compile.ts";

/** One draw of a plan. */
export interface DrawCounts extends Work {
  /** What it stores, each value by the op that ends it. */
  readonly stores: readonly string[];
  /** Of every stored value; of the first, where small results of other shapes share the draw. */
  readonly shape: Shape;
  /** Its nests of loops: what is accumulated, and over how many steps of each axis. */
  readonly phases: readonly { readonly accumulates: readonly string[]; readonly over: readonly number[] }[];
  /** Why it is a draw of its own; "copy" where a stored value is asked for twice. */
  readonly reason: CutReason | "copy";
  /** The reason in words. */
  readonly why: string;
  /** Render targets. */
  readonly targets: number;
  /** GLSL; null of a copy. */
  readonly source: string | null;
}

/** One plan, run once. */
export interface PlanCounts extends Work {
  readonly draws: readonly DrawCounts[];
  /** Different programs it draws with, copies aside. */
  readonly programs: number;
}

/** What one run of a compiled plan costs. */
export function countPlan({ plan, programs, profile }: PlanInfo): PlanCounts {
  const draws: DrawCounts[] = [];
  plan.draws.forEach((draw, i) => {
    const kernels = draw.map((k) => plan.kernels[k]!).filter((k) => numel(k.shape) > 0);
    const [first] = kernels;
    if (first === undefined) return;
    const { source, targets, width, height } = programs[i]!;
    const work = kernels.map((k) => countDraw(k, profile)).reduce((sum, w) => addWork(sum, w), noWork);
    draws.push({
      ...work,
      // Parts of one texture are drawn with what lies between them.
      fragments: width * height,
      texelsWritten: width * height * targets.length,
      stores: kernels.flatMap((k) => k.stores.map((s) => s.label)),
      shape: first.shape,
      phases: kernels.flatMap((k) =>
        k.phases.map((p) => ({ accumulates: p.accumulators.map((a) => a.label), over: p.axes.map((a) => a.extent) })),
      ),
      reason: first.reason,
      why: cutReasons[first.reason],
      targets: targets.length,
      source,
    });
  });
  const sources = new Set(draws.map((d) => d.source));
  draws.push(...copies(plan, profile));
  return { ...draws.reduce((sum, d) => addWork(sum, d), noWork), draws, programs: sources.size };
}

/** As the executable makes them: of roots that are leaves, and of what several roots share. */
function* copies({ leaves, roots, buffers }: KernelPlan, profile: DeviceProfile): Iterable<DrawCounts> {
  for (const [i, from] of roots.entries()) {
    const { layout } = buffers[from]!;
    const { R, shape } = layout;
    const { width, height } = textureOf(layout);
    if (numel(shape) === 0 || !(leaves.includes(from) || roots.indexOf(from) < i)) continue;
    const targets = Math.min(R, profile.maxDrawBuffers);
    const fragments = width * height;
    const texels = fragments * targets;
    const work = { fragments, texelsWritten: texels, texelsRead: texels, fetches: texels, gathers: 0, macs: 0 };
    const why = "a stored value that is asked for twice, or as it was given";
    for (let base = 0; base < R; base += targets) {
      yield { ...work, stores: ["copy"], shape, phases: [], reason: "copy", why, targets, source: null };
    }
  }
}
