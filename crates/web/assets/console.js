// Charts of rates and the live tail of a topic. Everything else works without a script.
// Whatever comes from the broker enters the page as text, never as markup.
"use strict";

const READ_EVERY_MS = 2000;
const READINGS_MAX = 150;
const TAIL_MAX = 200;
const BODY_SHOWN_MAX = 2000;
const SERIES = [["published", "Published"], ["delivered", "Delivered"], ["acknowledged", "Acknowledged"]];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function rate(value) {
  return value == null ? "–" : value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });
}

function options(width) {
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  const clock = (_, ticks) => ticks.map((at) => new Date(at * 1000).toLocaleTimeString([], { hour12: false }));
  return {
    width,
    height: 180,
    cursor: { y: false },
    legend: { live: false },
    scales: {
      x: { range: (_, low, high) => [high - READINGS_MAX * READ_EVERY_MS / 1000, high] },
      y: { range: (_, low, high) => [0, Math.max(high * 1.1, 1)] },
    },
    axes: [{ ...axis, incrs: [15, 30, 60, 120, 300], space: 80, values: clock }, { ...axis, size: 56, values: (_, ticks) => ticks.map(rate) }],
    series: [
      {},
      ...SERIES.map(([, label], at) => ({
        label,
        stroke: colour(`--series-${at + 1}`),
        width: 1.75,
        points: { show: false },
        value: (_, value) => rate(value),
      })),
    ],
  };
}

function chart(figure) {
  const place = figure.querySelector(".plot");
  const now = figure.querySelector(".now");
  const rows = [[], [], [], []];
  let last = null;
  let plot = null;
  const draw = () => {
    plot ??= new uPlot(options(place.clientWidth), rows, place);
    plot.setData(rows);
  };
  const read = async () => {
    if (document.hidden) return;
    let reading;
    try {
      const answer = await fetch(figure.dataset.rates, { headers: { accept: "application/json" } });
      if (answer.redirected) return location.reload();
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      reading = await answer.json();
    } catch (error) {
      now.textContent = `No reading (${error.message}); trying again.`;
      return;
    }
    const seconds = last && (reading.at - last.at) / 1000;
    if (seconds > 0) {
      const rates = SERIES.map(([field]) => Math.max(0, reading[field] - last[field]) / seconds);
      rows[0].push(reading.at / 1000);
      rates.forEach((value, at) => rows[at + 1].push(value));
      if (rows[0].length > READINGS_MAX) rows.forEach((row) => row.shift());
      now.textContent = SERIES.map(([, label], at) => `${label} ${rate(rates[at])}/s`).join(" · ");
      draw();
    }
    last = reading;
  };
  read();
  setInterval(read, READ_EVERY_MS);
  addEventListener("resize", () => plot?.setSize({ width: place.clientWidth, height: 180 }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    plot?.destroy();
    plot = null;
    if (rows[0].length) draw();
  });
}

function shown(record) {
  if (record.body == null) return `base64 ${(record.body_base64 ?? "").slice(0, BODY_SHOWN_MAX)}`;
  return record.body.length > BODY_SHOWN_MAX ? `${record.body.slice(0, BODY_SHOWN_MAX)}…` : record.body;
}

function tail(section) {
  const list = section.querySelector("ol");
  const button = section.querySelector("button");
  const status = section.querySelector("[role=status]");
  let source = null;
  let last = "";
  const say = (text, label) => {
    status.textContent = text;
    button.textContent = label;
  };
  const stop = (text) => {
    source?.close();
    source = null;
    say(text, "Follow");
  };
  const add = (event) => {
    const record = JSON.parse(event.data);
    last = event.lastEventId;
    const item = document.createElement("li");
    const place = document.createElement("span");
    const body = document.createElement("code");
    place.textContent = `${record.partition}:${record.offset}`;
    body.textContent = shown(record);
    item.append(place, body);
    list.prepend(item);
    while (list.children.length > TAIL_MAX) list.lastElementChild.remove();
  };
  const start = () => {
    // A new source cannot send Last-Event-ID itself, so what was last seen goes in the query.
    const address = new URL(section.dataset.tail, location.href);
    if (last) address.searchParams.set("after", last);
    source = new EventSource(address);
    source.onopen = () => say("Following.", "Pause");
    source.addEventListener("message", add);
    source.addEventListener("problem", (event) => stop(`Stopped: ${JSON.parse(event.data).detail}`));
    source.onerror = () => {
      if (source?.readyState === EventSource.CLOSED) stop("The stream ended.");
      else say("The connection broke; trying again.", "Pause");
    };
  };
  button.addEventListener("click", () => (source ? stop("Paused.") : start()));
}

document.querySelectorAll("[data-rates]").forEach(chart);
document.querySelectorAll("[data-tail]").forEach(tail);
