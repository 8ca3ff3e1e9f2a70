/**
 * What a page may do that Node does not need: read without waiting, print before there is anything to print, bring its
 * own context, lose it, work in a worker.
 */
import { arange, currentDevice, DeviceError, nn, ones, setDevice, tensor } from "texgrad";
import type { WebglDevice } from "../../../src/runtime/device.ts";
import { selectDevice } from "../../../src/runtime/select.ts";

/** Ten reads of different tensors, asked for at once and of all sizes. */
export async function manyReads(): Promise<number[]> {
  const sums = Array.from({ length: 10 }, (_, i) => arange((i + 1) * 1000).sum());
  return Promise.all(sums.map((sum) => sum.item()));
}

/** Reads of one tensor in every way there is. */
export async function allWays(): Promise<unknown> {
  const make = () => tensor([[1, 2, 3], [4, 5, 6]]).mul(2); // prettier-ignore
  return {
    data: [...(await make().data())],
    tolist: await make().tolist(),
    item: await make().sum().item(),
    ints: [...(await tensor([1, -2, 3], { dtype: "i32" }).mul(100_000_007).data())],
    bools: await tensor([1, -2, 3]).gt(0).tolist(),
    empty: [
      ...(await tensor([], { shape: [0, 3] })
        .add(1)
        .data()),
    ],
    dataSync: [...make().dataSync()],
    itemSync: make().mean().itemSync(),
  };
}

/** How a tensor reads before and after its values are on the host, and what print() says. */
export async function printing(): Promise<{ readonly before: string; readonly after: string }> {
  const t = tensor([1, 2, 3]).add(0.5);
  const before = String(t);
  await t.print();
  return { before, after: String(t) };
}

/** While a read is on its way, how many other tasks the page got done. */
export async function tasksDuringRead(): Promise<number> {
  let tasks = 0;
  let reading = true;
  const count = (): void => {
    tasks += 1;
    if (reading) setTimeout(count);
  };
  setTimeout(count);
  const x = ones([512, 512]);
  await x.matmul(x).matmul(x).sum().item();
  reading = false;
  return tasks;
}

const SIDE = 8;

/** Clears the canvas with a colour by a program of the page's own, and reads a pixel back. */
function paint(gl: WebGL2RenderingContext): number[] {
  const shader = (type: number, body: string): WebGLShader => {
    const made = gl.createShader(type)!;
    gl.shaderSource(made, `#version 300 es\nprecision highp float;\n${body}`);
    gl.compileShader(made);
    return made;
  };
  const program = gl.createProgram();
  const corner = "vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0";
  gl.attachShader(program, shader(gl.VERTEX_SHADER, `void main() { gl_Position = vec4(${corner}, 0, 1); }`));
  gl.attachShader(program, shader(gl.FRAGMENT_SHADER, "out vec4 c; void main() { c = vec4(0.2, 0.4, 0.6, 1); }"));
  gl.linkProgram(program);
  gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  gl.viewport(0, 0, SIDE, SIDE);
  gl.useProgram(program);
  gl.drawArrays(gl.TRIANGLES, 0, 3);
  const pixel = new Uint8Array(4);
  gl.readPixels(SIDE / 2, SIDE / 2, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
  return [...pixel];
}

/** A context of the page's, which draws with it before, between and after the library's work. */
export async function ownContext(): Promise<unknown> {
  const before = currentDevice();
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const gl = canvas.getContext("webgl2")!;
  const pixels = [paint(gl)];
  // gl-types.ts declares the part of WebGL2 that the runtime uses; a browser's context has it all.
  const device = selectDevice({ device: "webgl", gl }) as WebglDevice;
  setDevice(device);
  const work = () => arange(1000).mul(2).add(1).sum().item();
  const sums = [await work()];
  for (let i = 0; i < 2; i++) {
    pixels.push(paint(gl));
    device.forgetState();
    sums.push(await work());
  }
  const sameContext = device.gl === gl;
  setDevice(before);
  device.dispose();
  pixels.push(paint(gl));
  return { sums, pixels, sameContext, error: gl.getError() };
}

/** The context is lost in the middle; a new device goes on from what was saved. */
export async function lostContext(): Promise<unknown> {
  const before = currentDevice();
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2")!;
  setDevice(selectDevice({ device: "webgl", gl }));
  const net = new nn.Linear(3, 2);
  const x = tensor([[1, 2, 3]]);
  const out = await net.forward(x).tolist();
  const saved = await Promise.all(
    Object.entries(net.stateDict()).map(async ([k, t]) => [k, await t.tolist()] as const),
  );
  gl.getExtension("WEBGL_lose_context")!.loseContext();
  const errors = await Promise.all([
    failure(() => net.forward(x).item()),
    failure(() => net.forward(x).tolist()),
    failure(() => tensor([1]).add(1).item()),
  ]);
  setDevice(before);
  const next = new nn.Linear(3, 2);
  next.loadStateDict(Object.fromEntries(saved.map(([k, values]) => [k, tensor(values as number[])])));
  return { out, again: await next.forward(x).tolist(), errors };
}

async function failure(f: () => Promise<unknown>): Promise<string> {
  try {
    await f();
    return "no error";
  } catch (error) {
    return error instanceof DeviceError ? `DeviceError: ${error.message}` : String(error);
  }
}

/** The same module in a worker: its device and a result. */
export async function inWorker(): Promise<unknown> {
  const worker = new Worker(new URL("/reading-worker.js", location.href), { type: "module" });
  const answer = await new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
  });
  worker.terminate();
  return answer;
}

/** The device users get when they say nothing, and a result of it. */
export async function defaultDevice(): Promise<unknown> {
  const sum = await arange(1000).mul(2).sum().item();
  return { device: currentDevice().name, sum };
}
