/**
 * Workers that compute nothing, all in one process: MODE PORT WORKERS ELEMENTS STEPS CODEC. Frames are made once; in
 * each step they are sent, at most a window ahead of the sums, and the sums are thrown away. Says the ms of each step.
 */
import { WebSocket } from "ws";
import { checkCodec, codecs } from "../../src/distributed/codec.ts";
import { modelLayout } from "../../src/distributed/layout.ts";
import {
  readServerMessage,
  type ModelInfo,
  type UpdateSpec,
  type WorkerMessage,
} from "../../src/distributed/messages.ts";
import { hashOf } from "../../src/distributed/replica.ts";
import { offerOf, stateFrame } from "../../src/distributed/transfer.ts";
import { decodeFrame, encodeControl, encodeFrame } from "../../src/distributed/wire.ts";

const [mode = "texgrad", port = "0", workers = "8", elements = "0", steps = "10", codecName = "f32"] =
  process.argv.slice(2);
const size = Number(elements);
const last = Number(steps);
const codec = checkCodec(codecName);
const WINDOW = 8;

const model: ModelInfo = { params: [{ name: "w", shape: [size] }], buffers: [], fixed: [] };
const layout = modelLayout(model, codec);
const values = Float32Array.from({ length: size }, (_, i) => Math.sin(i) * 1e-3);
const state = { step: 0, arrays: [values, new Float32Array(0)] };
hashOf(state.arrays);
/** Shared by all: only the header differs. */
const payloads = layout.chunks.map((c) => codecs[codec].encode(values.subarray(c.at, c.at + c.count)));
const update: UpdateSpec = [
  {
    rule: "momentumStep",
    flags: { nesterov: false, decay: false },
    settings: [0.1, 0.9, 1],
    initial: [0],
    params: [[0, 1]],
  },
];

const times: number[] = [];
let began = 0;
let bytesUp = 0;

class Client {
  readonly #socket: WebSocket;
  readonly #done: () => void;
  #frames: Uint8Array[] = [];
  #step = 0;
  #term = 0;
  #sent = 0;
  #summed = 0;
  readonly isFirst: boolean;

  constructor(url: string, isFirst: boolean, done: () => void) {
    this.isFirst = isFirst;
    this.#done = done;
    this.#socket = new WebSocket(url, mode === "raw" ? [] : ["texgrad.v1"], { perMessageDeflate: false });
    this.#socket.on("message", (data: Buffer) => this.#receive(data));
    this.#socket.on("open", () => {
      if (mode !== "raw") this.#say({ kind: "hello", name: "bench", session: null, at: null });
    });
  }
  begin(): void {
    this.#make(0);
    this.#next();
  }
  #say(message: WorkerMessage): void {
    this.#socket.send(encodeControl(this.#term, message));
  }
  #make(slot: number): void {
    this.#frames = layout.chunks.map(({ bucket, offset, at, count }, i) => {
      const payload = payloads[i]!;
      const place = mode === "raw" ? { offset: at } : { bucket, offset };
      return encodeFrame({ type: "grad", term: this.#term, slot, count, codec, payload, ...place });
    });
  }
  #next(): void {
    if (this.isFirst) {
      const now = performance.now();
      if (this.#step > 0) times.push(now - began);
      began = now;
    }
    if (this.#step === last) return this.#done();
    this.#step += 1;
    this.#sent = this.#summed = 0;
    this.#pump();
  }
  #pump(): void {
    for (; this.#sent < Math.min(this.#frames.length, this.#summed + WINDOW); this.#sent++) {
      const frame = this.#frames[this.#sent]!;
      new DataView(frame.buffer, frame.byteOffset).setUint32(8, this.#step, true);
      bytesUp += frame.byteLength;
      this.#socket.send(frame);
      if (this.#sent + 1 === this.#frames.length && mode !== "raw") {
        this.#say({ kind: "end", step: this.#step, attempt: 0, samples: 1, loss: 0, update });
      }
    }
  }
  #receive(data: Buffer): void {
    if (mode === "raw") {
      this.#summed += 1;
      if (this.#summed === this.#frames.length) this.#next();
      else this.#pump();
      return;
    }
    const frame = decodeFrame(new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength));
    if (frame.type === "sum") {
      this.#summed += 1;
      this.#pump();
      return;
    }
    if (frame.type !== "control") return this.#pulled(frame.offset + frame.count);
    const message = readServerMessage(frame);
    switch (message.kind) {
      case "welcome":
        this.#term = message.term;
        this.#make(message.slot);
        this.#say({
          kind: "register",
          model,
          data: { length: 1e6, epochs: 1e6, shuffle: false, seed: 0 },
          codec,
          batch: 1,
        });
        break;
      case "donate":
        this.#say({ kind: "donation", ...offerOf(state), left: null });
        break;
      case "pull":
        this.#socket.send(stateFrame(state, this.#term, message.offset));
        break;
      case "heal":
        this.#offer = message;
        this.#pulled(0);
        break;
      case "keep":
        this.#say({ kind: "ready", step: 0 });
        break;
      case "open":
        if (message.step !== this.#step + 1) throw new Error(`step ${message.step} after ${this.#step}`);
        this.#next();
        break;
      case "refused":
        throw new Error(message.reason);
      default:
    }
  }
  #offer: { readonly step: number; readonly count: number; readonly hash: string } | null = null;
  /** Pulls a state one chunk at a time, and believes it. */
  #pulled(offset: number): void {
    const { step, count, hash } = this.#offer!;
    if (offset < count) return this.#say({ kind: "pull", step, offset });
    this.#say({ kind: "applied", step, hash });
    this.#say({ kind: "ready", step });
  }
}

const url = `ws://127.0.0.1:${port}/runs/bench`;
let left = Number(workers);
const clients = Array.from({ length: left }, (_, i) => {
  return new Client(url, i === 0, () => {
    if (--left > 0) return;
    console.log(JSON.stringify({ times, bytesUp }));
    process.exit(0);
  });
});
if (mode === "raw") {
  await new Promise((resolve) => setTimeout(resolve, 500));
  for (const client of clients) client.begin();
}
