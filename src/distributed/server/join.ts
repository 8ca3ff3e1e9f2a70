/**
 * The join page: whoever opens it works on the run, in a Worker, until they press stop or close it. What is trained is a
 * module of the operator's with `train({ url, token, report })`; the page shows what it reports.
 */

/** What the operator's module exports as `train` is called with. */
export interface JoinArguments {
  readonly url: string;
  readonly token: string | undefined;
  /** Shows values on the page; loss, step, workers, samples, sent and received have their places. */
  readonly report: (values: Readonly<Record<string, number | null>>) => void;
}

/** Runs in the page's Worker: timers of hidden pages are slowed down, those of workers are not. */
export const joinWorker = `import { train } from "./train.js";
addEventListener("message", async ({ data }) => {
  try {
    const result = await train({ ...data, report: (values) => postMessage({ values }) });
    postMessage({ end: true, result });
  } catch (error) {
    postMessage({ error: error instanceof Error ? error.message : String(error) });
  }
});
`;

const script = `
const show = (id, text) => { document.getElementById(id).textContent = text; };
const bytes = (n) => n >= 1e9 ? (n/1e9).toFixed(2)+" GB" : n >= 1e6 ? (n/1e6).toFixed(1)+" MB" : Math.round(n/1e3)+" kB";
const query = new URLSearchParams(location.search);
const run = query.get("run") ?? "default", token = query.get("token") ?? undefined;
const url = location.origin.replace(/^http/, "ws") + "/runs/" + encodeURIComponent(run);
let worker = null, began = 0, samples = 0;
function say(state) { show("state", state); document.body.dataset.state = state.split(":")[0]; }
function start() {
  worker = new Worker("join/worker.js"+location.search, { type: "module" });
  began = performance.now(); samples = 0;
  worker.onmessage = ({ data }) => {
    if (data.error !== undefined) { stop("failed: " + data.error); return; }
    if (data.end) { globalThis.result = data.result; stop("finished"); return; }
    const v = data.values; samples += v.samples ?? 0;
    say("training");
    show("step", v.step ?? ""); show("loss", v.loss == null ? "" : v.loss.toPrecision(4)); show("workers", v.workers ?? "");
    show("speed", (1000*samples/(performance.now()-began)).toFixed(1)+" /s"); show("sent", bytes(v.sent ?? 0)); show("received", bytes(v.received ?? 0));
  };
  worker.onerror = (event) => stop("failed: " + event.message);
  worker.postMessage({ url, token });
  say("connecting"); button.textContent = "Stop";
}
function stop(state) { worker?.terminate(); worker = null; say(state); button.textContent = "Start again"; }
const button = document.querySelector("button");
button.onclick = () => worker ? stop("stopped") : start();
show("run", run);
start();
`;

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 3rem auto; max-width: 32rem; padding: 0 1rem; }
h1 { font-size: 1.3rem; margin-bottom: 0; } #state { opacity: .7; margin-top: 0; }
dl { display: grid; grid-template-columns: repeat(3, 1fr); gap: 1rem; } dt { font-size: .8rem; opacity: .65; } dd { margin: 0; font-size: 1.3rem; font-variant-numeric: tabular-nums; }
button { font: inherit; padding: .5rem 1.2rem; }
`;

const fact = (id: string, name: string): string => `<div><dt>${name}</dt><dd id="${id}"></dd></div>`;

export const joinPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<title>texgrad: help to train</title><style>${style}</style>
<h1>This device helps to train “<span id="run"></span>”</h1><p id="state" aria-live="polite"></p>
<dl>${fact("step", "step")}${fact("loss", "loss")}${fact("workers", "workers")}${fact("speed", "samples")}${fact("sent", "sent")}${fact("received", "received")}</dl>
<button type="button">Stop</button>
<script>${script}</script></html>
`;
