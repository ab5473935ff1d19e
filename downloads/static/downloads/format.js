// How sizes, durations and instants are written. The twins of web/format.py: both write to the
// same places, and tests/web/test_format.py keeps them equal.

const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB"];
const LENGTHS = [
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
];

// Python rounds halves to even, and so must we.
function round(value) {
  const floor = Math.floor(value);
  const isHalf = value - floor === 0.5;
  return isHalf ? floor + (floor % 2) : Math.round(value);
}

export function size(count) {
  if (count < 1000) return `${Math.trunc(count)} B`;
  let value = count / 1024;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 9.95 ? value.toFixed(1) : round(value)} ${UNITS[unit]}`;
}

export function duration(seconds) {
  if (seconds < 0.95) return `${Math.max(seconds, 0).toFixed(1)} s`;
  const whole = Math.floor(seconds + 0.5);
  const two = (value) => String(value).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

// `seconds` since the instant; negative before it.
export function ago(seconds) {
  if (Math.abs(seconds) < 5) return "now";
  const [length, unit] = LENGTHS.find(([least]) => Math.abs(seconds) >= least) ?? [1, "s"];
  const written = `${Math.floor(Math.abs(seconds) / length)} ${unit}`;
  return seconds > 0 ? `${written} ago` : `in ${written}`;
}
