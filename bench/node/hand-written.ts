/**
 * The hand-written shaders as functions to call at will. limits.mjs measures each of its kernels and goes on to the
 * next; to time one of them and ours in turn, in one process, within milliseconds, its file is run unchanged on a
 * context that remembers the GL calls of every draw it measures. They can then be made again: the same programs,
 * textures and framebuffers, none of which the file deletes. It has checked each kernel's values before.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { WebGL2 } from "../../src/runtime/gl-types.ts";

export interface HandWritten {
  readonly name: string;
  /** Draws and waits for one pixel. */
  readonly draw: () => void;
}

type Call = readonly [method: string, args: readonly unknown[]];

/** A context that remembers the calls since the last framebuffer was bound, up to the read of one pixel. */
function recording(gl: WebGL2): { readonly proxy: WebGL2; readonly lastDraw: () => readonly Call[] } {
  let calls: Call[] = [];
  let drawn: readonly Call[] = [];
  const proxy = new Proxy(gl, {
    get(_, name) {
      const member: unknown = Reflect.get(gl, name);
      if (typeof member !== "function") return member;
      return (...args: unknown[]): unknown => {
        if (name === "bindFramebuffer") calls = [];
        calls.push([String(name), args]);
        if (name === "readPixels" && args[2] === 1 && args[3] === 1) drawn = calls;
        return Reflect.apply(member, gl, args);
      };
    },
  });
  return { proxy, lastDraw: () => drawn };
}

/** Runs bench/limits.mjs on the context, and gives its kernels. */
export async function runLimits(root: string, gl: WebGL2): Promise<HandWritten[]> {
  const { proxy, lastDraw } = recording(gl);
  const kernels: HandWritten[] = [];
  const restore = [
    replaceGl(root, () => proxy),
    // It says each kernel's name right after its last draw.
    replace(console, "log", (name: string) => {
      const calls = lastDraw();
      kernels.push({ name: name.trim(), draw: () => play(gl, calls) });
    }),
    // It ends its process when it is done.
    replace(process, "exit", () => undefined),
  ];
  try {
    await import(pathToFileURL(join(root, "bench/limits.mjs")).href);
  } finally {
    for (const undo of restore) undo();
  }
  return kernels;
}

function play(gl: WebGL2, calls: readonly Call[]): void {
  for (const [name, args] of calls) Reflect.apply(Reflect.get(gl, name) as () => void, gl, args);
}

/** What `require("gl")` gives, until the result is called; our own context has loaded it. */
function replaceGl(root: string, create: () => WebGL2): () => void {
  const { cache, resolve } = createRequire(join(root, "package.json"));
  return replace(cache[resolve("gl")]!, "exports", create);
}

/** Sets a member, and gives what sets it back. */
function replace(owner: object, name: string, value: unknown): () => void {
  const before: unknown = Reflect.get(owner, name);
  Reflect.set(owner, name, value);
  return () => void Reflect.set(owner, name, before);
}
