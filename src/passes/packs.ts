/**
 * Puts small results that nothing else in the plan reads into one texture, so that one draw writes them all: the next
 * biases and small weights of a step, whatever their shapes, and its loss. A result keeps the order of its elements and
 * gets a place in the texture; which kernels share a draw, and so a program, follows from it.
 *
 * A cell that has a place keeps it, so that every plan writes it alike. Not here: values that share a draw because they
 * share loops (groups.ts), and how a program tells its parts apart (codegen).
 */
import { placed, type Layout, type Place } from "../ir/layout.ts";
import type { Node } from "../ir/node.ts";
import type { DeviceProfile } from "../ir/plan.ts";
import { numel } from "../ir/shape.ts";
import { readByOthers, type KernelGroup } from "./groups.ts";
import { contentsOf, excess, type Contents } from "./oversized.ts";
import type { Partition } from "./partition.ts";

/** Elements of a result that is small. */
const SMALL = 1 << 14;
/** Elements that its kernel may read: they wait until all of the draw can be done. */
const READS = 1 << 20;

export interface PackInput {
  readonly partition: Partition;
  /** What one kernel computes each, in an order in which they can run. */
  readonly groups: readonly KernelGroup[];
  readonly layouts: ReadonlyMap<Node, Layout>;
  /** Results that are written once, to a buffer that the caller keeps. */
  readonly results: ReadonlySet<Node>;
  /** Next versions of cells, and which of them have a layout already. */
  readonly assigned: ReadonlySet<Node>;
  readonly settled: ReadonlySet<Node>;
}

export interface Packed {
  /** Layouts of results that share a texture. */
  readonly of: ReadonlyMap<Node, Layout>;
  /** Groups that share a draw, by number; all in an order in which they can run. */
  readonly draws: readonly (readonly number[])[];
}

export function packResults(input: PackInput, profile: DeviceProfile): Packed {
  const { groups, layouts, partition } = input;
  const isRead = readByOthers(
    partition,
    groups.map((g) => g.nodes),
  );
  const draws: (readonly number[])[] = [];
  const packs: Pack[] = [];
  const small: number[] = [];
  groups.forEach((group, number) => {
    const { place } = layouts.get(group.stores[0]!)!;
    if (group.stores.some(isRead)) draws.push([number]);
    else if (place !== null) {
      const pack = packs.find((p) => p.takes(group, place));
      if (pack === undefined) packs.push(new Pack(partition, layouts, profile, number, group, place));
      else pack.add(number, group, place.y);
    } else if (!profile.off.includes("packs") && isSmall(group, input)) small.push(number);
    else draws.push([number]);
  });
  for (const number of small) {
    const group = groups[number]!;
    const pack = packs.find((p) => p.roomFor(group) !== null);
    if (pack === undefined) packs.push(new Pack(partition, layouts, profile, number, group, null));
    else pack.add(number, group, pack.roomFor(group)!);
  }
  const of = new Map<Node, Layout>();
  for (const pack of packs) {
    const isWorthIt = pack.isSettled || (pack.parts.length > 1 && pack.stores.some((n) => input.assigned.has(n)));
    if (!isWorthIt) draws.push(...pack.parts.map((p) => [p.number]));
    else {
      // In the order of their places, so that each plan that draws them has one text for it.
      draws.push([...pack.parts].sort((a, b) => a.y - b.y).map((p) => p.number));
      for (const [n, layout] of pack.placed()) of.set(n, layout);
    }
  }
  return { of, draws };
}

function isSmall({ nodes, stores }: KernelGroup, { partition, results, settled }: PackInput): boolean {
  const reads = new Set(nodes.flatMap((n) => partition.reads.get(n)!.map((d) => d.node)));
  return (
    stores.every((n) => {
      const size = numel(n.shape);
      return results.has(n) && !settled.has(n) && n.dtype === "f32" && size > 0 && size <= SMALL;
    }) && [...reads].reduce((sum, n) => sum + numel(n.shape), 0) <= READS
  );
}

interface Part {
  readonly number: number;
  readonly stores: readonly Node[];
  readonly y: number;
  readonly height: number;
}

/** Groups that one draw writes, and where in its texture. */
class Pack {
  readonly parts: Part[] = [];
  /** Whether cells have settled how large the texture is. */
  readonly isSettled: boolean;
  private readonly partition: Partition;
  private readonly layouts: ReadonlyMap<Node, Layout>;
  private readonly profile: DeviceProfile;
  private size: Pick<Place, "width" | "height" | "layers">;
  private contents: Contents;

  constructor(
    partition: Partition,
    layouts: ReadonlyMap<Node, Layout>,
    profile: DeviceProfile,
    number: number,
    group: KernelGroup,
    place: Place | null,
  ) {
    this.partition = partition;
    this.layouts = layouts;
    this.profile = profile;
    this.isSettled = place !== null;
    this.size = place ?? { width: 0, height: 0, layers: 0 };
    this.contents = { loads: new Set(), operations: new Set(), numbers: new Set() };
    this.add(number, group, place?.y ?? 0);
  }

  get stores(): readonly Node[] {
    return this.parts.flatMap((p) => p.stores);
  }

  add(number: number, group: KernelGroup, y: number): void {
    const { width, height, layers } = this.sizeOf(group);
    this.parts.push({ number, stores: group.stores, y, height });
    this.contents = this.with(group);
    if (this.isSettled) return;
    this.size = {
      width: Math.max(this.size.width, width),
      height: Math.max(this.size.height, y + height),
      layers: Math.max(this.size.layers, layers),
    };
  }

  /** Whether nodes whose place is settled belong to the same texture, where no part lies yet. */
  takes(group: KernelGroup, place: Place): boolean {
    const { width, height, layers } = this.size;
    const isSame = place.width === width && place.height === height && place.layers === layers;
    return isSame && this.isFree(place.y, this.sizeOf(group).height) && this.mayHold(group);
  }

  /** The first row at which nodes that have no place could lie; null where there is none. */
  roomFor(group: KernelGroup): number | null {
    const own = this.sizeOf(group);
    const { maxTextureSize } = this.profile;
    const most = this.isSettled ? this.size : { width: maxTextureSize, height: maxTextureSize, layers: own.layers };
    if (own.width > most.width || own.layers > most.layers || !this.mayHold(group)) return null;
    const starts = [0, ...this.parts.map((p) => p.y + p.height)].sort((a, b) => a - b);
    return starts.find((y) => y + own.height <= most.height && this.isFree(y, own.height)) ?? null;
  }

  placed(): readonly (readonly [Node, Layout])[] {
    const { width, height, layers } = this.size;
    return this.parts.flatMap(({ stores, y }) => {
      let z = 0;
      return stores.map((n): [Node, Layout] => {
        const layout = this.layouts.get(n)!;
        if (layout.place !== null) return [n, layout];
        const at = { y, z, width, height, layers };
        z += layout.R;
        return [n, placed(layout, at)];
      });
    });
  }

  private isFree(y: number, height: number): boolean {
    return this.parts.every((p) => y + height <= p.y || p.y + p.height <= y);
  }

  private sizeOf({ stores }: KernelGroup): Pick<Place, "width" | "height" | "layers"> {
    const { width, height, R } = this.layouts.get(stores[0]!)!;
    return { width, height, layers: R * stores.length };
  }

  private mayHold(group: KernelGroup): boolean {
    return excess(this.with(group), this.partition.limits) === null;
  }

  /** What the draw would hold with more nodes. */
  private with({ nodes }: KernelGroup): Contents {
    const { loads, operations, numbers } = this.contents;
    const all = { loads: new Set(loads), operations: new Set(operations), numbers: new Set(numbers) };
    for (const n of nodes) {
      const own = contentsOf(this.partition, n);
      for (const e of own.loads) if (!nodes.includes(e)) all.loads.add(e);
      for (const e of own.operations) all.operations.add(e);
      for (const e of own.numbers) all.numbers.add(e);
    }
    return all;
  }
}
