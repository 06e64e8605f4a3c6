const units: [Intl.RelativeTimeFormatUnit, number][] = [["year", 31536e6], ["month", 2592e6], ["day", 864e5], ["hour", 36e5], ["minute", 6e4]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });

export function ago(ms: number | undefined, now = Date.now()): string {
  if (!ms) return "";
  for (const [unit, size] of units) if (Math.abs(now - ms) >= size) return relative.format(-Math.round((now - ms) / size), unit);
  return "just now";
}
export const instant = (ms: number | undefined) => (ms ? new Date(ms).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" }) : "");

export function duration(ms: number): string {
  if (!(ms >= 0)) return "";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 60) return `${s.toFixed(1)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${Math.round((s % 3600) / 60)} min`;
}

/// Six significant digits.
export function number(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "-∞";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e9 || size < 1e-4)) return value.toExponential(4).replace(/\.?0+e/, "e");
  return String(Number(value.toPrecision(6)));
}
export function bytes(n: number | undefined): string {
  if (n === undefined) return "";
  let i = 0;
  let x = n;
  for (; x >= 1000 && i < 4; ++i) x /= 1000;
  return `${i === 0 ? x : x.toFixed(1)} ${["B", "kB", "MB", "GB", "TB"][i]}`;
}

/// As the command line writes them: UTC, and no time of day for a midnight.
export function utc(ms: number | undefined): string {
  if (!ms) return "";
  const text = new Date(ms).toISOString();
  return text.endsWith("T00:00:00.000Z") ? text.slice(0, 10) : text.slice(0, 16).replace("T", " ");
}
const spans: [string, number][] = [["week", 6048e5], ["day", 864e5], ["hour", 36e5], ["minute", 6e4], ["second", 1e3]];
/// Ticks of a time axis, in seconds, `step` apart: days; below a day the time of day, below a minute with seconds, and the
/// day under the first one of each.
export function tickLabels(ticks: number[], step: number): string[] {
  let day = "";
  return ticks.map((tick) => {
    const iso = new Date(tick * 1000).toISOString();
    if (step >= 86400) return iso.slice(0, 10);
    const time = iso.slice(11, step < 60 ? 19 : 16);
    if (iso.slice(0, 10) === day) return time;
    day = iso.slice(0, 10);
    return `${time}\n${day}`;
  });
}
/// A length of time in its largest unit that fits.
export function span(ms: number): string {
  const [unit, size] = spans.find(([, one]) => ms >= one) ?? spans[spans.length - 1];
  const n = Number((ms / size).toPrecision(ms >= 10 * size ? 2 : 1 + Number(ms % size !== 0)));
  return `${n} ${unit}${n === 1 ? "" : "s"}`;
}
export function percent(share: number): string {
  if (!Number.isFinite(share)) return "";
  return `${number(Number((100 * share).toPrecision(3)))} %`;
}
export const plural = (n: number, what: string, many = what + "s") => `${n.toLocaleString("en")} ${n === 1 ? what : many}`;
