import { createEffect, createSignal, For, Show, type JSX, type ParentProps } from "solid-js";
import type { KeyValue, Served } from "./api";
import { serverNow } from "./clock";
import { ago, instant, utc } from "./format";
import type { Polled } from "./polled";

export function Page(props: ParentProps<{ title: string; trail?: [string, string][]; aside?: JSX.Element }>) {
  createEffect(() => { document.title = `${props.title} · Slipway`; });
  return (
    <>
      <Show when={props.trail?.length}>
        <nav class="trail" aria-label="Where you are">
          <For each={props.trail}>{([text, href]) => <><a href={href}>{text}</a><span aria-hidden="true">/</span></>}</For>
        </nav>
      </Show>
      <div class="head"><h1>{props.title}</h1>{props.aside}</div>
      {props.children}
    </>
  );
}

/// Shows an error, a first load, or the data; an error after data keeps the data.
export function Loaded<T>(props: { from: Polled<T>; children: (data: () => T) => JSX.Element }) {
  return (
    <>
      <Show when={props.from.error()}>{(e) => <Problem error={e()} since={props.from.data() === undefined ? undefined : props.from.at()} />}</Show>
      <Show when={props.from.data() !== undefined} fallback={<Show when={!props.from.error()}><p class="quiet" role="status">Loading…</p></Show>}>
        {props.children(() => props.from.data() as T)}
      </Show>
    </>
  );
}

/// `since`: what is shown below is that old.
export const Problem = (props: { error: Error; since?: number }) => (
  <p class="problem" role="alert">{props.error.message}<Show when={props.since}>{(at) => <> What you see is from {new Date(at()).toLocaleTimeString("en-GB")}; it is asked for again.</>}</Show></p>
);
export const Empty = (props: ParentProps<{ title: string }>) => <div class="empty"><h2>{props.title}</h2>{props.children}</div>;
export const Code = (props: { text: string }) => <pre tabindex="0"><code>{props.text}</code></pre>;
/// A time of the loop: as the server's clock and the command line show it.
export const When = (props: { ms?: number; bare?: boolean }) => (
  <Show when={props.ms}>{(ms) => <time datetime={new Date(ms()).toISOString()} title={new Date(ms()).toISOString()}>{utc(ms())}<Show when={!props.bare}> <span class="quiet">{ago(ms(), serverNow())}</span></Show></time>}</Show>
);
export const Time = (props: { ms?: number }) => <Show when={props.ms}>{(ms) => <time datetime={new Date(ms()).toISOString()} title={instant(ms())}>{ago(ms())}</time>}</Show>;

/// The same with its date, for a page about one thing.
export const Dated = (props: { ms?: number }) => <Show when={props.ms}>{(ms) => <time datetime={new Date(ms()).toISOString()} title={new Date(ms()).toISOString()}>{instant(ms())} <span class="quiet">{ago(ms())}</span></time>}</Show>;

const looks: Record<string, [string, string]> = {
  RUNNING: ["live", "running"], SCHEDULED: ["wait", "scheduled"], FINISHED: ["good", "finished"], FAILED: ["bad", "failed"], KILLED: ["bad", "killed"],
  READY: ["good", "ready"], PENDING_REGISTRATION: ["wait", "pending"], FAILED_REGISTRATION: ["bad", "failed"],
  LOGGED_MODEL_READY: ["good", "ready"], LOGGED_MODEL_PENDING: ["wait", "pending"], LOGGED_MODEL_UPLOAD_FAILED: ["bad", "upload failed"],
  good: ["good", "good"], warn: ["wait", "good, with a warning"], bad: ["bad", "bad"], undecided: ["unsure", "undecided"],
  pass: ["good", "passed"], fail: ["bad", "failed"], error: ["bad", "error"], no_data: ["unsure", "no data"], waived: ["wait", "waived"],
  insufficient: ["unsure", "too few rows"], skipped: ["unsure", "does not apply"],
  superior: ["good", "better"], non_inferior: ["good", "not worse"], harmful: ["bad", "harmful"],
  pending: ["wait", "waits"], gating: ["live", "in its gates"], shadowing: ["live", "in shadow"], canarying: ["live", "canary"], promoting: ["live", "taking over"],
  live: ["good", "serves"], aborting: ["bad", "being taken back"], rolled_back: ["bad", "rolled back"], stopped: ["bad", "stopped by a gate"], superseded: ["unsure", "superseded"],
  open: ["bad", "open"], closed: ["good", "closed"], succeeded: ["good", "succeeded"], failed: ["bad", "failed"], running: ["live", "running"], cancelled: ["unsure", "cancelled"],
  resting: ["unsure", "not in use"], LOADING: ["wait", "loading"], UNLOADING: ["wait", "unloading"], UNAVAILABLE: ["bad", "not served"],
};
export function State(props: { of?: string; as?: string }) {
  const look = () => looks[props.of ?? ""] ?? ["wait", (props.of ?? "unknown").toLowerCase()];
  return <span class={"state " + look()[0]}>{props.as ?? look()[1]}</span>;
}

/// Of a version as serving sees it. One that no rollout uses is no fault.
export function ServedState(props: { of: Served }) {
  const rests = () => props.of.state === "UNAVAILABLE" && props.of.reason?.startsWith("not loaded by the rollout of ");
  return <State of={rests() ? "resting" : props.of.state} />;
}

export function Facts(props: { rows: [string, JSX.Element][] }) {
  return <dl class="facts"><For each={props.rows}>{([name, value]) => <Show when={value !== undefined && value !== ""}><dt>{name}</dt><dd>{value}</dd></Show>}</For></dl>;
}

export function Pairs(props: { caption: string; rows: KeyValue[]; none: string }) {
  const sorted = () => [...props.rows].sort((a, b) => a.key.localeCompare(b.key));
  return (
    <Show when={props.rows.length} fallback={<p class="quiet">{props.none}</p>}>
      <div class="scroll"><table class="pairs"><caption class="sr">{props.caption}</caption>
        <tbody><For each={sorted()}>{(row) => <tr><th scope="row">{row.key}</th><td>{row.value ?? ""}</td></tr>}</For></tbody>
      </table></div>
    </Show>
  );
}

/// Own tags first; what clients write for themselves is folded away.
export function Tags(props: { tags: KeyValue[] }) {
  const own = () => props.tags.filter((t) => !t.key.startsWith("mlflow."));
  const system = () => props.tags.filter((t) => t.key.startsWith("mlflow."));
  return (
    <>
      <Pairs caption="Tags" rows={own()} none="No tags." />
      <Show when={system().length}><details><summary>{system().length} tags set by the client</summary><Pairs caption="Client tags" rows={system()} none="" /></details></Show>
    </>
  );
}

/// Page tokens seen so far, so that one can go back.
export function createPages() {
  const [tokens, setTokens] = createSignal<string[]>([]);
  return {
    token: () => tokens()[tokens().length - 1] as string | undefined,
    index: () => tokens().length,
    next: (token: string) => setTokens([...tokens(), token]),
    back: () => setTokens(tokens().slice(0, -1)),
    reset: () => { if (tokens().length) setTokens([]); },
  };
}
export function Pager(props: { pages: ReturnType<typeof createPages>; next?: string; shown: number; what: string; rows: number }) {
  return (
    <Show when={props.pages.index() > 0 || props.next}>
      <nav class="pager" aria-label="Pages">
        <button disabled={props.pages.index() === 0} onClick={props.pages.back}>← Previous</button>
        <span role="status">{props.what} {props.pages.index() * props.rows + 1} to {props.pages.index() * props.rows + props.shown}</span>
        <button disabled={!props.next} onClick={() => props.next && props.pages.next(props.next)}>Next →</button>
      </nav>
    </Show>
  );
}

export const paths = {
  experiment: (id: string) => `#/experiments/${encodeURIComponent(id)}`,
  run: (experiment: string, id: string) => `#/experiments/${encodeURIComponent(experiment)}/runs/${encodeURIComponent(id)}`,
  runById: (id: string) => `#/runs/${encodeURIComponent(id)}`,
  compare: (experiment: string, ids: string[]) => `#/experiments/${encodeURIComponent(experiment)}/compare?runs=${ids.map(encodeURIComponent).join(",")}`,
  lineage: (subject: string) => `#/lineage/${encodeURIComponent(subject)}`,
  logged: (experiment: string, id: string) => `#/experiments/${encodeURIComponent(experiment)}/models/${encodeURIComponent(id)}`,
  deployment: (name: string) => `#/deployments/${encodeURIComponent(name)}`,
  windows: (deployment: string, monitor: string) => `#/deployments/${encodeURIComponent(deployment)}?monitor=${encodeURIComponent(monitor)}`,
  incident: (id: string) => `#/incidents/${encodeURIComponent(id)}`,
  event: (seq: number) => `#/events/${seq}`,
  predictions: (deployment: string) => `#/predictions?deployment=${encodeURIComponent(deployment)}`,
  prediction: (id: string) => `#/predictions/${encodeURIComponent(id)}`,
  model: (name: string) => `#/models/${encodeURIComponent(name)}`,
  version: (name: string, version: string) => `#/models/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}`,
};
