/**
 * The server under measurement, as a process: `texgrad`, the training server; or `raw`, which counts chunks and sends
 * one on to all when all have sent theirs: what ws can do without a sum, a check or a state. Says its port, and on
 * SIGUSR2 the CPU seconds and bytes so far.
 */
import { WebSocketServer, type WebSocket } from "ws";
import { createServer } from "texgrad/distributed/server";
import { CHUNK, HEADER_BYTES, MAX_FRAME_BYTES } from "../../src/distributed/wire.ts";

const [mode = "texgrad", workers = "8", elements = "0"] = process.argv.slice(2);
const count = Number(workers);

async function raw(): Promise<number> {
  const chunks = Math.ceil(Number(elements) / CHUNK);
  const arrived = new Uint32Array(chunks);
  const sockets: WebSocket[] = [];
  const server = new WebSocketServer({
    port: 0,
    host: "127.0.0.1",
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
  });
  server.on("connection", (socket) => {
    sockets.push(socket);
    socket.on("message", (data: Buffer) => {
      const id = data.readUInt32LE(16) / CHUNK;
      arrived[id] = arrived[id]! + 1;
      if (arrived[id] < count) return;
      arrived[id] = 0;
      for (const to of sockets) to.send(data);
    });
  });
  await new Promise((resolve) => server.on("listening", resolve));
  return (server.address() as { port: number }).port;
}

async function ours(): Promise<number> {
  const server = await createServer({
    room: { minWorkers: count, firstDeadlineMs: 600_000, minDeadlineMs: 600_000, hashEvery: 1e9 },
  });
  return server.port;
}

const port = mode === "raw" ? await raw() : await ours();
console.log(JSON.stringify({ port, header: HEADER_BYTES }));
process.on("SIGUSR2", () => {
  const { user, system } = process.cpuUsage();
  console.log(JSON.stringify({ cpu: (user + system) / 1e6, rss: process.memoryUsage().rss }));
});
