/** The server's doors: who is let in, what is taken from those who are, and that others do not notice. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket, type ClientOptions } from "ws";
import { createServer, createToken, type ServerOptions, type TrainingServer } from "texgrad/distributed/server";
import { connectGroup, type ProcessGroup } from "../../src/distributed/group.ts";
import { readServerMessage, type ServerMessage } from "../../src/distributed/messages.ts";
import { Disk } from "../../src/distributed/server/disk.ts";
import { verifyToken } from "../../src/distributed/server/token.ts";
import { decodeFrame, encodeControl, encodeFrame, MAX_FRAME_BYTES } from "../../src/distributed/wire.ts";
import { selectDevice, setDevice, tensor } from "texgrad";
import { initialState, momentumSgd, randomNumbers, smallModel } from "./simulation.ts";

setDevice(selectDevice({ device: "cpu" }));

const SECRET = "a secret of the tests, long enough";
const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function serve(options: ServerOptions = {}): Promise<TrainingServer> {
  const server = await createServer(options);
  open.push(() => server.close());
  return server;
}

/** How a connection ends: an HTTP status, a close code, or "open". */
function attempt(url: string, protocols: readonly string[], options: ClientOptions = {}): Promise<number | "open"> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, [...protocols], options);
    open.push(() => socket.terminate());
    socket.on("unexpected-response", (_, response) => resolve(response.statusCode ?? 0));
    socket.on("open", () => resolve("open"));
    socket.on("close", (code) => resolve(code));
    socket.on("error", () => {});
  });
}

const get = (server: TrainingServer, path: string, token = ""): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    const headers = token === "" ? {} : { authorization: `Bearer ${token}` };
    request({ port: server.port, path, headers }, (answer) => {
      let text = "";
      answer.on("data", (part: Buffer) => (text += part.toString()));
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text }));
    })
      .on("error", reject)
      .end();
  });

describe("tokens", () => {
  const now = Date.parse("2026-01-01");
  const token = createToken(SECRET, { run: "mnist", name: "ada", seconds: 60, now });
  test("allow what they say until they expire", () => {
    expect(verifyToken(SECRET, token, now)).toMatchObject({ run: "mnist", name: "ada" });
    expect(verifyToken(SECRET, token, now + 61_000)).toBe("the token has expired");
  });
  test.each([
    ["another secret", "another secret, as long as the first", token],
    ["a changed body", SECRET, `x${token}`],
    ["no mac", SECRET, token.split(".")[0]!],
    ["an empty mac", SECRET, `${token.split(".")[0]}.`],
    ["nothing", SECRET, ""],
    ["a long text", SECRET, "x".repeat(5000)],
  ])("allow nothing with %s", (_, secret, given) => expect(verifyToken(secret, given, now)).toBeTypeOf("string"));
  test("take a secret that cannot be guessed, and names that make no paths", () => {
    expect(() => createToken("short", { run: "a" })).toThrow("16 or more");
    expect(() => createToken(SECRET, { run: "../x" })).toThrow("letters, digits");
  });
});

describe("before the upgrade", () => {
  test("a token of the run is asked for", async () => {
    const server = await serve({ secret: SECRET });
    const url = server.url("mnist");
    const good = server.token({ run: "mnist" });
    expect(await attempt(url, ["texgrad.v1", `token.${good}`])).toBe("open");
    expect(await attempt(url, ["texgrad.v1"])).toBe(401);
    expect(await attempt(url, ["texgrad.v1", `token.${server.token({ run: "other" })}`])).toBe(403);
    expect(await attempt(url, ["texgrad.v1", `token.${server.token({ run: "mnist", seconds: -1 })}`])).toBe(401);
    expect(await attempt(url, [`token.${good}`])).toBe(400);
    expect(await attempt(url.replace("/runs/mnist", "/"), ["texgrad.v1", `token.${good}`])).toBe(404);
    expect(await attempt(url.replace("mnist", "..%2f"), ["texgrad.v1", `token.${good}`])).toBe(404);
  });

  test("pages of other origins are refused, those of the list and of the server itself not", async () => {
    const own = await serve();
    const self = `http://127.0.0.1:${own.port}`;
    expect(await attempt(own.url(), ["texgrad.v1"], { origin: self })).toBe("open");
    expect(await attempt(own.url(), ["texgrad.v1"], { origin: "https://evil.example" })).toBe(403);
    const listed = await serve({ origins: ["https://good.example"] });
    expect(await attempt(listed.url(), ["texgrad.v1"], { origin: "https://good.example" })).toBe("open");
    expect(await attempt(listed.url(), ["texgrad.v1"], { origin: `http://127.0.0.1:${listed.port}` })).toBe(403);
  });

  test("connections and runs are limited", async () => {
    const server = await serve({ maxPerAddress: 2, maxRuns: 1 });
    expect(await attempt(server.url(), ["texgrad.v1"])).toBe("open");
    expect(await attempt(server.url("other"), ["texgrad.v1"])).toBe(503);
    expect(await attempt(server.url(), ["texgrad.v1"])).toBe("open");
    expect(await attempt(server.url(), ["texgrad.v1"])).toBe(503);
  });

  test("a worker is told why, and does not try again", async () => {
    const server = await serve({ secret: SECRET });
    await expect(connectGroup({ url: server.url(), token: "no" })).rejects.toThrow(/401: the token is not of the form/);
    await expect(connectGroup({ url: "ws://127.0.0.1:1/runs/x", patienceMs: 1 })).rejects.toThrow(/no answer/);
    await expect(connectGroup({ url: "nonsense" })).rejects.toThrow(/nonsense/);
  });
});

/** A connection by hand, with what the server says on it. */
class Peer {
  readonly socket: WebSocket;
  readonly said: ServerMessage[] = [];
  readonly closed: Promise<number>;
  #look = (): void => {};

  constructor(server: TrainingServer) {
    this.socket = new WebSocket(server.url(), ["texgrad.v1"]);
    open.push(() => this.socket.terminate());
    this.socket.on("message", (data: Buffer) => {
      const frame = decodeFrame(new Uint8Array(data));
      if (frame.type === "control") this.said.push(readServerMessage(frame));
      this.#look();
    });
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => this.socket.on("close", resolve));
  }
  async ready(): Promise<this> {
    await new Promise((resolve) => this.socket.on("open", resolve));
    return this;
  }
  async hear<K extends ServerMessage["kind"]>(kind: K): Promise<Extract<ServerMessage, { readonly kind: K }>> {
    for (;;) {
      const found = this.said.find((m) => m.kind === kind);
      if (found !== undefined) return found as Extract<ServerMessage, { readonly kind: K }>; // by its kind
      await new Promise<void>((resolve) => (this.#look = resolve));
    }
  }
  say(message: object): void {
    this.socket.send(encodeControl(0, message));
  }
  hello(): void {
    this.say({ kind: "hello", name: "by hand", session: null, at: null });
  }
}

const data = { length: 100, epochs: 1, shuffle: false, seed: 0 };

/** A worker that behaves, for as long as there are samples. */
async function goodWorker(server: TrainingServer): Promise<{ group: ProcessGroup; run: Promise<number> }> {
  const group = await connectGroup({ url: server.url(), patienceMs: 5000 });
  open.push(() => group.destroy());
  const plan = { model: smallModel, codec: "f32" as const, data };
  group.participant.register(plan, 10, initialState(plan));
  const run = (async () => {
    let steps = 0;
    for (;;) {
      const w = await group.participant.next();
      if (w === null) return steps;
      const values = new Float32Array(group.participant.layout.size).fill(0.5);
      const samples = w.lease!.reduce((n, [a, b]) => n + b - a, 0);
      const { counted } = await group.participant.contribute(w, {
        values,
        samples,
        loss: 1,
        update: momentumSgd(smallModel),
      });
      if (counted) steps++;
    }
  })();
  return { group, run };
}

describe("after the upgrade", () => {
  const hurt: readonly (readonly [string, number, (peer: Peer) => void])[] = [
    ["text", 1003, (p) => p.socket.send("hello")],
    ["a frame that is too long", 1009, (p) => p.socket.send(new Uint8Array(MAX_FRAME_BYTES + 1))],
    ["noise", 1008, (p) => p.socket.send(new Uint8Array(100))],
    [
      "a gradient before hello",
      1008,
      (p) => p.socket.send(encodeFrame({ type: "grad", count: 1, payload: new Uint8Array(4) })),
    ],
    ["a message out of turn", 1008, (p) => p.say({ kind: "ready", step: 0 })],
    ["hello twice", 1008, (p) => (p.hello(), p.hello())],
    ["a message of the server", 1008, (p) => p.say({ kind: "finish" })],
    [
      "another model",
      1008,
      (p) => {
        p.hello();
        const model = { ...smallModel, params: [{ name: "fc.bias", shape: [21] }, ...smallModel.params.slice(1)] };
        p.say({ kind: "register", model, data, codec: "f32", batch: 1 });
      },
    ],
  ];
  test("what may not be said closes the connection it came on, and no other", async () => {
    const server = await serve();
    const { run } = await goodWorker(server);
    for (const [name, code, act] of hurt) {
      const peer = await new Peer(server).ready();
      act(peer);
      expect(await peer.closed, name).toBe(code);
    }
    expect(await run).toBe(10);
  });

  test("a worker with another model is told the first parameter that differs", async () => {
    const server = await serve({ room: { minWorkers: 2 } });
    await goodWorker(server);
    const peer = await new Peer(server).ready();
    hurt.at(-1)![2](peer);
    expect((await peer.hear("refused")).reason).toContain(
      "parameter 0 is fc.bias [20] in this run and fc.bias [21] in the worker",
    );
  });

  test("values that are no numbers, wrong chunks and wrong counts cost their sender the step, and nobody else", async () => {
    const server = await serve({ room: { minWorkers: 2 } });
    const { run } = await goodWorker(server);
    const bad = await new Peer(server).ready();
    bad.hello();
    bad.say({ kind: "register", model: smallModel, data, codec: "f32", batch: 10 });
    const heal = await bad.hear("heal");
    bad.say({ kind: "applied", step: heal.step, hash: heal.hash });
    bad.say({ kind: "ready", step: 0 });
    const { step } = await bad.hear("open");
    const { term, slot } = await bad.hear("welcome");
    const payload = new Uint8Array(new Float32Array(500).fill(NaN).buffer);
    bad.socket.send(encodeFrame({ type: "grad", term, step, bucket: 0, count: 500, slot, payload }));
    const { roster } = await bad.hear("abort");
    expect(roster).not.toContain(slot);
    bad.socket.send(encodeFrame({ type: "grad", term, step: step + 7, bucket: 0, count: 500, slot, payload }));
    bad.say({ kind: "leave" });
    expect(await run).toBe(10);
    const { metrics } = server.rooms.get("default")!;
    expect(metrics).toMatchObject({ notFinite: 1, samples: 100 });
  });

  test("20,000 mutated messages: refused one by one, and a run goes on beside them", async () => {
    const server = await serve({ maxPerAddress: 1000, maxConnections: 1000, room: { maxWorkers: 1000, sessionMs: 1 } });
    const { run } = await goodWorker(server);
    const random = randomNumbers(7);
    const seeds = [
      encodeControl(0, { kind: "hello", name: "x", session: null, at: null }),
      encodeControl(0, { kind: "register", model: smallModel, data, codec: "f32", batch: 3 }),
      encodeControl(0, { kind: "end", step: 1, attempt: 0, samples: 3, loss: 0, update: momentumSgd(smallModel) }),
      encodeControl(0, { kind: "collect", seq: 0, count: 3, root: null }),
      encodeControl(0, { kind: "pull", step: 0, offset: 0 }),
      encodeFrame({ type: "grad", step: 1, count: 3, payload: new Uint8Array(12) }),
      encodeFrame({ type: "state", step: 0, count: 3, payload: new Uint8Array(12) }),
    ];
    let sent = 0;
    while (sent < 20_000) {
      const peer = await new Peer(server).ready();
      for (let i = 0; i < 200 && peer.socket.readyState === WebSocket.OPEN; i++) {
        const bytes = seeds[i === 0 ? 0 : random(seeds.length)]!.slice();
        const changes = i === 0 ? 0 : random(3);
        for (let k = 0; k < changes; k++) bytes[random(bytes.length)] = random(256);
        peer.socket.send(bytes.subarray(0, random(9) === 0 ? random(bytes.length + 1) : bytes.length));
        sent++;
      }
      peer.socket.terminate();
      await peer.closed;
    }
    expect(await run).toBeGreaterThan(0);
    expect((await get(server, "/healthz")).text).toBe("ok\n");
  });

  test("who says nothing after the upgrade, or never ends a request, is closed", { timeout: 20_000 }, async () => {
    const server = await serve();
    const silent = await new Peer(server).ready();
    const slow = connect(server.port, "127.0.0.1", () => slow.write("GET /healthz HTTP/1.1\r\nHost: x\r\n"));
    slow.on("error", () => {});
    const began = performance.now();
    expect(await silent.closed).toBe(1008);
    // 5 s, looked at once a second.
    expect(performance.now() - began).toBeLessThan(8000);
    slow.destroy();
  });
});

describe("collectives", () => {
  test("allReduce, broadcast and barrier", async () => {
    const server = await serve();
    const groups = await Promise.all([0, 1, 2].map(() => connectGroup({ url: server.url() })));
    open.push(...groups.map((g) => () => g.destroy()));
    const sums = await Promise.all(groups.map((g) => g.allReduce(tensor([g.rank + 1, 0.5]))));
    for (const sum of sums) expect(await sum.tolist()).toEqual([6, 1.5]);
    const means = await Promise.all(groups.map((g) => g.allReduce(tensor([g.rank + 1, 0.5]), { op: "mean" })));
    expect(await means[2]!.tolist()).toEqual([2, 0.5]);
    const root = groups[1]!.rank;
    const same = await Promise.all(groups.map((g) => g.broadcast(tensor([[g.rank], [g.rank * 10]]), root)));
    for (const t of same) expect(await t.tolist()).toEqual([[root], [root * 10]]);
    await Promise.all(groups.map((g) => g.barrier()));
    expect(groups[0]!.worldSize).toBe(3);
    await expect(groups[0]!.broadcast(tensor([1]), 9)).rejects.toThrow("no member 9");
  });

  test("go on when a member leaves, and say so when members disagree", async () => {
    const server = await serve();
    const groups = await Promise.all([0, 1, 2].map(() => connectGroup({ url: server.url() })));
    open.push(...groups.map((g) => () => g.destroy()));
    const large = (rank: number): Float32Array => new Float32Array(200_000).fill(rank + 1);
    const left = groups[1]!.rank + 1 + groups[2]!.rank + 1;
    const waiting = [1, 2].map((i) => groups[i]!.allReduce(tensor(large(groups[i]!.rank))));
    groups[0]!.destroy();
    for (const sum of await Promise.all(waiting)) expect((await sum.data())[199_999]).toBe(left);
    const wrong = [groups[1]!.allReduce(tensor([1])), groups[2]!.allReduce(tensor([1, 2]))];
    for (const w of await Promise.allSettled(wrong))
      expect(String((w as PromiseRejectedResult).reason)).toContain("disagree");
  });
});

describe("watching", () => {
  test("metrics, status, health and the dashboard", async () => {
    const server = await serve();
    const { run } = await goodWorker(server);
    await run;
    const { text } = await get(server, "/metrics");
    expect(text).toContain('texgrad_steps_committed_total{run="default"} 10');
    expect(text).toMatch(/texgrad_step_seconds_bucket\{run="default",le="\+Inf"\} 10/);
    const [status] = JSON.parse((await get(server, "/status.json")).text) as { step: number; workers: unknown[] }[];
    expect(status).toMatchObject({ step: 10, isFinished: true, loss: 1 });
    expect((await get(server, "/")).text).toContain("<title>texgrad training</title>");
    expect((await get(server, "/nothing")).status).toBe(404);
  });

  test("takes a token where there is a secret", async () => {
    const server = await serve({ secret: SECRET });
    expect((await get(server, "/healthz")).status).toBe(200);
    expect((await get(server, "/metrics")).status).toBe(401);
    expect((await get(server, "/metrics", server.token({}))).status).toBe(200);
    expect((await get(server, `/status.json?token=${server.token({})}`)).status).toBe(200);
  });
});

describe("the disk", () => {
  test("keeps terms, steps and the newest two snapshots, and passes over one that is not whole", async () => {
    const folder = mkdtempSync(join(tmpdir(), "texgrad-disk-"));
    open.push(() => rmSync(folder, { recursive: true }));
    const plan = { model: smallModel, codec: "f32" as const, data };
    const disk = new Disk(folder);
    disk.commit(7, 123);
    for (const step of [1, 2, 3]) {
      disk.save(
        { plan, state: { ...initialState(plan, step), step }, left: { epoch: 0, ranges: [[step, 100]] } },
        (e) => {
          throw e;
        },
      );
      await disk.written();
    }
    await disk.close();
    const names = readdirSync(folder).filter((name) => name.endsWith(".snapshot"));
    expect(names.length).toBe(2);
    writeFileSync(join(folder, "step-0000000009.snapshot"), "half of it");
    const again = new Disk(folder);
    expect([again.lastTerm, again.lastStep]).toEqual([7, 123]);
    const { saved, faults } = again.load();
    expect(saved).toEqual({
      plan,
      state: { ...initialState(plan, 3), step: 3 },
      left: { epoch: 0, ranges: [[3, 100]] },
    });
    expect(faults).toHaveLength(1);
    await again.close();
  });
});
