/**
 * `node bench/start.mjs first W7 [W8 ..] [--each]`: what the first step of a workload consists of in headless GL.
 * Wall time of the engine's own work (tracing, passes, generation) and of each kind of GL call; a program's first draw,
 * in which drivers finish compiling, is waited for and set apart. `--each`: the dearest programs, one a line.
 *
 * Run it with MESA_SHADER_CACHE_DISABLE=true, or the second run finds what the first compiled.
 */
import { parseArgs } from "node:util";
import { setDevice } from "texgrad";
import { platform } from "../../src/platform/node.ts";
import { createWebglDevice } from "../../src/runtime/device.ts";
import type { WebGL2 } from "../../src/runtime/gl-types.ts";
import { SEQUENCES } from "../sequences/inputs.js";
import * as workloads from "../workloads-texgrad/index.ts";
import type { Workload } from "../workloads-texgrad/run.ts";
import { WORKLOADS } from "../workloads/inputs.js";

interface Source {
  readonly fn: string;
  readonly make: () => unknown;
}
const sources: Readonly<Record<string, Source>> = { ...WORKLOADS, ...SEQUENCES };

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { each: { type: "boolean" } } });
  const wanted = positionals.map((id) => sources[id.toLowerCase()]);
  if (wanted.length === 0 || wanted.includes(undefined)) {
    console.error(`bench first: takes some of ${Object.keys(sources).join(" ")}`);
    return 2;
  }
  for (const [i, source] of wanted.entries()) measure(positionals[i]!, source!, values.each === true);
  return 0;
}

function measure(id: string, source: Source, each: boolean): void {
  const made = platform.createContext();
  if (!made.ok) throw new Error(`bench first: no GL: ${made.reason}; ${made.fix}`);
  const clock = new Clock();
  setDevice(createWebglDevice(clock.watch(made.gl), { readsSynchronously: true }));
  const setUps = workloads as unknown as Readonly<Record<string, (inputs: unknown) => Workload>>;
  const workload = setUps[source.fn]!(source.make());
  clock.start();
  workload.step();
  workload.sync();
  const first = clock.stop();
  clock.start();
  workload.step();
  workload.sync();
  const second = clock.stop();
  for (const [name, [ms, shares]] of Object.entries({ first, second })) {
    console.log(`${id}: ${name} step ${ms.toFixed(0)} ms`);
    for (const [what, { ms, calls }] of [...shares].sort(([, a], [, b]) => b.ms - a.ms)) {
      if (ms >= 1) console.log(`${ms.toFixed(0).padStart(8)} ms  ${what}${calls > 0 ? ` (${calls})` : ""}`);
    }
  }
  if (each) clock.showPrograms();
}

interface Share {
  ms: number;
  calls: number;
}

interface ProgramTimes {
  source: string;
  compile: number;
  link: number;
  draw: number;
}

const kinds: Readonly<Record<string, string>> = {
  compileShader: "compileShader",
  linkProgram: "linkProgram",
  getProgramParameter: "asking whether it linked",
  drawArrays: "draws of programs drawn before",
  readPixels: "reading",
};

/** Times the calls made on a context. */
class Clock {
  #shares = new Map<string, Share>();
  #running = false;
  #since = 0;
  readonly #programs = new Map<object, ProgramTimes>();

  start(): void {
    this.#shares = new Map();
    this.#running = true;
    this.#since = performance.now();
  }

  stop(): readonly [ms: number, shares: ReadonlyMap<string, Share>] {
    const ms = performance.now() - this.#since;
    this.#running = false;
    const inGl = [...this.#shares.values()].reduce((sum, share) => sum + share.ms, 0);
    this.#shares.set("ours: tracing, passes, generation, host", { ms: ms - inGl, calls: 0 });
    return [ms, this.#shares];
  }

  watch(gl: WebGL2): WebGL2 {
    const sources = new Map<object, string>();
    const shaders = new Map<object, string>();
    const compiles = new Map<string, number>();
    let current: ProgramTimes | undefined;
    const drawn = new Set<ProgramTimes>();
    const seen: Record<string, (args: readonly unknown[], ms: number) => string | undefined> = {
      shaderSource: ([shader, text]) => void sources.set(shader as object, text as string),
      compileShader: ([shader], ms) => void compiles.set(sources.get(shader as object)!, ms),
      attachShader: ([program, shader]) => void shaders.set(program as object, sources.get(shader as object)!),
      linkProgram: ([program], ms) => {
        const source = shaders.get(program as object)!;
        this.#programs.set(program as object, { source, compile: compiles.get(source) ?? 0, link: ms, draw: 0 });
        return undefined;
      },
      useProgram: ([program]) => void (current = this.#programs.get(program as object)),
      drawArrays: (_, ms) => {
        if (current === undefined || drawn.has(current)) return undefined;
        drawn.add(current);
        current.draw = ms;
        return "first draws of programs";
      },
    };
    return new Proxy(gl, {
      get: (_, name) => {
        const member: unknown = Reflect.get(gl, name);
        if (typeof member !== "function" || typeof name !== "string") return member;
        return (...args: unknown[]): unknown => {
          const isDraw = name === "drawArrays" && this.#running;
          const before = performance.now();
          const result: unknown = Reflect.apply(member, gl, args);
          if (isDraw) gl.finish();
          const ms = performance.now() - before;
          this.#add(seen[name]?.(args, ms) ?? kinds[name] ?? "other GL calls", ms);
          return result;
        };
      },
    });
  }

  #add(what: string, ms: number): void {
    if (!this.#running) return;
    const share = this.#shares.get(what) ?? { ms: 0, calls: 0 };
    share.ms += ms;
    share.calls++;
    this.#shares.set(what, share);
  }

  showPrograms(): void {
    const total = (p: ProgramTimes): number => p.compile + p.link + p.draw;
    const all = [...this.#programs.values()].sort((p, q) => total(q) - total(p));
    console.log("   total  compile   link  first draw (ms)   characters  targets  fetches written");
    for (const p of all) {
      const count = (form: RegExp): number => p.source.match(form)?.length ?? 0;
      console.log(
        `${total(p).toFixed(1).padStart(8)} ${p.compile.toFixed(1).padStart(8)} ${p.link.toFixed(1).padStart(6)} ${p.draw.toFixed(1).padStart(8)}` +
          `${String(p.source.length).padStart(22)} ${String(count(/^layout\(location/gm)).padStart(8)} ${String(count(/texelFetch\(|textureLod\(/g)).padStart(8)}` +
          `  ${p.source.split("\n")[1]?.slice(0, 60)}`,
      );
    }
  }
}
