// One live view of a team: Server-Sent Events, and everything that can go wrong with them. An EventSource's own
// reconnecting is not used: it neither grows nor jitters its delay, cannot tell why it was refused, and never notices
// a connection that is open but dead. After any reconnect the first event is a whole snapshot, so nothing is kept.
import { backoffMs } from './backoff.mjs';

/** Silence after which a connection counts as dead; the server speaks at least every 15 s. */
export const SILENCE_MS = 40000;
/** How long a fresh connection may take to bring its first event. */
export const OPENING_MS = 10000;
const BYE_LONGEST_MS = 60000;

/**
 * @typedef {{kind: 'connecting'} | {kind: 'live'} | {kind: 'waiting', untilMs: number}
 *   | {kind: 'stale', sinceMs: number} | {kind: 'ended'}} Connection
 */

/**
 * The little of an EventSource that is needed here, so that a test can bring its own.
 * @typedef {object} EventStream
 * @property {(type: string, listener: (event: any) => void) => void} addEventListener
 * @property {() => void} close
 */

/**
 * @typedef {object} Clock
 * @property {() => number} now  milliseconds since 1970
 * @property {(callback: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 */

/**
 * @typedef {object} StreamOptions
 * @property {() => EventStream} open  starts a connection
 * @property {() => Promise<number | null>} diagnose  HTTP status of the stream's URL now; null when out of reach
 * @property {Clock} clock
 * @property {() => number} random
 * @property {(data: any) => void} onSnapshot  may throw on malformed data, which ends the connection
 * @property {(data: any) => void} onDelta  likewise
 * @property {(timeUs: number) => void} onTime  the server's clock, with every event that tells it
 * @property {(connection: Connection) => void} onConnection
 * @property {(status: number) => void} onRefused  401, 403 or 404: no use in trying again; the stream has ended
 */

const FINAL = [401, 403, 404];

export class LiveStream {
  #options;
  /** @type {EventStream | null} */
  #source = null;
  /** @type {any} */
  #timer = null;
  #attempt = 0;
  #heard = false;
  /** Since when the team may lack workers; only a whole snapshot ends that. @type {number | null} */
  #incompleteMs = null;

  /** @param {StreamOptions} options */
  constructor(options) {
    this.#options = options;
  }

  start() {
    this.#connect();
  }

  /** Ends the view; no callback comes after it. */
  stop() {
    this.#drop();
    this.#options.clock.clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Tries at once instead of waiting on, for when the network is known to be back. */
  hurry() {
    if (this.#source === null && this.#timer !== null) this.#connect();
  }

  #connect() {
    this.#drop();
    this.#heard = false;
    this.#incompleteMs = null;
    this.#options.onConnection({ kind: 'connecting' });
    const source = this.#options.open();
    this.#source = source;
    this.#watch(OPENING_MS);
    /** @param {string} type @param {(data: any) => void} handle */
    const listen = (type, handle) =>
      source.addEventListener(type, (event) => this.#receive(source, event.data, handle));
    listen('snapshot', (data) => {
      this.#options.onSnapshot(data);
      this.#attempt = 0;
      this.#incompleteMs = null;
      this.#options.onConnection({ kind: 'live' });
    });
    listen('delta', (data) => {
      this.#options.onDelta(data);
      const since = this.#incompleteMs;
      this.#options.onConnection(since === null ? { kind: 'live' } : { kind: 'stale', sinceMs: since });
    });
    listen('heartbeat', () => {});
    listen('stale', (data) => {
      const sinceMs = data.since_us / 1000;
      if (data.reason === 'postgres') this.#incompleteMs = sinceMs;
      this.#options.onConnection({ kind: 'stale', sinceMs });
    });
    listen('bye', (data) => this.#retryIn(Math.max(0, Math.min(BYE_LONGEST_MS, Number(data.retry_ms) || 0))));
    source.addEventListener('error', () => {
      if (source === this.#source) this.#lost();
    });
  }

  /** @param {EventStream} source @param {string} text @param {(data: any) => void} handle */
  #receive(source, text, handle) {
    if (source !== this.#source) return;
    this.#heard = true;
    this.#watch(SILENCE_MS);
    try {
      const data = JSON.parse(text);
      if (typeof data.time_us === 'number') this.#options.onTime(data.time_us);
      handle(data);
    } catch (error) {
      console.warn('Malformed event on the stream:', error);
      this.#lost();
    }
  }

  #lost() {
    const refusedPerhaps = !this.#heard;
    this.#retryIn(backoffMs(this.#attempt++, this.#options.random()));
    if (refusedPerhaps) this.#askWhy();
  }

  /** An EventSource does not say why it failed, so the same address is asked once by other means. */
  async #askWhy() {
    const timer = this.#timer;
    const status = await this.#options.diagnose();
    if (timer !== this.#timer || status === null || !FINAL.includes(status)) return;
    this.stop();
    this.#options.onConnection({ kind: 'ended' });
    this.#options.onRefused(status);
  }

  /** @param {number} ms */
  #retryIn(ms) {
    const { clock, onConnection } = this.#options;
    this.#drop();
    clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(() => this.#connect(), ms);
    onConnection({ kind: 'waiting', untilMs: clock.now() + ms });
  }

  /** @param {number} ms */
  #watch(ms) {
    const { clock } = this.#options;
    clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(() => this.#lost(), ms);
  }

  #drop() {
    this.#source?.close();
    this.#source = null;
  }
}
