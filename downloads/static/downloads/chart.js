// The speed of one download: what was recorded, and once a second what the stream brings.

import { size } from "./format.js";
import { serverNow } from "./patch.js";
import { locale, say } from "./words.js";

const ROW_S = 30; // of the table; between two sentences
const FRESH_MS = 5_000;
const CLOCK = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
const SECONDS = [1, 2, 5, 10, 30, 60, 120, 300, 900, 3600, 14400];
const byteSteps = Array.from({ length: 44 }, (_, power) => 2 ** power);

let shown = null; // the figure that `plot` is in
let plot;
let times = []; // seconds since 1970
let speeds = []; // bytes per second; null: not known
let newest = { at: -FRESH_MS };

document.addEventListener("vnsite:progress", ({ detail }) => {
  const own = detail.find((item) => item.correlation_id === document.body.dataset.download);
  if (own) newest = { speed: own.speed, at: performance.now() };
});

const perSecond = (speed) => `${size(speed)}/s`;
const known = (all) => all.filter((speed) => speed !== null);
const mean = (all) => all.reduce((sum, speed) => sum + speed, 0) / (all.length || 1);
const length = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
const start = () => Date.parse(shown.dataset.started) / 1000;
const place = () => shown.querySelector(".plot");
const box = () => ({ width: place().clientWidth, height: 130 });

async function show(figure) {
  const { started, ended } = figure.dataset;
  const isOther = shown?.dataset.started !== started;
  const recorded = JSON.parse(figure.dataset.speeds);
  if (!isOther && !ended) keep(shown, figure);
  shown = figure;
  if (ended) {
    const span = CLOCK.formatRange(Date.parse(started), Date.parse(ended));
    figure.querySelector(".chart-when").textContent = say("recorded", { span });
  }
  if (isOther || (ended && recorded.length)) {
    times = recorded.map(([seconds]) => start() + seconds);
    speeds = recorded.map(([, speed]) => speed);
  }
  if (!globalThis.uPlot)
    await new Promise((onload) => {
      document.head.append(
        Object.assign(document.createElement("script"), { src: figure.dataset.plot, onload }),
      );
    });
  plot?.destroy();
  plot = draw(JSON.parse(figure.dataset.marks));
}

// The server draws what was recorded at the end: until then it knows neither sentence nor rows.
function keep(old, fresh) {
  for (const part of [".chart-sentence", "tbody"])
    fresh.querySelector(part).replaceWith(old.querySelector(part));
  fresh.querySelector(".plot").ariaLabel = old.querySelector(".plot").ariaLabel;
  fresh.dataset.saidAt = old.dataset.saidAt ?? 0;
}

function draw(marks) {
  const style = getComputedStyle(place());
  const axis = {
    stroke: () => style.color,
    grid: { stroke: () => style.borderTopColor, width: 1 },
    ticks: { show: false },
  };
  const drawLines = ({ ctx, bbox, valToPos }) => {
    ctx.fillStyle = style.color;
    const at = (value, axis) => Math.round(valToPos(value, axis, true));
    ctx.fillRect(bbox.left, at(mean(known(speeds)), "y"), bbox.width, 1);
    for (const [seconds] of marks) ctx.fillRect(at(start() + seconds, "x"), bbox.top, 1, bbox.height);
  };
  const options = {
    ...box(),
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_, __, most) => [0, Math.max(most * 1.1, 1024)] } },
    axes: [
      {
        ...axis,
        space: 90,
        size: 28,
        incrs: SECONDS,
        values: (_, all) => all.map((seconds) => CLOCK.format(seconds * 1000)),
      },
      { ...axis, size: 90, space: 24, incrs: byteSteps, values: (_, all) => all.map(perSecond) },
    ],
    series: [{}, { stroke: () => style.outlineColor, width: 2, points: { show: false } }],
    hooks: { drawAxes: [drawLines] },
  };
  return new globalThis.uPlot(options, [times, speeds], place());
}

function tell() {
  const all = known(speeds);
  const n = all.filter((speed, index) => !speed && all[index - 1] !== 0).length;
  let said = say("speed_now", { average: perSecond(mean(all)), now: perSecond(all.at(-1)) });
  if (n) said += `, ${say("stalls", { n })}`;
  shown.querySelector(".chart-sentence").textContent = place().ariaLabel = said;
  const row = shown.querySelector("tbody").insertRow();
  row.insertCell().textContent = length(Math.round(times.at(-1) - start()));
  row.insertCell().textContent = perSecond(mean(known(speeds.slice(-ROW_S))));
}

async function tick() {
  const figure = document.querySelector("#part-chart figure");
  if (figure && figure !== shown) await show(figure);
  if (!figure || figure.dataset.ended || !plot) return;
  const isFresh = performance.now() - newest.at < FRESH_MS;
  times.push(serverNow() / 1000);
  speeds.push(isFresh ? newest.speed : null);
  if (times[0] < times.at(-1) - 600) [times, speeds] = [times.slice(1), speeds.slice(1)];
  if (document.hidden) return;
  plot.setData([times, speeds]);
  const last = figure.dataset.saidAt ?? 0;
  if (!isFresh || newest.speed === null || times.at(-1) - last < ROW_S) return;
  figure.dataset.saidAt = times.at(-1);
  tell();
}

setInterval(tick, 1_000);
tick();

const fit = () => plot?.setSize(box());
addEventListener("resize", fit);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", fit);
