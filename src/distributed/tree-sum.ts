/**
 * The canonical sum: a binary tree over slots, so that the bits of a sum depend on who contributed and on nothing else.
 *
 * Leaf s is the contribution of slot s. Node i of level l is the f32 sum of nodes 2i and 2i+1 of level l-1; where one
 * of them is empty it is the other (not the other + 0, which would turn -0 into +0). Nodes are added as soon as both
 * children are there, in whatever order leaves arrive. An aligned block of 2^k slots is a subtree: its sum, computed
 * elsewhere, is a leaf of the tree over blocks, and the bits are those of one tree.
 *
 * f32 addition in JavaScript: both operands are f32, their f64 sum is rounded once when stored; since 53 >= 2 * 24 + 2
 * that is the correctly rounded f32 sum (Figueroa 1995), the same in every engine and language.
 * Not here: payloads, rounds, who may contribute (round.ts).
 */
import { InvariantError } from "../ir/errors.ts";

interface Node {
  readonly values: Float32Array;
  /** The slot, while the node is that slot's contribution alone; -1 once anything was added. */
  slot: number;
}

/** `add` of a node pair; left takes the sum. */
function addInto(left: Float32Array, right: Float32Array): void {
  for (let i = 0; i < left.length; i++) left[i] = left[i]! + right[i]!;
}

/** Levels above which no u16 slot is apart from another. */
const TOP = 16;

/** Which nodes of the tree will ever hold something: one for all sums over the same slots. */
export class Roster {
  readonly #slots: Set<number>;
  /** By level, how many slots lie below each node. */
  readonly #below: readonly Map<number, number>[];

  constructor(slots: Iterable<number>) {
    this.#slots = new Set(slots);
    this.#below = Array.from({ length: TOP + 1 }, () => new Map<number, number>());
    for (const slot of this.#slots) {
      if (!Number.isInteger(slot) || slot < 0 || slot >= 2 ** TOP) throw new InvariantError(`roster: slot ${slot}`);
      this.#below.forEach((level, l) => level.set(slot >> l, (level.get(slot >> l) ?? 0) + 1));
    }
  }

  get size(): number {
    return this.#slots.size;
  }
  has(slot: number): boolean {
    return this.#slots.has(slot);
  }
  /** In ascending order. */
  get slots(): readonly number[] {
    return [...this.#slots].sort((a, b) => a - b);
  }
  expects(level: number, index: number): boolean {
    return this.#below[level]!.has(index);
  }
  drop(slot: number): void {
    if (!this.#slots.delete(slot)) return;
    this.#below.forEach((level, l) => {
      const left = level.get(slot >> l)! - 1;
      if (left === 0) level.delete(slot >> l);
      else level.set(slot >> l, left);
    });
  }
}

/** One sum over the slots of a roster, which several sums may share. Arrays that are given belong to the sum. */
export class TreeSum {
  readonly #roster: Roster;
  /** Nodes that wait for their sibling, by level * 2^16 + index. */
  readonly #waiting = new Map<number, Node>();
  readonly #arrived = new Set<number>();
  #result: Float32Array | null = null;

  constructor(roster: Roster) {
    this.#roster = roster;
  }

  /** The sum, once every slot of the roster has contributed. */
  get result(): Float32Array | null {
    return this.#result;
  }
  hasArrived(slot: number): boolean {
    return this.#arrived.has(slot);
  }

  /** Takes the contribution of a slot, once. Afterwards `values` may be anything. */
  add(slot: number, values: Float32Array): void {
    if (!this.#roster.has(slot) || this.#arrived.has(slot)) throw new InvariantError(`tree sum: slot ${slot} twice`);
    this.#arrived.add(slot);
    this.#place(0, slot, { values, slot });
  }

  /**
   * Call after the slot was dropped from the roster. Whether the sum is still good: not where the slot's values are
   * in it already; then it is empty again and everybody must contribute anew.
   */
  drop(slot: number): boolean {
    if (this.#arrived.delete(slot)) {
      const own = [...this.#waiting].find(([, node]) => node.slot === slot);
      if (own === undefined) {
        this.#waiting.clear();
        this.#arrived.clear();
        this.#result = null;
        return false;
      }
      this.#waiting.delete(own[0]);
      this.#result = null;
    }
    // Nobody waits any more for what was expected of this slot alone.
    const nodes = [...this.#waiting];
    this.#waiting.clear();
    for (const [key, node] of nodes) this.#place(key >>> 16, key & 0xffff, node);
    return true;
  }

  #place(level: number, index: number, node: Node): void {
    for (; level < TOP; level++, index >>= 1) {
      const sibling = index ^ 1;
      if (!this.#roster.expects(level, sibling)) continue;
      const other = this.#waiting.get(level * 2 ** 16 + sibling);
      if (other === undefined) {
        this.#waiting.set(level * 2 ** 16 + index, node);
        return;
      }
      this.#waiting.delete(level * 2 ** 16 + sibling);
      const [left, right] = index < sibling ? [node, other] : [other, node];
      addInto(left.values, right.values);
      left.slot = -1;
      node = left;
    }
    this.#waiting.set(TOP * 2 ** 16, node);
    this.#result = node.values;
  }
}

/** The same sum by its definition; contributions by slot, all of one length. For tests and single-process runs. */
export function treeSum(contributions: ReadonlyMap<number, Float32Array>): Float32Array {
  const sum = (level: number, index: number): Float32Array | null => {
    if (level === 0) return contributions.get(index)?.slice() ?? null;
    const left = sum(level - 1, 2 * index);
    const right = sum(level - 1, 2 * index + 1);
    if (left === null || right === null) return left ?? right;
    return left.map((x, i) => x + right[i]!);
  };
  const highest = Math.max(0, ...contributions.keys());
  const levels = Math.ceil(Math.log2(highest + 1));
  const all = sum(levels, 0);
  if (all === null) throw new InvariantError("tree sum: of nobody");
  return all;
}
