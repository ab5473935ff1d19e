// The connection to /events/: opens it, watches that it lives, opens it again. Knows no page.

const NO_FLICKER_MS = 3_000; // a connection that comes back so soon was never gone
const RETRY_MS = [1_000, 5_000]; // at random between these, so that not all come back at once
const REOPEN_MS = 10_000; // between two tries while nothing is heard
const SLACK_SECONDS = 5; // what a heartbeat may be late

export const State = Object.freeze({
  CONNECTING: "connecting",
  LIVE: "live",
  RECONNECTING: "reconnecting",
  STALE: "stale",
  SIGNED_OUT: "signed-out",
  REFUSED: "refused", // `why` says so; tried again after a while
});

const EVENTS = ["hello", "transition", "progress", "stats", "waiting", "heartbeat", "resync", "bye"];

// `onEvent(name, data)` for every event, `onState(state)` for every change of the connection.
export class Stream {
  constructor({ url, seq, onEvent, onState }) {
    Object.assign(this, { url, seq, onEvent, onState });
    this.state = State.CONNECTING;
    this.why = ""; // a sentence of the server, while it refuses
    this.heartbeatSeconds = 15;
    this.isStale = false; // the server says so: it waits for its database
    this.heardAt = performance.now();
    this.source = null;
    this.retry = null;
    this.watch = setInterval(() => this.#watch(), 1_000);
  }

  // It will not be opened again.
  dispose() {
    clearInterval(this.watch);
  }

  open() {
    this.close();
    this.openedAt = performance.now();
    const url = new URL(this.url, location.href);
    url.searchParams.set("after", this.seq);
    this.source = new EventSource(url);
    this.source.onerror = () => this.#onError();
    for (const name of EVENTS) this.source.addEventListener(name, (event) => this.#onEvent(name, event));
  }

  close() {
    clearTimeout(this.retry);
    this.source?.close();
    this.retry = this.source = null;
  }

  get isOpen() {
    return this.source !== null && this.source.readyState !== EventSource.CLOSED;
  }

  // For whoever learns it in another way.
  signOut() {
    this.close();
    this.#become(State.SIGNED_OUT);
  }

  #onEvent(name, event) {
    this.heardAt = performance.now();
    const data = JSON.parse(event.data);
    if (event.lastEventId) this.seq = Number(event.lastEventId);
    if (name === "hello") [this.newest, this.heartbeatSeconds] = [data.seq, data.heartbeat];
    if (name === "hello" || name === "heartbeat") this.isStale = Boolean(data.stale);
    if (name === "resync") this.seq = this.newest; // what was before is loaded, not replayed
    if (name !== "bye") this.#become(this.isStale ? State.STALE : State.LIVE);
    else if (data.why === "signed_out") this.signOut();
    this.onEvent(name, data);
  }

  // The browser connects again by itself after a broken connection, and never after a refusal.
  #onError() {
    if (this.source?.readyState !== EventSource.CLOSED) return;
    this.close();
    this.#openLater();
    this.#askWhy();
  }

  #openLater(seconds = 0) {
    clearTimeout(this.retry);
    const [least, most] = RETRY_MS;
    const wait = seconds * 1_000 + least + Math.random() * (most - least);
    this.retry = setTimeout(() => this.open(), wait);
  }

  // An EventSource does not say how it was answered.
  async #askWhy() {
    const asking = new AbortController();
    try {
      const response = await fetch(this.url, { signal: asking.signal });
      if (!this.retry) return undefined; // closed on purpose, or opened again
      if (response.status === 401) return this.signOut();
      if (response.status !== 429 && response.status !== 503) return undefined;
      this.why = await response.text();
      this.#openLater(Number(response.headers.get("Retry-After")));
      this.#become(State.REFUSED);
    } catch {
      // The server is away: `#watch` will say so.
    } finally {
      asking.abort(); // it may have been a stream after all
    }
    return undefined;
  }

  #watch() {
    if (!this.source && !this.retry) return; // closed on purpose
    if (this.state === State.REFUSED) return; // until a try ends in another way
    const silentMs = performance.now() - this.heardAt;
    const isOpen = this.source?.readyState === EventSource.OPEN;
    if (silentMs > (this.heartbeatSeconds + SLACK_SECONDS) * 1000) {
      this.#become(State.STALE);
      // An open connection that says nothing is dead, whatever the browser thinks of it.
      if (performance.now() - this.openedAt > REOPEN_MS) this.open();
    } else if (!isOpen && silentMs > NO_FLICKER_MS) {
      this.#become(State.RECONNECTING);
    }
  }

  #become(state) {
    if (state === this.state) return;
    this.state = state;
    if (state !== State.REFUSED) this.why = "";
    this.onState(state);
  }
}
