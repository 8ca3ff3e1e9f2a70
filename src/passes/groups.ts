/**
 * Groups stored values that one draw can write: values of one form of layout where one reads the other in place, both
 * loop over the same operands, or both, without loops, read the same operand in place. A value that reads two groups in
 * place joins them all.
 */
import { isConstant } from "../ir/affine.ts";
import type { Layout } from "../ir/layout.ts";
import type { Node } from "../ir/node.ts";
import type { DeviceProfile } from "../ir/plan.ts";
import { contentsOf, excess, type Contents } from "./oversized.ts";
import type { Demand, Partition } from "./partition.ts";

/** What one kernel computes of what partition says is stored. */
export interface KernelGroup {
  readonly nodes: readonly Node[];
  /** Those that others read or the caller wants; the rest is never written. */
  readonly stores: readonly Node[];
}

/** The groups in an order in which their kernels can run. `isRoot`: whether the caller wants a node. */
export function groupStores(
  partition: Partition,
  layouts: ReadonlyMap<Node, Layout>,
  stores: (n: Node) => number,
  isRoot: (n: Node) => boolean,
  profile: DeviceProfile,
): readonly KernelGroup[] {
  const grouping = new Grouping(partition, layouts, stores, isRoot, profile);
  for (const n of [...partition.stored.keys()].sort((a, b) => a.id - b.id)) grouping.add(n);
  const groups = grouping.inOrder();
  const isRead = readByOthers(partition, groups);
  return groups.flatMap((nodes) => {
    const written = nodes.filter((n) => isRoot(n) || isRead(n));
    // What was to be computed on the way to results in one texture, but is read elsewhere too, goes first.
    const isShared = written.some((n) => layouts.get(n)!.place !== null);
    const before = isShared ? written.filter((n) => layouts.get(n)!.place === null) : [];
    const rest: KernelGroup = {
      nodes: nodes.filter((n) => !before.includes(n)),
      stores: written.filter((n) => !before.includes(n)),
    };
    return [...before.map((n) => ({ nodes: [n], stores: [n] })), rest];
  });
}

/** Whether a kernel of another group reads a node. */
export function readByOthers(partition: Partition, groups: readonly (readonly Node[])[]): (n: Node) => boolean {
  const groupOf = new Map<Node, readonly Node[]>();
  for (const nodes of groups) for (const n of nodes) groupOf.set(n, nodes);
  const read = new Set<Node>();
  for (const [n, demands] of partition.reads) {
    for (const { node } of demands) if (groupOf.get(node) !== groupOf.get(n)) read.add(node);
  }
  return (n) => read.has(n);
}

/** How many of a node's latest elementwise readers a new one may join: more would fill a draw's targets anyway. */
const NEIGHBOURS = 8;

interface Group {
  /** By age of the first member. */
  readonly ordinal: number;
  readonly nodes: Node[];
  /** More than that of each group it reads, so that a search knows where it need not look. */
  level: number;
  readonly readers: Set<Group>;
}

class Grouping {
  private readonly partition: Partition;
  private readonly layouts: ReadonlyMap<Node, Layout>;
  private readonly stores: (n: Node) => number;
  private readonly isRoot: (n: Node) => boolean;
  private readonly profile: DeviceProfile;
  /** Which stored values read a node. */
  private readonly readers = new Map<Node, Node[]>();
  private readonly groups = new Set<Group>();
  private readonly groupOf = new Map<Node, Group>();
  /** Which stored values read a node inside a loop. */
  private readonly looping = new Map<Node, Node[]>();
  /** Which stored values without loops read a node. */
  private readonly reading = new Map<Node, Node[]>();
  private readonly contents = new Map<Node, Contents>();

  constructor(
    partition: Partition,
    layouts: ReadonlyMap<Node, Layout>,
    stores: (n: Node) => number,
    isRoot: (n: Node) => boolean,
    profile: DeviceProfile,
  ) {
    this.partition = partition;
    this.layouts = layouts;
    this.stores = stores;
    this.isRoot = isRoot;
    this.profile = profile;
    for (const [n, demands] of partition.reads) {
      for (const { node } of demands) {
        const all = this.readers.get(node);
        if (all === undefined) this.readers.set(node, [n]);
        else all.push(n);
      }
    }
  }

  /** Nodes come inputs first. */
  add(n: Node): void {
    let own: Group = { ordinal: this.groupOf.size, nodes: [n], level: 0, readers: new Set() };
    this.groups.add(own);
    this.groupOf.set(n, own);
    this.settle(own);
    if (!this.profile.off.includes("outputs")) {
      for (const g of this.candidates(n)) {
        if (g === own || !this.joins(n, g) || !this.fits(g, own)) continue;
        this.merge(g, own);
        own = g;
      }
    }
    const loops = this.loops(n);
    const [from, into] = loops.length > 0 ? [loops, this.looping] : [this.reads(n), this.reading];
    for (const d of from) {
      const all = into.get(d.node);
      if (all === undefined) into.set(d.node, [n]);
      else all.push(n);
    }
  }

  /** Groups with a value n reads, or that read as n does what n reads, oldest first. */
  private candidates(n: Node): readonly Group[] {
    const loops = this.loops(n);
    const others =
      loops.length > 0
        ? loops.flatMap((d) => this.looping.get(d.node) ?? [])
        : this.reads(n).flatMap((d) => this.reading.get(d.node)?.slice(-NEIGHBOURS) ?? []);
    const near = [...this.reads(n).map((d) => d.node), ...others];
    const found = new Set(near.map((e) => this.groupOf.get(e)).filter((g) => g !== undefined));
    return [...found].sort((a, b) => a.ordinal - b.ordinal);
  }

  private reads(n: Node): readonly Demand[] {
    return this.partition.reads.get(n)!;
  }

  private loops(n: Node): readonly Demand[] {
    return this.reads(n).filter((d) => d.inLoop);
  }

  private joins(n: Node, g: Group): boolean {
    return g.nodes.some((e) => readsInPlace(this.partition, n, e) || this.sharesLoop(n, e) || this.sharesOperand(n, e));
  }

  /** Whether both kernels are elementwise and read one operand in place. */
  private sharesOperand(a: Node, b: Node): boolean {
    if (this.loops(a).length > 0 || this.loops(b).length > 0) return false;
    return this.reads(a).some(
      ({ node }) => readsInPlace(this.partition, a, node) && readsInPlace(this.partition, b, node),
    );
  }

  /** Whether both kernels read one operand inside a loop of as many trips. */
  private sharesLoop(a: Node, b: Node): boolean {
    const trips = new Map(this.loops(b).map((d) => [d.node, d.trips]));
    return this.loops(a).some((d) => trips.get(d.node) === d.trips);
  }

  private fits({ nodes: a }: Group, { nodes: b }: Group): boolean {
    const all = [...a, ...b];
    const layout = this.layouts.get(a[0]!)!;
    const targets = all.reduce((sum, e) => sum + this.stores(e), 0) * layout.R;
    return (
      layoutForm(this.layouts.get(b[0]!)!) === layoutForm(layout) &&
      this.sharePlace(all) &&
      targets <= this.profile.maxDrawBuffers &&
      this.isSmall(all) &&
      this.readsOnlyInPlace(a, b) &&
      this.readsOnlyInPlace(b, a) &&
      !this.reachesThroughOthers(this.groupOf.get(a[0]!)!, this.groupOf.get(b[0]!)!) &&
      !this.reachesThroughOthers(this.groupOf.get(b[0]!)!, this.groupOf.get(a[0]!)!)
    );
  }

  /**
   * Whether no two lie at different places of textures that values share. A value that has its texture for itself may be
   * computed on the way to some that share one, where only those read it.
   */
  private sharePlace(nodes: readonly Node[]): boolean {
    const placeOf = (n: Node): string => placeForm(this.layouts.get(n)!);
    const places = new Set(nodes.map(placeOf));
    if (places.size === 1) return true;
    const place = [...places].find((p) => p !== "")!;
    return nodes.every((n) => {
      if (placeOf(n) === place) return true;
      const isBetween = !this.isRoot(n) && this.readers.get(n)!.every((r) => placeOf(r) === place);
      return (
        placeOf(n) === "" &&
        isBetween &&
        this.reads(n).every((d) => !this.layouts.has(d.node) || placeOf(d.node) !== place)
      );
    });
  }

  /** Whether one kernel may hold all of it. */
  private isSmall(nodes: readonly Node[]): boolean {
    const { partition, contents } = this;
    const all = { loads: new Set<Node>(), operations: new Set<Node>(), numbers: new Set<Node>() };
    for (const n of nodes) {
      let own = contents.get(n);
      if (own === undefined) contents.set(n, (own = contentsOf(partition, n)));
      for (const e of own.loads) all.loads.add(e);
      for (const e of own.operations) all.operations.add(e);
      for (const e of own.numbers) all.numbers.add(e);
    }
    for (const n of nodes) all.loads.delete(n);
    return excess(all, partition.limits) === null;
  }

  /** Whether members of `a` read those of `b` at their own coordinates or not at all: others are not computed yet. */
  private readsOnlyInPlace(a: readonly Node[], b: readonly Node[]): boolean {
    return a.every((n) =>
      b.every((e) => readsInPlace(this.partition, n, e) || !this.reads(n).some((d) => d.node === e)),
    );
  }

  /** Whether `a` needs a value of `b` by way of a third kernel: then they cannot be one draw. */
  private reachesThroughOthers(a: Group, b: Group): boolean {
    const seen = new Set<Group>([a, b]);
    const stack: Group[] = [a];
    while (stack.length > 0) {
      const g = stack.pop()!;
      for (const other of this.readBy(g)) {
        if (other === b && g !== a) return true;
        if (seen.has(other) || other.level <= b.level) continue;
        seen.add(other);
        stack.push(other);
      }
    }
    return false;
  }

  private *readBy(g: Group): Iterable<Group> {
    for (const n of g.nodes) {
      for (const d of this.reads(n)) {
        const other = this.groupOf.get(d.node);
        if (other !== undefined && other !== g) yield other;
      }
    }
  }

  private merge(g: Group, own: Group): void {
    g.nodes.push(...own.nodes);
    for (const e of own.nodes) this.groupOf.set(e, g);
    for (const r of own.readers) g.readers.add(r);
    g.readers.delete(g);
    this.groups.delete(own);
    this.settle(g);
  }

  /** Raises the level of a group whose members are new, and of those that read it. */
  private settle(group: Group): void {
    const stack = [group];
    while (stack.length > 0) {
      const g = stack.pop()!;
      const before = g.level;
      for (const other of this.readBy(g)) {
        if (g === group) other.readers.add(g);
        g.level = Math.max(g.level, other.level + 1);
      }
      if (g.level === before && g !== group) continue;
      for (const r of g.readers) if (this.groups.has(r) && r.level <= g.level) stack.push(r);
    }
  }

  inOrder(): readonly (readonly Node[])[] {
    const out: (readonly Node[])[] = [];
    const state = new Map<Group, "open" | "done">();
    for (const start of this.groups) {
      const stack: Group[] = [start];
      while (stack.length > 0) {
        const g = stack[stack.length - 1]!;
        if (state.get(g) === "done") {
          stack.pop();
          continue;
        }
        if (state.get(g) === "open") {
          state.set(g, "done");
          out.push(g.nodes);
          stack.pop();
          continue;
        }
        state.set(g, "open");
        for (const other of this.readBy(g)) if (state.get(other) === undefined) stack.push(other);
      }
    }
    return out;
  }
}

/** A layout apart from axes of extent 1: values of one form are written by one kernel. */
function layoutForm(l: Layout): string {
  let form = forms.get(l);
  if (form === undefined) forms.set(l, (form = newForm(l)));
  return form;
}
const forms = new WeakMap<Layout, string>();

function newForm(l: Layout): string {
  const real = l.shape.map((_, i) => i).filter((i) => l.shape[i] !== 1);
  const digits = (all: Layout["rows"]): string =>
    all.map((d) => `${real.indexOf(d.dim)}/${d.div}:${d.extent}`).join(" ");
  return `${real.map((i) => l.shape[i]).join(",")} ${digits(l.rows)}|${digits(l.cols)} ${l.R} ${l.split} ${l.P}`;
}

/** The rows of a shared texture that a value lies in; "" where it has its own. */
const placeForm = ({ place }: Layout): string =>
  place === null ? "" : `${place.y} of ${place.width}x${place.height}x${place.layers}`;

/** Whether n's kernel reads stored node e once, at n's own coordinates. */
function readsInPlace(partition: Partition, n: Node, e: Node): boolean {
  let only: Demand | null = null;
  for (const d of partition.reads.get(n)!) {
    if (d.node !== e) continue;
    if (only !== null) return false;
    only = d;
  }
  if (only === null) return false;
  const real = partition.axes.get(n)!.filter((_, d) => n.shape[d] !== 1);
  const at = only.at.filter((i) => !isConstant(i));
  return (
    at.length === real.length &&
    at.every((i, d) => {
      const term = i.terms[0]!;
      return (
        i.offset === 0 &&
        i.terms.length === 1 &&
        term.coef === 1 &&
        term.atom.kind === "axis" &&
        term.atom.axis === real[d]
      );
    })
  );
}
