// The connection to /events/ as a page sees it, through a hub.

const HERE_MS = 20_000;

// Pages with the same `key` share a hub; it must name who is signed in. `onEvent(name, data)` is
// called for every event, `onChange(link)` when the state of the connection is another one.
export function connect({ url, key, seq, onEvent, onChange }) {
  const link = { state: "connecting", why: "", clockMs: 0, lastAt: Date.now(), nextAt: 0 };
  const hub = new URL("./hub.js", import.meta.url);
  let port = null;
  let isOpen = false;

  const ask = (what) => port?.postMessage({ ask: what, url, seq });

  function hear({ data: { name, data, seq: at, ...news } }) {
    if (!isOpen) return; // it was under way when this page took its leave
    const isAnother = news.state !== link.state || news.why !== link.why;
    Object.assign(link, news);
    if (isAnother) onChange(link);
    if (!name || (name === "transition" && at <= seq)) return; // the page was drawn after it
    seq = Math.max(seq, at);
    onEvent(name, data);
  }

  function use(fresh) {
    port = fresh;
    port.onmessage = hear;
    if (isOpen) ask("open");
  }

  async function goAlone() {
    const { port1, port2 } = new MessageChannel();
    (await import(hub)).serve(port2);
    use(port1);
  }

  if ("SharedWorker" in window) {
    const worker = new SharedWorker(hub, { type: "module", name: `vnsite ${key}` });
    worker.onerror = goAlone; // the browser did not start it
    use(worker.port);
  } else goAlone();
  setInterval(() => isOpen && ask("here"), HERE_MS);

  return {
    link,
    get isOpen() {
      return isOpen;
    },
    open() {
      isOpen = true;
      ask("open");
    },
    close() {
      isOpen = false;
      ask("leave");
    },
    ask,
  };
}
