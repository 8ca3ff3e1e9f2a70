/**
 * texgrad's platform in a page or a worker. Nothing here may be imported by Node's side, nor the other way round.
 */
import type { ContextResult, Platform, SocketEvents, SocketLink, TextStorage } from "./types.ts";

export const platform: Platform = {
  name: "browser",
  readsSynchronously: false,
  env: () => undefined,
  loadOwn: (path) => Promise.reject(new Error(`${path} is not in a browser's bundle`)),
  createContext,
  readBytes,
  writeBytes,
  isTerminal: () => false,
  columns: () => 80,
  write: (text) => {
    const line = text.trimEnd();
    if (line !== "") console.info(line);
  },
  warn: (text) => console.warn(`texgrad: ${text}`),
};

type Canvas = HTMLCanvasElement | OffscreenCanvas;

/** Computing needs none of the default framebuffer's parts. */
const attributes: WebGLContextAttributes = {
  alpha: false,
  depth: false,
  stencil: false,
  antialias: false,
  preserveDrawingBuffer: false,
  powerPreference: "high-performance",
};

function createContext(options: { readonly canvas?: unknown } = {}): ContextResult {
  // The caller's canvas may be of either kind; one without getContext throws below and is reported.
  const canvas = (options.canvas as Canvas | undefined) ?? newCanvas();
  if (canvas === undefined) {
    return { ok: false, reason: "there is neither OffscreenCanvas nor a document", fix: "pass a canvas" };
  }
  let gl: RenderingContext | OffscreenRenderingContext | null;
  try {
    gl = canvas.getContext("webgl2", attributes);
  } catch (error) {
    return { ok: false, reason: `the canvas gave no context: ${String(error)}`, fix: "pass a canvas, or nothing" };
  }
  if (!(gl instanceof WebGL2RenderingContext)) {
    const fix = "enable hardware acceleration (see the browser's GPU page), or use a canvas without another context";
    return { ok: false, reason: "the browser gave no WebGL2 context", fix };
  }
  if (gl.getExtension("EXT_color_buffer_float") === null) {
    const reason = "this WebGL2 context cannot render to float textures (no EXT_color_buffer_float)";
    return { ok: false, reason, fix: "use another browser or graphics driver" };
  }
  const how = options.canvas === undefined ? "canvas of our own" : "canvas of the caller";
  return { ok: true, gl, how, destroy: () => gl.getExtension("WEBGL_lose_context")?.loseContext() };
}

function newCanvas(): Canvas | undefined {
  if (typeof OffscreenCanvas !== "undefined") return new OffscreenCanvas(1, 1);
  if (typeof document !== "undefined") return document.createElement("canvas");
  return undefined;
}

async function readBytes(location: string): Promise<Uint8Array> {
  const response = await fetch(location);
  if (!response.ok) throw new Error(`read ${location}: the server answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Offers the bytes as a download: the browser writes the file whole or not at all. */
async function writeBytes(path: string, bytes: Uint8Array): Promise<void> {
  if (typeof document === "undefined") {
    throw new Error(`write ${path}: a worker cannot offer a download; send the bytes to the page`);
  }
  const link = document.createElement("a");
  // A copy: Blob does not take bytes that might lie in shared memory.
  link.href = URL.createObjectURL(new Blob([new Uint8Array(bytes)]));
  link.download = path.split("/").at(-1) ?? path;
  link.click();
  // The download has its own hold on the bytes once the click is handled.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** One object store of texts. */
export function openStorage(place = "texgrad"): TextStorage {
  const STORE = "texts";
  const settled = <T>(request: IDBRequest<T>, doing: string): Promise<T> =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(new Error(`${doing} IndexedDB ${place}: ${String(request.error)}`));
    });
  const inStore = async <T>(
    mode: IDBTransactionMode,
    doing: string,
    use: (store: IDBObjectStore) => IDBRequest<T>,
  ): Promise<T> => {
    if (typeof indexedDB === "undefined") throw new Error(`${doing} IndexedDB ${place}: there is none here`);
    const opening = indexedDB.open(place, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    const database = await settled(opening, "open");
    try {
      return await settled(use(database.transaction(STORE, mode).objectStore(STORE)), doing);
    } finally {
      database.close();
    }
  };
  return {
    async read(name) {
      const text = await inStore<unknown>("readonly", "read", (store) => store.get(name));
      return typeof text === "string" ? text : null;
    },
    write: (name, text) => inStore("readwrite", "write", (store) => store.put(text, name)).then(() => undefined),
  };
}

/** Why it failed is told to the console only: a page may not know what a server it cannot reach answers. */
export function openSocket(url: string, protocols: readonly string[], events: SocketEvents): SocketLink {
  let socket: WebSocket;
  try {
    socket = new WebSocket(url, [...protocols]);
  } catch (error) {
    queueMicrotask(() => events.closed(String(error), true));
    return { send: () => {}, close: () => {} };
  }
  socket.binaryType = "arraybuffer";
  socket.addEventListener("open", () => events.opened());
  socket.addEventListener("message", ({ data }) => events.received(new Uint8Array(data as ArrayBuffer)));
  socket.addEventListener("close", ({ code, reason }) => events.closed(`closed with ${code} ${reason}`.trim(), false));
  return {
    send: (bytes) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(bytes);
    },
    close: () => socket.close(),
  };
}
