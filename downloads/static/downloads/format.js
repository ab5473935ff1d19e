// How sizes, durations and instants are written. The twins of web/format.py: both write to the
// same places, and tests/web/test_format.py keeps them equal.

import { lang, say } from "./words.js";

const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB"];
const LENGTHS = [
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
];
const tenth = new Intl.NumberFormat(lang, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const two = (value) => String(value).padStart(2, "0");

// Python rounds halves to even, and so must we.
function round(value) {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}

export function size(count) {
  if (count < 1000) return `${Math.trunc(count)} B`;
  let value = count / 1024;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 9.95 ? tenth.format(value) : round(value)} ${UNITS[unit]}`;
}

export function duration(seconds) {
  if (seconds < 0.95) return `${tenth.format(Math.max(seconds, 0))} s`;
  const whole = Math.floor(seconds + 0.5);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

// `seconds` since the instant; negative before it.
export function ago(seconds) {
  const age = Math.abs(seconds);
  if (age < 5) return say("now");
  const [length, unit] = LENGTHS.find(([least]) => age >= least) ?? [1, "s"];
  return say(`${seconds > 0 ? "ago" : "in"}_${unit}`, { n: Math.floor(age / length) });
}
