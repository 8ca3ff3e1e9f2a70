/**
 * WebSockets in Node, by the package `ws`, which is loaded when the first one is opened: few programs open one, and
 * Node 20 has none of its own.
 */
import type * as Ws from "ws";
import type { SocketEvents, SocketLink } from "./types.ts";

/** Statuses of HTTP by which a server says no for good. */
const REFUSALS: readonly number[] = [400, 401, 403, 404];

export function openSocket(url: string, protocols: readonly string[], events: SocketEvents): SocketLink {
  let socket: Ws.WebSocket | null = null;
  let isClosed = false;
  let isTold = false;
  const end = (reason: string, isRefusal: boolean): void => {
    if (isTold) return;
    isTold = true;
    events.closed(reason, isRefusal);
  };
  const open = ({ WebSocket }: typeof Ws): void => {
    if (isClosed) return end("closed before it opened", false);
    // Addresses that are none are refused by the constructor.
    try {
      socket = new WebSocket(url, [...protocols], { perMessageDeflate: false });
    } catch (error) {
      return end(error instanceof Error ? error.message : String(error), true);
    }
    socket.on("open", () => events.opened());
    socket.on("message", (data: Buffer) => {
      events.received(new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength));
    });
    socket.on("unexpected-response", (request, response) => {
      let text = "";
      response.on("data", (part: Buffer) => (text = (text + part.toString()).slice(0, 200)));
      response.on("end", () => {
        const status = response.statusCode ?? 0;
        end(`the server answers ${status}: ${text.trim()}`, REFUSALS.includes(status));
        request.destroy();
      });
    });
    socket.on("error", (error) => end(error.message, false));
    socket.on("close", (code, reason) => end(`closed with ${code} ${reason.toString()}`.trim(), false));
  };
  import("ws").then(open, () => end("the package ws is missing: npm install ws", true));
  return {
    send: (bytes) => {
      if (socket?.readyState === 1) socket.send(bytes);
    },
    close: () => {
      isClosed = true;
      socket?.close();
    },
  };
}
