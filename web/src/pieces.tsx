import { createEffect, createSignal, For, Show, type JSX, type ParentProps } from "solid-js";
import type { KeyValue } from "./api";
import { ago, instant } from "./format";
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
      <Show when={props.from.error()}>{(e) => <Problem error={e()} />}</Show>
      <Show when={props.from.data() !== undefined} fallback={<Show when={!props.from.error()}><p class="quiet" role="status">Loading…</p></Show>}>
        {props.children(() => props.from.data() as T)}
      </Show>
    </>
  );
}

export const Problem = (props: { error: Error }) => <p class="problem" role="alert">{props.error.message}</p>;
export const Empty = (props: ParentProps<{ title: string }>) => <div class="empty"><h2>{props.title}</h2>{props.children}</div>;
export const Code = (props: { text: string }) => <pre tabindex="0"><code>{props.text}</code></pre>;
export const Time = (props: { ms?: number }) => <Show when={props.ms}>{(ms) => <time datetime={new Date(ms()).toISOString()} title={instant(ms())}>{ago(ms())}</time>}</Show>;

const looks: Record<string, [string, string]> = {
  RUNNING: ["live", "running"], SCHEDULED: ["wait", "scheduled"], FINISHED: ["good", "finished"], FAILED: ["bad", "failed"], KILLED: ["bad", "killed"],
  READY: ["good", "ready"], PENDING_REGISTRATION: ["wait", "pending"], FAILED_REGISTRATION: ["bad", "failed"],
  LOGGED_MODEL_READY: ["good", "ready"], LOGGED_MODEL_PENDING: ["wait", "pending"], LOGGED_MODEL_UPLOAD_FAILED: ["bad", "upload failed"],
  LOADING: ["wait", "loading"], UNLOADING: ["wait", "unloading"], UNAVAILABLE: ["bad", "not served"],
};
export function State(props: { of?: string }) {
  const look = () => looks[props.of ?? ""] ?? ["wait", (props.of ?? "unknown").toLowerCase()];
  return <span class={"state " + look()[0]}>{look()[1]}</span>;
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
  model: (name: string) => `#/models/${encodeURIComponent(name)}`,
  version: (name: string, version: string) => `#/models/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}`,
};
