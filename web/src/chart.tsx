import { createEffect, createMemo, createSignal, onCleanup, onMount, Show, untrack } from "solid-js";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Metric } from "./api";
import { number, tickLabels } from "./format";

export type Axis = "step" | "time";

/// Points in the order of the axis; a value that cannot be drawn becomes a gap.
export function toColumns(points: Metric[], axis: Axis): [number[], (number | null)[]] {
  const x = (p: Metric) => (axis === "step" ? p.step : p.timestamp / 1000);
  const sorted = [...points].sort((a, b) => x(a) - x(b) || a.timestamp - b.timestamp);
  const xs: number[] = [];
  const ys: (number | null)[] = [];
  for (const p of sorted) {
    if (xs.length && xs[xs.length - 1] === x(p)) { xs.pop(); ys.pop(); }
    xs.push(x(p));
    ys.push(Number.isFinite(p.value) ? p.value : null);
  }
  return [xs, ys];
}

type Color = (name: string) => string;
export const axisOf = (color: Color): uPlot.Axis => ({
  stroke: color("--quiet"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line"), width: 1 }, font: "11px system-ui, sans-serif",
});

/// A uPlot as wide as its place, built anew when that or the colours change. `options` may depend on signals; so may `data`.
export function Plot(props: { height: number; options: (color: Color) => Omit<uPlot.Options, "width" | "height">; data: uPlot.AlignedData; attributes: Record<string, string | number> }) {
  let box!: HTMLDivElement;
  let plot: uPlot | undefined;
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  const [dark, setDark] = createSignal(scheme.matches);
  const [width, setWidth] = createSignal(0);
  const onScheme = () => setDark(scheme.matches);
  scheme.addEventListener("change", onScheme);
  onCleanup(() => { scheme.removeEventListener("change", onScheme); plot?.destroy(); });
  onMount(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    watch.observe(box);
    onCleanup(() => watch.disconnect());
  });
  createEffect(() => {
    dark();
    const css = getComputedStyle(document.documentElement);
    const options = props.options((name) => css.getPropertyValue(name).trim());
    const wide = width();
    plot?.destroy();
    plot = wide < 50 ? undefined : new uPlot({ ...options, width: wide, height: props.height }, untrack(() => props.data), box);
  });
  createEffect(() => { const data = props.data; plot?.setData(data); });
  return <div ref={box} class="plot" role="img" {...props.attributes} />;
}

/// A metric over its steps or over time; one that has a single point is a number, not a line.
export function Chart(props: { name: string; points: Metric[]; axis: Axis; log: boolean }) {
  const [at, setAt] = createSignal<number | null>(null);
  const columns = () => {
    const [xs, ys] = toColumns(props.points, props.axis);
    return [xs, props.log ? ys.map((y) => (y !== null && y > 0 ? y : null)) : ys] as uPlot.AlignedData;
  };
  const few = createMemo(() => columns()[0].length < 2);
  const options = (color: Color): Omit<uPlot.Options, "width" | "height"> => ({
    legend: { show: false }, cursor: { points: { size: 7 }, drag: { x: true, y: false } },
    scales: { x: { time: props.axis === "time" }, y: { distr: props.log ? 3 : 1 } },
    axes: [{ ...axisOf(color), ...(props.axis === "time" ? { size: 42, space: 90, values: (_u, ticks, _axis, _space, step) => tickLabels(ticks, step) } : { size: 28 }) } as uPlot.Axis, { ...axisOf(color), size: 56, values: (_, ticks) => ticks.map((t) => (t === null ? "" : number(t))) }],
    series: [{}, { stroke: color("--accent"), width: 1.75, spanGaps: false }],
    hooks: { setCursor: [(u) => setAt(u.cursor.idx ?? null)] },
  });
  const reading = () => {
    const [xs, ys] = columns();
    const i = at() ?? xs.length - 1;
    if (i < 0 || i >= xs.length) return "";
    const where = props.axis === "step" ? `step ${xs[i]}` : new Date(xs[i] * 1000).toLocaleTimeString();
    return `${ys[i] === null || ys[i] === undefined ? "no value" : number(ys[i] as number)} at ${where}`;
  };
  return (
    <figure class="chart">
      <figcaption><b>{props.name}</b><span>{reading()}</span></figcaption>
      <Show when={!few()} fallback={<p class="single" data-metric={props.name} data-points={props.points.length}>{props.points.length ? number(props.points[props.points.length - 1].value) : ""}</p>}>
        <Plot height={180} options={options} data={columns()} attributes={{ "data-metric": props.name, "data-points": props.points.length, "aria-label": `${props.name}: ${props.points.length} points, ${reading()}` }} />
      </Show>
    </figure>
  );
}
