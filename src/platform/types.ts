/**
 * What texgrad asks of the place it runs in. `node.ts` and `browser.ts` answer; package.json's "#platform" picks one.
 *
 * Not here: any code. Nothing outside this folder may ask whether it runs in Node or in a browser.
 */
import type { WebGL2 } from "../runtime/gl-types.ts";

/** A WebGL2 context, or one line that says why there is none and one that says what would help. */
export type ContextResult =
  | {
      readonly ok: true;
      readonly gl: WebGL2;
      /** How it was made, e.g. "own Xvfb :3". */
      readonly how: string;
      /** Frees the context; it must not be used afterwards. */
      destroy(): void;
    }
  | { readonly ok: false; readonly reason: string; readonly fix: string };

export interface Platform {
  readonly name: "node" | "browser";

  /** Whether a read from the device may wait: true in Node, where nothing else shares the thread with a page. */
  readonly readsSynchronously: boolean;

  /** An environment variable; undefined when unset, and always in browsers. */
  env(name: string): string | undefined;

  /**
   * A module of this package by its path without suffix, apart from what bundlers follow: what only a debug level
   * needs. Rejects in browsers and in bundles.
   */
  loadOwn(path: string): Promise<unknown>;

  /** A context with EXT_color_buffer_float on, on the given canvas where one is given. Never throws. */
  createContext(options?: { readonly canvas?: unknown }): ContextResult;

  /** All bytes of a path (Node) or URL. Throws an Error that names the location. */
  readBytes(location: string): Promise<Uint8Array>;

  /** Whole or not at all: a failure leaves what was there before and nothing half-written. */
  writeBytes(path: string, bytes: Uint8Array): Promise<void>;

  /** Whether `write` goes to a terminal that can redraw a line. */
  isTerminal(): boolean;

  /** Width of that terminal in characters; 80 when there is none. */
  columns(): number;

  /** Progress text, as it is, no line end added: stderr in Node, the console in browsers. */
  write(text: string): void;

  /** One line to whoever runs the program. */
  warn(text: string): void;
}

/** Small texts that outlive the program, by name. */
export interface TextStorage {
  /** null where nothing of that name was written. Throws an Error that names the place where it cannot be read. */
  read(name: string): Promise<string | null>;
  /** Whole or not at all. */
  write(name: string, text: string): Promise<void>;
}

/**
 * In Node files of the folder `place`, by default `texgrad` in the user's cache folder; in browsers the IndexedDB database
 * of that name, by default `texgrad`. Apart from `platform`, so that only bundles that keep something hold it.
 */
export declare const openStorage: (place?: string) => TextStorage;

/** An open or opening WebSocket; binary messages only. */
export interface SocketLink {
  /** Where it is not open, the bytes are lost. */
  send(bytes: Uint8Array<ArrayBuffer>): void;
  /** Closes it; `closed` is told all the same. */
  close(): void;
}

export interface SocketEvents {
  opened(): void;
  received(bytes: Uint8Array<ArrayBuffer>): void;
  /** Once, also where it never opened. `isRefusal`: the server is there and says no, which trying again will not change. */
  closed(reason: string, isRefusal: boolean): void;
}

/** Opens a WebSocket with these subprotocols. Never throws. In Node by the package `ws`. */
export declare const openSocket: (url: string, protocols: readonly string[], events: SocketEvents) => SocketLink;

/** The platform of the build that runs: the value is that of node.ts or browser.ts. */
export declare const platform: Platform;
