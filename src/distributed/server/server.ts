/**
 * The training server: WebSocket connections, the clock and the disk around rooms, which decide everything (room.ts).
 *
 * Whoever is refused is refused before the upgrade: by Origin, by token, by the number of connections. Afterwards a
 * connection that does not say hello, sends text, floods, stops answering or stops reading is closed. What peers send is
 * never evaluated.
 */
import { randomBytes } from "node:crypto";
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { WebSocketServer, type WebSocket } from "ws";
import { TexgradError } from "../../ir/errors.ts";
import { Room, type RoomAction, type RoomOptions } from "../room.ts";
import { MAX_FRAME_BYTES } from "../wire.ts";
import { dashboardPage } from "./dashboard.ts";
import { Disk } from "./disk.ts";
import { joinPage, joinWorker } from "./join.ts";
import { metricsText, runStatus } from "./metrics-text.ts";
import { checkSecret, createToken, isRunName, verifyToken } from "./token.ts";

export interface ServerOptions {
  /** Signs tokens. Without one every connection from this machine is let in, and none from elsewhere. */
  readonly secret?: string;
  /** A server of the caller's to listen on, e.g. one of https; it stays the caller's. */
  readonly http?: Server;
  /** Default 127.0.0.1: this machine only. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Pages that may open connections, e.g. "https://example.org". Programs send no Origin. Default: this server's own. */
  readonly origins?: readonly string[];
  /** Where runs are kept; without one they live as long as the server or a worker does. */
  readonly folder?: string;
  /** For every run. */
  readonly room?: Omit<Partial<RoomOptions>, "term" | "newSession" | "saved" | "lastStep">;
  /** Default 256, and 64 from one address. */
  readonly maxConnections?: number;
  readonly maxPerAddress?: number;
  /** Runs there may be at once. Default 16. */
  readonly maxRuns?: number;
  /**
   * A module, bundled for browsers, that exports `train({ url, token, report })`: whoever opens /join runs it
   * (join.ts). Default none: there is no such page.
   */
  readonly page?: string;
  /** One line of JSON an event. Default none. */
  readonly log?: (line: string) => void;
}

export interface TrainingServer {
  readonly port: number;
  /** For workers: ws://host:port/runs/NAME. */
  url(run?: string): string;
  /** A token for a worker; throws without a secret. */
  token(options: { readonly run?: string; readonly name?: string; readonly seconds?: number }): string;
  readonly rooms: ReadonlyMap<string, Room>;
  /** Closes every connection and, unless it is the caller's, the http server; snapshots under way are written. */
  close(): Promise<void>;
}

const PROTOCOL = "texgrad.v1";
const TICK_MS = 50;
const PING_MS = 5000;
/** Pings a peer may leave unanswered. */
const MISSED_PINGS = 2;
const HELLO_MS = 5000;
/** Bytes waiting for a peer that does not read, and for how long. */
const STALL_BYTES = 8 * 2 ** 20;
const STALL_MS = 10_000;
/** Messages and pings of one peer in a second. At 1 GB/s of 256 KiB chunks there are 4,000. */
const MAX_MESSAGES = 20_000;
const MAX_PINGS = 20;
const LOOPBACK = new Set(["127.0.0.1", "::1", "::ffff:127.0.0.1"]);

interface Peer {
  readonly id: number;
  readonly socket: WebSocket;
  readonly address: string;
  readonly run: string;
  readonly since: number;
  hasSaidHello: boolean;
  missed: number;
  messages: number;
  pings: number;
  stalledSince: number | null;
}

/** A run with what it keeps. */
interface Place {
  readonly room: Room;
  readonly term: number;
  readonly disk: Disk | null;
  readonly peers: Map<number, Peer>;
  isSettling: boolean;
}

export async function createServer(options: ServerOptions = {}): Promise<TrainingServer> {
  const server = new RunServer(options);
  await server.listen();
  return server;
}

class RunServer implements TrainingServer {
  readonly #options: ServerOptions;
  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  readonly #places = new Map<string, Place>();
  readonly #perAddress = new Map<string, number>();
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void =>
    this.#upgrade(request, socket, head);
  #connections = 0;
  #nextPeer = 1;

  constructor(options: ServerOptions) {
    if (options.secret !== undefined) checkSecret(options.secret);
    this.#options = options;
    this.#http = options.http ?? createHttpServer((request, response) => this.#answer(request, response));
    if (options.http === undefined) {
      this.#http.headersTimeout = 5000;
      this.#http.requestTimeout = 10_000;
    }
    this.#sockets = new WebSocketServer({
      noServer: true,
      // Gradients do not compress, and a deflate context a peer costs memory.
      perMessageDeflate: false,
      maxPayload: MAX_FRAME_BYTES,
      handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false),
    });
  }

  get port(): number {
    return (this.#http.address() as AddressInfo | null)?.port ?? 0;
  }
  get rooms(): ReadonlyMap<string, Room> {
    return new Map([...this.#places].map(([run, { room }]) => [run, room]));
  }

  url(run = "default"): string {
    const { host = "127.0.0.1" } = this.#options;
    return `ws://${host.includes(":") ? `[${host}]` : host}:${this.port}/runs/${run}`;
  }

  token({ run = "default", ...rest }: Parameters<TrainingServer["token"]>[0]): string {
    const { secret } = this.#options;
    if (secret === undefined) throw new TexgradError("token: this server has no secret, and asks for no token");
    return createToken(secret, { run, ...rest });
  }

  async listen(): Promise<void> {
    const { http, host = "127.0.0.1", port = 0 } = this.#options;
    this.#http.on("upgrade", this.#onUpgrade);
    if (http === undefined) {
      await new Promise<void>((resolve, reject) => {
        this.#http.once("error", reject);
        this.#http.listen(port, host, () => {
          this.#http.off("error", reject);
          resolve();
        });
      });
    }
    this.#timers.push(
      setInterval(() => this.#tick(), TICK_MS),
      setInterval(() => this.#ping(), PING_MS),
    );
    this.#timers.push(setInterval(() => this.#look(), 1000));
    this.#log("listening", { port: this.port });
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#http.off("upgrade", this.#onUpgrade);
    for (const { peers } of this.#places.values()) for (const { socket } of peers.values()) socket.terminate();
    this.#sockets.close();
    for (const { disk, room } of this.#places.values()) {
      const saved = disk === null ? null : room.save();
      if (saved !== null) disk?.save(saved, (error) => this.#log("save failed", { error: String(error) }));
      await disk?.close();
    }
    if (this.#options.http === undefined) await new Promise<void>((resolve) => this.#http.close(() => resolve()));
  }

  #log(event: string, fields: Readonly<Record<string, unknown>>): void {
    this.#options.log?.(JSON.stringify({ time: new Date().toISOString(), event, ...fields }));
  }

  // Letting in.

  /** Why a request may not become a connection: an HTTP status and a line; or the run it is for. */
  #admit(request: IncomingMessage): { readonly run: string } | readonly [status: number, reason: string] {
    const { maxConnections = 256, maxPerAddress = 64, secret, maxRuns = 16 } = this.#options;
    const address = request.socket.remoteAddress ?? "";
    if (this.#connections >= maxConnections || (this.#perAddress.get(address) ?? 0) >= maxPerAddress) {
      return [503, "too many connections"];
    }
    const origin = request.headers.origin;
    if (origin !== undefined && !this.#isAllowed(origin, request.headers.host)) return [403, `origin ${origin}`];
    const run = /^\/runs\/([^/?]+)$/.exec(request.url ?? "")?.[1];
    if (run === undefined || !isRunName(run)) return [404, "connections are to /runs/NAME"];
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((p) => p.trim());
    if (!offered.includes(PROTOCOL)) return [400, `the subprotocol is ${PROTOCOL}`];
    if (secret === undefined) {
      if (!LOOPBACK.has(address)) return [401, "this server has no secret, and lets in this machine only"];
    } else {
      const token = offered.find((p) => p.startsWith("token."))?.slice("token.".length) ?? "";
      const claims = verifyToken(secret, token, Date.now());
      if (typeof claims === "string") return [401, claims];
      if (claims.run !== run) return [403, `the token is for run ${claims.run}`];
    }
    if (!this.#places.has(run) && this.#places.size >= maxRuns) return [503, `there are ${maxRuns} runs`];
    return { run };
  }

  #isAllowed(origin: string, host: string | undefined): boolean {
    const { origins } = this.#options;
    if (origins !== undefined) return origins.includes(origin);
    return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    const admitted = this.#admit(request);
    if (!("run" in admitted)) {
      const [status, reason] = admitted;
      this.#log("not admitted", { status, reason, address: request.socket.remoteAddress });
      const text = `${reason}\n`;
      socket.end(
        `HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
      );
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (ws) => this.#accept(ws, request, admitted.run));
  }

  #accept(socket: WebSocket, request: IncomingMessage, run: string): void {
    const place = this.#place(run);
    const address = request.socket.remoteAddress ?? "";
    const peer: Peer = {
      id: this.#nextPeer++,
      socket,
      address,
      run,
      since: performance.now(),
      hasSaidHello: false,
      missed: 0,
      messages: 0,
      pings: 0,
      stalledSince: null,
    };
    place.peers.set(peer.id, peer);
    this.#connections += 1;
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
    socket.on("message", (data: Buffer, isBinary) => {
      if (!isBinary) return socket.close(1003, "binary messages only");
      if (++peer.messages > MAX_MESSAGES) return socket.close(1008, "too many messages");
      const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
      try {
        this.#act(place, place.room.handle({ kind: "frame", peer: peer.id, bytes }, performance.now()));
      } catch (error) {
        // A fault of ours. One peer's frame must not end everybody's run: the peer goes, its step goes on without it.
        this.#log("internal error", {
          run,
          peer: peer.id,
          error: error instanceof Error ? error.stack : String(error),
        });
        socket.terminate();
      }
      peer.hasSaidHello ||= place.room.members.ofPeer(peer.id) !== undefined;
    });
    socket.on("ping", () => {
      if (++peer.pings > MAX_PINGS) socket.terminate();
    });
    socket.on("pong", () => (peer.missed = 0));
    socket.on("error", (error) => this.#log("connection", { run, peer: peer.id, error: error.message }));
    socket.on("close", () => {
      place.peers.delete(peer.id);
      this.#connections -= 1;
      const left = this.#perAddress.get(address)! - 1;
      if (left === 0) this.#perAddress.delete(address);
      else this.#perAddress.set(address, left);
      this.#act(place, place.room.handle({ kind: "close", peer: peer.id }, performance.now()));
    });
    this.#act(place, place.room.handle({ kind: "open", peer: peer.id }, performance.now()));
  }

  #place(run: string): Place {
    const known = this.#places.get(run);
    if (known !== undefined) return known;
    const { folder, room: options = {} } = this.#options;
    const disk = folder === undefined ? null : new Disk(join(folder, run));
    const { saved, faults } = disk?.load() ?? { saved: null, faults: [] };
    for (const fault of faults) this.#log("snapshot unreadable", { run, fault });
    // Without a disk the time tells lives of a server apart.
    const term = Math.max((disk?.lastTerm ?? 0) + 1, Math.floor(Date.now() / 1000));
    const room = new Room({
      ...options,
      term,
      saved,
      lastStep: disk?.lastStep ?? 0,
      newSession: () => randomBytes(16).toString("hex"),
    });
    disk?.commit(term, disk.lastStep);
    const place: Place = { room, term, disk, peers: new Map(), isSettling: false };
    this.#places.set(run, place);
    this.#log("run", { run, term, step: room.step, lastStep: disk?.lastStep ?? 0 });
    return place;
  }

  // Doing what rooms want.

  #act(place: Place, actions: readonly RoomAction[]): void {
    for (const action of actions) {
      switch (action.kind) {
        case "send":
          for (const to of action.to) place.peers.get(to)?.socket.send(action.bytes);
          break;
        case "close":
          place.peers.get(action.peer)?.socket.close(action.code, action.reason);
          break;
        case "committed":
          place.disk?.commit(place.term, action.step);
          break;
        case "save":
          place.disk?.save(action.saved, (error) => this.#log("save failed", { error: String(error) }));
          break;
        case "log":
          this.#log(action.event, action.fields);
          break;
      }
    }
    if (actions.length === 0 || place.isSettling) return;
    // What is to be sent goes first; the replica follows while workers compute.
    place.isSettling = true;
    setImmediate(() => {
      place.isSettling = false;
      place.room.settle();
    });
  }

  #tick(): void {
    const now = performance.now();
    for (const place of this.#places.values()) this.#act(place, place.room.handle({ kind: "tick" }, now));
  }

  #ping(): void {
    for (const peer of this.#peers()) {
      if (++peer.missed > MISSED_PINGS) peer.socket.terminate();
      else peer.socket.ping();
    }
  }

  /** Once a second: who floods, says nothing or does not read. */
  #look(): void {
    const now = performance.now();
    for (const peer of this.#peers()) {
      peer.messages = peer.pings = 0;
      if (!peer.hasSaidHello && now - peer.since > HELLO_MS) peer.socket.close(1008, "no hello");
      if (peer.socket.bufferedAmount < STALL_BYTES) peer.stalledSince = null;
      else if (now - (peer.stalledSince ??= now) > STALL_MS) peer.socket.terminate();
    }
  }

  *#peers(): Iterable<Peer> {
    for (const { peers } of this.#places.values()) yield* peers.values();
  }

  // Telling.

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "/", "http://localhost");
    const say = (status: number, type: string, text: string, scripts = "'unsafe-inline'"): void => {
      response.writeHead(status, {
        "content-type": `${type}; charset=utf-8`,
        "x-content-type-options": "nosniff",
        "content-security-policy": `default-src 'none'; img-src data:; script-src ${scripts}; worker-src 'self'; style-src 'unsafe-inline'; connect-src 'self' ws: wss:`,
        "cache-control": "no-store",
      });
      response.end(text);
    };
    if (request.method !== "GET") return say(405, "text/plain", "GET only\n");
    if (url.pathname === "/healthz") return say(200, "text/plain", "ok\n");
    // The code of a page is no secret, and what a worker imports has no query to carry a token.
    if (url.pathname === "/join/train.js") return this.#join(url.pathname, say);
    if (!this.#mayWatch(request, url)) return say(401, "text/plain", "give a token: ?token=...\n");
    switch (url.pathname) {
      case "/metrics": {
        const { rss } = process.memoryUsage();
        let buffered = 0;
        for (const { socket } of this.#peers()) buffered += socket.bufferedAmount;
        const gauges = {
          texgrad_connections: this.#connections,
          texgrad_buffered_bytes: buffered,
          texgrad_resident_bytes: rss,
        };
        return say(200, "text/plain", metricsText(this.rooms, gauges));
      }
      case "/status.json":
        return say(200, "application/json", JSON.stringify([...this.rooms].map(([run, room]) => runStatus(run, room))));
      case "/":
        return say(200, "text/html", dashboardPage);
      case "/join":
      case "/join/worker.js":
        return this.#join(url.pathname, say);
      default:
        return say(404, "text/plain", "there are /, /status.json, /metrics, /healthz, and /runs/NAME for workers\n");
    }
  }

  /** The page for those who help, and what it loads. The operator's module may make functions of text: updates do. */
  #join(path: string, say: (status: number, type: string, text: string, scripts?: string) => void): void {
    const { page } = this.#options;
    if (page === undefined) return say(404, "text/plain", "this server was given no page to join by\n");
    const scripts = "'self' 'unsafe-inline' 'unsafe-eval'";
    if (path === "/join") return say(200, "text/html", joinPage, scripts);
    say(200, "text/javascript", path === "/join/worker.js" ? joinWorker : page, scripts);
  }

  /** Watching takes a token of any run, or being on this machine where there is no secret. */
  #mayWatch(request: IncomingMessage, url: URL): boolean {
    const { secret } = this.#options;
    if (secret === undefined) return LOOPBACK.has(request.socket.remoteAddress ?? "");
    const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    return typeof verifyToken(secret, bearer ?? url.searchParams.get("token") ?? "", Date.now()) !== "string";
  }
}
