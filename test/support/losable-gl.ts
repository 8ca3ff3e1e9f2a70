/**
 * A headless context that can be lost and restored as a browser's: while it is lost, calls do nothing; restored, it is
 * another context behind the same object, where every handle of the old one is an error.
 */
import { platform } from "#platform";
import type { WebGL2 } from "../../src/runtime/gl-types.ts";

export interface LosableGl {
  readonly gl: WebGL2;
  /** Loses the context. Without `event` the page is not told yet, as in the rest of the turn a real one is lost in. */
  lose(options?: { readonly event?: boolean }): void;
  /** Tells the page of a loss; whether it asked for the context to be restored. */
  announce(): boolean;
  /** With a largest texture where it is another GPU that comes back; `lostAgain`: before the page can use it. */
  restore(options?: { readonly maxTextureSize?: number; readonly lostAgain?: boolean }): void;
  /** Objects made since the last restoration, by kind. */
  readonly made: Map<string, number>;
}

type Method = (...args: readonly unknown[]) => unknown;

const WAIT_FAILED = 0x911d;
/** What a lost context answers where not nothing. */
const lostAnswers: Readonly<Record<string, unknown>> = {
  isContextLost: true,
  getError: 0,
  clientWaitSync: WAIT_FAILED,
};

export function losableGl(): LosableGl {
  const canvas = new EventTarget();
  const made = new Map<string, number>();
  let real = context();
  let epoch = 0;
  let isLost = false;
  let largest: number | null = null;
  /** The context each object belongs to. */
  const epochs = new WeakMap<object, number>();
  const call = (name: string, args: readonly unknown[]): unknown => {
    if (isLost) return lostAnswers[name] ?? null;
    for (const arg of args) {
      if (typeof arg === "object" && arg !== null && (epochs.get(arg) ?? epoch) !== epoch) {
        throw new Error(`${name}: an object of a lost context`);
      }
    }
    if (name === "getParameter" && args[0] === real.MAX_TEXTURE_SIZE && largest !== null) return largest;
    const result = (real as unknown as Record<string, Method>)[name]!.apply(real, [...args]);
    if (typeof result === "object" && result !== null && /^create|^getUniformLocation$/.test(name)) {
      epochs.set(result, epoch);
      made.set(name, (made.get(name) ?? 0) + 1);
    }
    return result;
  };
  const gl = new Proxy({ canvas } as unknown as WebGL2, {
    get: (target, name) => {
      if (name === "canvas") return canvas;
      const value = (real as unknown as Record<PropertyKey, unknown>)[name];
      return typeof value === "function" && typeof name === "string"
        ? (...args: readonly unknown[]) => call(name, args)
        : (value ?? Reflect.get(target, name));
    },
  });
  const announce = (): boolean => {
    const event = new Event("webglcontextlost", { cancelable: true });
    canvas.dispatchEvent(event);
    return event.defaultPrevented;
  };
  return {
    gl,
    made,
    announce,
    lose: ({ event = true } = {}) => {
      isLost = true;
      if (event) announce();
    },
    restore: ({ maxTextureSize, lostAgain = false } = {}) => {
      real = context();
      largest = maxTextureSize ?? null;
      epoch++;
      made.clear();
      isLost = lostAgain;
      canvas.dispatchEvent(new Event("webglcontextrestored"));
    },
  };
}

function context(): WebGL2 {
  const result = platform.createContext();
  if (!result.ok) throw new Error(`no GL for tests: ${result.reason}; ${result.fix}`);
  return result.gl;
}
