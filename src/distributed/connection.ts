/**
 * A participant's connection: opened, opened again with growing pauses when it is lost, given up when the server will
 * not have it. Not here: sockets (the platform's), what frames say (participant.ts).
 */
import { openSocket } from "#platform";
import { TexgradError } from "../ir/errors.ts";
import type { SocketLink } from "../platform/types.ts";
import type { Participant } from "./participant.ts";

export interface ConnectionOptions {
  readonly url: string;
  readonly token: string | null;
  /** How long to go on trying when the server does not answer. */
  readonly patienceMs: number;
  /** Opens a socket; the platform's unless a test brings its own. */
  readonly connect?: typeof openSocket;
}

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5000;

export class Connection {
  readonly #participant: Participant;
  readonly #options: ConnectionOptions;
  #link: SocketLink | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #lostAt: number;
  #isClosed = false;

  constructor(participant: Participant, options: ConnectionOptions) {
    this.#participant = participant;
    this.#options = options;
    this.#lostAt = performance.now();
    this.#open();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#link?.close();
    this.#link = null;
  }

  /** Cuts the connection as a network would: it is opened again. For tests and for pages that were asleep. */
  drop(): void {
    this.#link?.close();
  }

  #open(): void {
    const { url, token, connect = openSocket } = this.#options;
    const protocols = token === null ? ["texgrad.v1"] : ["texgrad.v1", `token.${token}`];
    const link = connect(url, protocols, {
      opened: () => {
        if (this.#link !== link) return link.close();
        this.#pauseMs = FIRST_PAUSE_MS;
        this.#participant.connected((bytes) => link.send(bytes));
      },
      received: (bytes) => {
        if (this.#link !== link) return;
        try {
          this.#participant.receive(bytes);
        } catch (error) {
          // Not to be mended by another connection: the server speaks otherwise, or our own state is no good.
          this.#participant.fail(error instanceof Error ? error : new TexgradError(String(error)));
        }
        if (this.#participant.failure !== null) this.close();
      },
      closed: (reason, isRefusal) => {
        if (this.#link !== link) return;
        this.#link = null;
        this.#participant.disconnected();
        this.#lost(reason, isRefusal);
      },
    });
    this.#link = link;
  }

  #lost(reason: string, isRefusal: boolean): void {
    if (this.#isClosed) return;
    const now = performance.now();
    if (this.#pauseMs === FIRST_PAUSE_MS) this.#lostAt = now;
    const { url, patienceMs } = this.#options;
    if (isRefusal || now - this.#lostAt > patienceMs) {
      this.#isClosed = true;
      const why = isRefusal ? reason : `no answer for ${Math.round(patienceMs / 1000)} s (${reason})`;
      this.#participant.fail(new TexgradError(`training server ${url}: ${why}`));
      return;
    }
    // Half of it by chance, so that workers do not all come back at once.
    const pause = this.#pauseMs * (0.5 + 0.5 * Math.random());
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
    this.#timer = setTimeout(() => this.#open(), pause);
  }
}
