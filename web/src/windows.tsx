import { createEffect, createMemo, createSignal, For, on, Show } from "solid-js";
import uPlot from "uplot";
import { listWindows, type Check, type Incident, type Monitor, type MonitorWindow } from "./api";
import { axisOf, Plot } from "./chart";
import { number, plural, tickLabels, utc } from "./format";
import { createPages, Loaded, paths, State } from "./pieces";
import { createPolled } from "./polled";

const drawnMax = 300;
const rowsMax = 30;
const lines = ["--accent", "--second", "--third", "--fourth"];
const dayS = 86400;

/// What is drawn of a window: in the requirement's own unit; a drift, which has a threshold for each column, as a share of that.
interface Drawn { value: number | null; limit: number | null }
type Unit = "value" | "days" | "share";
const unitOf = (monitor: Monitor): Unit => (!monitor.requirement ? "share" : monitor.last?.words.includes("days old") ? "days" : "value");
function drawn(window: MonitorWindow, unit: Unit): Drawn {
  const observed = Number(window.measured?.observed ?? NaN), threshold = Number(window.measured?.threshold ?? NaN);
  const by = unit === "share" ? threshold : unit === "days" ? dayS : 1;
  const finite = (x: number) => (Number.isFinite(x) ? x : null);
  // Nothing was decided, so there is nothing to see.
  return { value: window.status === "undecided" ? null : finite(observed / by), limit: finite(threshold / by) };
}
const labels: Record<Unit, string> = { value: "measured, and what is asked for", days: "days since it was made, and what is asked for", share: "largest drift of a column, as a share of its threshold" };

export interface Mark { at_ms: number; text: string }

/// Judged while it was open, the window that opened it included.
const isDuring = (w: MonitorWindow, i: Incident) => w.judged_ms >= i.opened_ms && w.judged_ms <= (i.closed_ms || Infinity);

/// Weeks at a glance: one line for each version, the requirement dashed, incidents shaded, promotions marked.
export function WindowsChart(props: { monitor: Monitor; windows: MonitorWindow[]; incidents: Incident[]; marks: Mark[] }) {
  // An incident covers the windows that were judged while it was open.
  const bands = () => props.incidents.map((i) => props.windows.filter((w) => isDuring(w, i))).filter((of) => of.length)
    .map((of) => [Math.min(...of.map((w) => w.start_ms)), Math.max(...of.map((w) => w.end_ms))]);
  const unit = () => unitOf(props.monitor);
  const starts = createMemo(() => [...new Set(props.windows.map((w) => w.start_ms))].sort((a, b) => a - b));
  const versions = createMemo(() => [...new Set(props.windows.filter((w) => drawn(w, unit()).value !== null).map((w) => w.version))].sort((a, b) => Number(b) - Number(a)).slice(0, 12), [] as string[], { equals: (a, b) => a.join() === b.join() });
  // A window is drawn at its middle.
  const ends = createMemo(() => new Map(props.windows.map((w) => [w.start_ms, w.end_ms])));
  const middle = (start: number) => (start + (ends().get(start) ?? start)) / 2;
  const at = createMemo(() => new Map(props.windows.map((w) => [`${w.version} ${w.start_ms}`, w])));
  const limitAt = createMemo(() => {
    const found = new Map<number, number>();
    for (const w of props.windows) { const { limit } = drawn(w, unit()); if (limit !== null) found.set(w.start_ms, limit); }
    return found;
  });
  const data = createMemo((): uPlot.AlignedData => [
    starts().map((s) => middle(s) / 1000),
    starts().map((s) => limitAt().get(s) ?? [...limitAt().values()][0] ?? null),
    ...versions().map((v) => starts().map((s) => { const w = at().get(`${v} ${s}`); return w ? drawn(w, unit()).value : null; })),
  ]);
  const [cursor, setCursor] = createSignal<number | null>(null);
  const shown = () => { const i = cursor() ?? starts().length - 1; return props.windows.filter((w) => w.start_ms === starts()[i]); };
  const reading = () => shown().map((w) => `${utc(w.start_ms)} to ${utc(w.end_ms)}: ${w.version ? `version ${w.version}` : "nobody was answered:"} ${w.status}${drawn(w, unit()).value === null ? "" : `, ${number(Number(drawn(w, unit()).value!.toPrecision(4)))}`}`).join("; ");

  const options = (color: (name: string) => string): Omit<uPlot.Options, "width" | "height"> => {
    const bad = color("--bad"), wait = color("--wait"), quiet = color("--quiet"), page = color("--paper");
    const spans = bands(), marks = props.marks, shownVersions = versions(), lookUp = at();
    const first = starts()[0] ?? 0, end = Math.max(...ends().values(), first + 1);
    const band = (u: uPlot) => {
      const { ctx, bbox } = u;
      const x = (ms: number) => Math.max(bbox.left, Math.min(bbox.left + bbox.width, u.valToPos(ms / 1000, "x", true)));
      ctx.save();
      ctx.fillStyle = bad;
      ctx.globalAlpha = 0.13;
      for (const [from, to] of spans) ctx.fillRect(x(from), bbox.top, Math.max(2, x(to) - x(from)), bbox.height);
      ctx.restore();
    };
    const points = (u: uPlot) => {
      const { ctx, bbox } = u;
      const unit = devicePixelRatio;
      ctx.save();
      for (const w of lookUp.values()) {
        const value = drawn(w, unitOf(props.monitor)).value;
        const x = u.valToPos(middle(w.start_ms) / 1000, "x", true);
        if (x < bbox.left || x > bbox.left + bbox.width) continue;
        if (value === null) {  // undecided: a ring at the foot
          ctx.strokeStyle = quiet;
          ctx.lineWidth = 1.5 * unit;
          ctx.beginPath(); ctx.arc(x, bbox.top + bbox.height - 6 * unit, 3 * unit, 0, 7); ctx.stroke();
        } else if (w.status === "bad" || w.status === "warn") {
          ctx.fillStyle = w.status === "bad" ? bad : wait;
          ctx.strokeStyle = page;
          ctx.lineWidth = 1.5 * unit;
          ctx.beginPath(); ctx.arc(x, u.valToPos(value, "y", true), 4.5 * unit, 0, 7); ctx.fill(); ctx.stroke();
        }
      }
      ctx.font = `${11 * unit}px system-ui, sans-serif`;
      ctx.fillStyle = ctx.strokeStyle = quiet;
      ctx.textAlign = "left";
      ctx.textBaseline = "alphabetic";
      ctx.lineWidth = unit;
      ctx.setLineDash([2 * unit, 3 * unit]);
      for (const mark of marks) {
        const x = u.valToPos(mark.at_ms / 1000, "x", true);
        if (x < bbox.left || x > bbox.left + bbox.width) continue;
        ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
        ctx.fillText(mark.text, x + 4 * unit, bbox.top + 11 * unit);
      }
      ctx.restore();
    };
    return {
      legend: { show: false }, cursor: { points: { size: 7 }, drag: { x: true, y: false } }, tzDate: (s) => uPlot.tzDate(new Date(s * 1000), "Etc/UTC"),
      scales: { x: { time: true, range: (_u, min, max) => (max - min < (end - first) / 1000 * 0.9 && min > first / 1000 ? [min, max] : [first / 1000, end / 1000]) }, y: { range: (_u, _min, max) => [0, Math.max(max * 1.1, 1e-9)] } },
      axes: [{ ...axisOf(color), size: 42, space: 90, values: (_u, ticks, _axis, _space, step) => tickLabels(ticks, step) }, { ...axisOf(color), size: 56, values: (_, ticks) => ticks.map((t) => (t === null ? "" : number(t))) }],
      series: [{}, { stroke: bad, width: 1, dash: [6, 4], points: { show: false }, spanGaps: true },
        ...shownVersions.map((_v, i): uPlot.Series => ({ stroke: color(lines[i % lines.length]), width: 1.75, spanGaps: false, points: { show: true, size: 5, fill: color(lines[i % lines.length]) } }))],
      hooks: { drawClear: [band], draw: [points], setCursor: [(u) => setCursor(u.cursor.idx ?? null)] },
    };
  };
  return (
    <figure class="chart windows">
      <figcaption><b>{labels[unit()]}</b><span>{reading()}</span></figcaption>
      <Plot height={240} options={options} data={data()} attributes={{ "data-monitor": props.monitor.monitor, "data-windows": props.windows.length,
        "aria-label": `${props.monitor.monitor}: ${props.windows.length} windows; ${reading()}. The table below has the same figures.` }} />
      <p class="legend"><For each={versions()}>{(v, i) => <span class={`key key${i() % lines.length}`}>version {v}</span>}</For>
        <span class="key dashed">asked for</span><span class="key band">incident</span><span class="key ring">undecided</span></p>
    </figure>
  );
}

function Checks(props: { of: Check[]; caption: string }) {
  return (
    <div class="scroll"><table><caption class="sr">{props.caption}</caption>
      <thead><tr><th scope="col">Check</th><th scope="col">Verdict</th><th scope="col" class="number">Measured</th><th scope="col" class="number">Threshold</th><th scope="col">In words</th></tr></thead>
      <tbody><For each={props.of}>{(c) => (
        <tr><th scope="row">{c.check}</th><td><State of={c.status} as={c.status === "warn" ? "warning" : undefined} /></td><td class="number">{c.observed === undefined ? "" : number(Number(c.observed))}</td><td class="number">{c.threshold === undefined ? "" : number(Number(c.threshold))}</td><td class="words">{c.words}</td></tr>
      )}</For></tbody>
    </table></div>
  );
}

/// All that was judged of one window, fetched when it is opened.
function Judged(props: { of: MonitorWindow }) {
  const full = createPolled(() => props.of.id, async (_, signal) =>
    (await listWindows({ deployment: props.of.deployment, monitor: props.of.monitor, version: props.of.version, before_ms: props.of.start_ms + 1, limit: 10, verdicts: true }, signal)).find((w) => w.id === props.of.id));
  const order = ["fail", "error", "warn", "insufficient", "no_data", "pass", "skipped"];
  const sorted = (list: Check[]) => [...list].sort((a, b) => order.indexOf(a.status) - order.indexOf(b.status)).slice(0, 500);
  return (
    <Loaded from={full}>{(w) => (
      <Show when={w()?.verdicts} fallback={<p class="quiet">It is no longer known.</p>}>{(v) => (
        <>
          <Show when={v().deciding.length}><h3>What decided</h3><Checks of={sorted(v().deciding)} caption="What decided" /></Show>
          <Show when={v().told.length}><h3>Measured beside it</h3><Checks of={sorted(v().told)} caption="Measured beside it" /></Show>
          <p><a href={paths.lineage(`window:${props.of.id}`)}>What this window led to</a> · <a href={paths.event(props.of.event_seq)}>when it was judged</a></p>
        </>
      )}</Show>
    )}</Loaded>
  );
}

function Row(props: { of: MonitorWindow; incident?: Incident }) {
  const [open, setOpen] = createSignal(false);
  const id = () => `judged-${props.of.id}`;
  return (
    <>
      <tr>
        <th scope="row"><button class="fold" aria-expanded={open()} aria-controls={id()} onClick={() => setOpen(!open())}>{utc(props.of.start_ms)} to {utc(props.of.end_ms)}</button></th>
        <td><Show when={props.of.version} fallback={<span class="quiet">nobody was answered</span>}>{(v) => <a href={paths.version(props.of.model, v())}>{v()}</a>}</Show></td>
        <td><State of={props.of.status} /></td>
        <td class="words">{props.of.words} <For each={props.of.columns.slice(0, 6)}>{(c) => <span class="tag">{c}</span>}</For></td>
        <td class="number">{number(props.of.rows)}</td><td class="number">{number(props.of.labelled)}</td>
        <td><Show when={props.incident}>{(i) => <a class="bad" href={paths.incident(i().id)}>incident</a>}</Show></td>
      </tr>
      <Show when={open()}><tr id={id()}><td colspan="7"><Judged of={props.of} /></td></tr></Show>
    </>
  );
}

/// Of one row more than a page: a start that several versions share is not torn apart, it comes with the next page.
function wholeStarts(rows: MonitorWindow[]): { rows: MonitorWindow[]; next?: number } {
  if (rows.length <= rowsMax) return { rows };
  const whole = rows.slice(0, rowsMax).filter((w) => w.start_ms !== rows[rowsMax].start_ms);
  const kept = whole.length ? whole : rows.slice(0, rowsMax);
  return { rows: kept, next: kept[kept.length - 1].start_ms };
}

export function Windows(props: { monitor: Monitor; incidents: Incident[]; marks: Mark[] }) {
  const of = () => ({ deployment: props.monitor.deployment, monitor: props.monitor.monitor });
  const drawnWindows = createPolled(of, (k, signal) => listWindows({ ...k, limit: drawnMax }, signal), () => 10_000);
  const pages = createPages();
  createEffect(on(() => JSON.stringify(of()), pages.reset, { defer: true }));
  const asked = createMemo(() => ({ ...of(), before_ms: pages.token() ? Number(pages.token()) : undefined, limit: rowsMax + 1 }));
  const table = createPolled(asked, async (query, signal) => wholeStarts(await listWindows(query, signal)), () => (pages.index() ? null : 10_000));
  const mine = () => props.incidents.filter((i) => i.monitor === props.monitor.monitor);
  const incidentOf = (w: MonitorWindow) => mine().find((i) => isDuring(w, i));
  return (
    <>
      <p class="quiet">
        <Show when={props.monitor.requirement} fallback={<>Against {props.monitor.against || "nothing"}</>}>Requirement <b>{props.monitor.requirement}</b></Show> · windows of {props.monitor.window}, judged {props.monitor.waits} after their end · at least {plural(props.monitor.min_rows, "row")} · an incident after {props.monitor.persist} bad in a row
        <Show when={props.monitor.next_due_ms}>{(due) => <> · the next is due {utc(due())}</>}</Show>
      </p>
      <Loaded from={drawnWindows}>{(all) => (
        <Show when={all().length} fallback={<p class="quiet">{props.monitor.begun ? "No window has been judged yet." : "It begins with the first version that serves."}</p>}>
          <div class="paper"><WindowsChart monitor={props.monitor} windows={all()} incidents={mine()} marks={props.marks} /></div>
        </Show>
      )}</Loaded>
      <Loaded from={table}>{(page) => (
        <Show when={page().rows.length}>
          <div class="scroll"><table><caption class="sr">Windows of {props.monitor.monitor}</caption>
            <thead><tr><th scope="col">Window (UTC)</th><th scope="col">Version</th><th scope="col">State</th><th scope="col">Why</th><th scope="col" class="number">Rows</th><th scope="col" class="number">Labelled</th><th scope="col" /></tr></thead>
            <tbody><For each={page().rows}>{(w) => <Row of={w} incident={incidentOf(w)} />}</For></tbody>
          </table></div>
          <Show when={pages.index() > 0 || page().next}>
            <nav class="pager" aria-label="Pages"><button disabled={!pages.index()} onClick={pages.back}>← Later</button>
              <span role="status">{utc(page().rows[page().rows.length - 1].start_ms)} to {utc(page().rows[0].end_ms)}</span>
              <button disabled={!page().next} onClick={() => page().next && pages.next(String(page().next))}>Earlier →</button></nav>
          </Show>
        </Show>
      )}</Loaded>
    </>
  );
}
