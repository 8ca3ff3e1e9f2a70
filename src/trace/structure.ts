/**
 * Arrays and plain objects with something in them: taken apart to be compared, and put together again with other
 * contents. Everything that is neither, nor one of the leaves looked for, is part of the structure.
 */

const leafMark = Symbol("leaf");
const arrayMark = Symbol("array");
const objectMark = Symbol("object");

function isPlain(x: unknown): x is Readonly<Record<string, unknown>> {
  if (typeof x !== "object" || x === null) return false;
  const prototype: unknown = Object.getPrototypeOf(x);
  return prototype === Object.prototype || prototype === null;
}

/** Appends the leaves of `x` to `leaves`, and to `outline` what else there is: equal outlines are equal structures. */
export function takeApart<T>(x: unknown, isLeaf: (x: unknown) => x is T, outline: unknown[], leaves: T[]): void {
  if (isLeaf(x)) {
    outline.push(leafMark);
    leaves.push(x);
  } else if (Array.isArray(x)) {
    outline.push(arrayMark, x.length);
    for (const e of x as readonly unknown[]) takeApart(e, isLeaf, outline, leaves);
  } else if (isPlain(x)) {
    const start = outline.push(objectMark, 0);
    for (const key in x) {
      outline.push(key);
      takeApart(x[key], isLeaf, outline, leaves);
    }
    outline[start - 1] = outline.length - start;
  } else outline.push(x);
}

export function sameOutline(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

/** The structure of `x` with `f` of each leaf, called in the order `takeApart` gives them. */
export function putTogether<T>(x: unknown, isLeaf: (x: unknown) => x is T, f: (leaf: T) => unknown): unknown {
  if (isLeaf(x)) return f(x);
  if (Array.isArray(x)) return x.map((e: unknown) => putTogether(e, isLeaf, f));
  if (!isPlain(x)) return x;
  const out: Record<string, unknown> = {};
  for (const key in x) out[key] = putTogether(x[key], isLeaf, f);
  return out;
}
