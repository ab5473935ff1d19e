// The connection to /events/ as a page sees it: shared with the other pages of this browser where
// that is possible, else its own. The same to whoever uses it as `Stream`.

import { State, Stream } from "./stream.js";

const HERE_MS = 20_000;

// `key`: pages with the same key share; it must name who is signed in.
export function openStream({ key, ...options }) {
  if (!("SharedWorker" in window)) return new Stream(options);
  return new SharedStream({ key, ...options });
}

class SharedStream {
  constructor({ url, seq, key, onEvent, onState }) {
    Object.assign(this, { url, seq, onEvent, onState });
    this.state = State.CONNECTING;
    this.why = "";
    this.isOpen = false;
    const script = new URL("./shared_worker.js", import.meta.url);
    this.worker = new SharedWorker(script, { type: "module", name: `vnsite ${key}` });
    this.worker.onerror = () => this.#goAlone();
    this.worker.port.onmessage = ({ data }) => this.#onMessage(data);
    setInterval(() => this.isOpen && this.#ask("here"), HERE_MS);
  }

  open() {
    this.isOpen = true;
    if (this.own) this.own.open();
    else this.#ask("open");
  }

  close() {
    this.isOpen = false;
    if (this.own) this.own.close();
    else this.#ask("leave");
  }

  // For whoever learns it in another way.
  signOut() {
    this.close();
    this.#become(State.SIGNED_OUT, "");
  }

  #ask(ask) {
    this.worker.port.postMessage({ ask, url: this.url, seq: this.seq });
  }

  #onMessage({ name, data, seq, state, why }) {
    if (!this.isOpen) return; // it was under way when this page took its leave
    if (state) return this.#become(state, why);
    if (name === "transition" && seq <= this.seq) return undefined; // the page was drawn after it
    this.seq = Math.max(this.seq, seq);
    this.onEvent(name, data);
    return undefined;
  }

  #become(state, why) {
    if (state === this.state && why === this.why) return;
    [this.state, this.why] = [state, why];
    if (state === State.SIGNED_OUT) this.isOpen = false;
    this.onState(state);
  }

  // The browser did not start the worker.
  #goAlone() {
    if (this.own) return;
    this.own = new Stream({
      url: this.url,
      seq: this.seq,
      onEvent: (name, data) => {
        this.seq = this.own.seq;
        this.onEvent(name, data);
      },
      onState: (state) => this.#become(state, this.own.why),
    });
    if (this.isOpen) this.own.open();
  }
}
