/** The dashboard: one page without anything from elsewhere, which asks for /status.json every second. */

const script = `
const number = (x) => x >= 1e9 ? (x/1e9).toFixed(2)+" G" : x >= 1e6 ? (x/1e6).toFixed(2)+" M" : x >= 1e3 ? (x/1e3).toFixed(1)+" k" : String(Math.round(x));
const loss = (x) => x === null ? "" : x.toPrecision(4);
const make = (name, text, kind) => { const e = document.createElement(name); if (text !== undefined) e.textContent = text; if (kind) e.className = kind; return e; };
const before = new Map();
function curve(history) {
  const points = history.filter((h) => h.loss !== null);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 600 120"); svg.setAttribute("preserveAspectRatio", "none"); svg.setAttribute("role", "img"); svg.setAttribute("aria-label", "loss of the last commits");
  if (points.length > 1) {
    const top = Math.max(...points.map((p) => p.loss)), low = Math.min(0, ...points.map((p) => p.loss));
    const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    line.setAttribute("points", points.map((p, i) => (600*i/(points.length-1)).toFixed(1)+","+(115-110*(p.loss-low)/(top-low||1)).toFixed(1)).join(" "));
    svg.append(line);
  }
  return svg;
}
function card(r) {
  const past = before.get(r.run) ?? r; const seconds = (r.at-past.at)/1000;
  const rate = seconds > 0 ? (r.samples-past.samples)/seconds : 0, bytes = seconds > 0 ? (r.bytesIn-past.bytesIn)/seconds : 0;
  before.set(r.run, r);
  const section = make("section");
  section.append(make("h2", r.run + (r.isFinished ? " (finished)" : "")));
  const facts = make("dl");
  for (const [name, text] of [["step", r.step], ["epoch", r.epoch+1], ["samples left", r.samplesLeft], ["loss", loss(r.loss)], ["step, median", Math.round(r.medianStepMs)+" ms"], ["samples/s", number(rate)], ["in", number(bytes)+"B/s"], ["cuts", r.cuts], ["stragglers", r.stragglers]]) {
    const fact = make("div"); fact.append(make("dt", name), make("dd", String(text))); facts.append(fact);
  }
  section.append(facts, curve(r.history));
  const table = make("table"), head = make("tr");
  for (const name of ["slot", "worker", "", "steps", "samples", "loss", "sent"]) head.append(make("th", name));
  table.append(head);
  for (const w of r.workers) {
    const row = make("tr", undefined, w.isConnected ? "" : "away");
    for (const text of [w.slot, w.name, w.isConnected ? w.stage : "away", w.steps, number(w.samples), loss(w.loss), number(w.bytesIn)+"B"]) row.append(make("td", String(text)));
    table.append(row);
  }
  section.append(table);
  return section;
}
async function refresh() {
  try {
    const answer = await fetch("status.json"+location.search);
    if (!answer.ok) throw new Error(await answer.text());
    const runs = await answer.json(), at = performance.now();
    document.querySelector("main").replaceChildren(...(runs.length ? runs.map((r) => card({ ...r, at })) : [make("p", "No run yet: a worker that connects to /runs/NAME begins one.")]));
    document.querySelector("#state").textContent = "";
  } catch (error) { document.querySelector("#state").textContent = "the server does not answer: " + error.message; }
}
refresh(); setInterval(refresh, 1000);
`;

const style = `
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.1rem; } h2 { font-size: 1.3rem; margin: 2rem 0 .5rem; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(7rem, 1fr)); gap: .5rem; margin: 0; }
dt { font-size: .8rem; opacity: .65; } dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
svg { width: 100%; height: 8rem; margin: 1rem 0; background: #8881; } polyline { fill: none; stroke: #2a7de1; stroke-width: 1.5; vector-effect: non-scaling-stroke; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; } th, td { text-align: left; padding: .25rem .5rem; border-bottom: 1px solid #8883; }
tr.away { opacity: .45; } #state { color: #c33; }
`;

export const dashboardPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<title>texgrad training</title><style>${style}</style>
<h1>texgrad training</h1><p id="state"></p><main></main>
<script>${script}</script></html>
`;
