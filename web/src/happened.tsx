import { For, Show } from "solid-js";
import { lookBack, type LoopEvent } from "./api";
import { Empty, paths, When } from "./pieces";
import { storyTypes, type Line, type Story } from "./story";

const looks: Record<string, string> = { pass: "good", fail: "bad", error: "bad", waived: "wait" };

function LineOf(props: { line: Line }) {
  return (
    <li class={props.line.look}>
      <When ms={props.line.time_ms} bare />
      <div>
        <Show when={props.line.href} fallback={<b>{props.line.text}</b>}>{(href) => <a href={href()}>{props.line.text}</a>}</Show>
        <Show when={props.line.gates}>{(gates) => <>{": "}<For each={gates()}>{(g) => <span class={"tag " + (looks[g.status] ?? "")} title={g.words}>{g.gate}<Show when={g.status !== "pass"}> {g.status.replaceAll("_", " ")}</Show></span>}</For></>}</Show>
        <Show when={props.line.reason}> <span class="quiet">{props.line.reason}</span></Show>
      </div>
      <a class="why" href={paths.event(props.line.seq)} title={props.line.cause ? `caused by event ${props.line.cause}` : "nothing in the log caused it"}>why<span class="sr"> {props.line.text}</span></a>
    </li>
  );
}

/// One story, told from its beginning; a single line needs no title.
export function StoryOf(props: { story: Story; open: boolean }) {
  return (
    <Show when={props.story.lines.length > 1} fallback={<ol class="story lines"><LineOf line={props.story.lines[0]} /></ol>}>
      <details class="story" open={props.open}>
        <summary><b>{props.story.title}</b><For each={props.story.ends}>{(end) => <span class={"state " + end.look}>{end.text}</span>}</For> <span class="quiet"><When ms={props.story.lines[props.story.lines.length - 1].time_ms} /></span></summary>
        <ol class="lines"><For each={props.story.lines}>{(line) => <LineOf line={line} />}</For></ol>
      </details>
    </Show>
  );
}

export const Nothing = () => <Empty title="Nothing has happened yet"><p>Runs, new versions, rollouts and incidents are told here, each with what caused it.</p></Empty>;

export interface Told { newest: number; before: number; events: LoopEvent[] }
export const storyRows = 300;
/// The newest page, read again only when the log has grown.
export function tellNewest() {
  let known: Told | undefined;
  return async (signal: AbortSignal): Promise<Told> => {
    const [end] = (await lookBack({ types: "", before: undefined, limit: 1 }, signal)).events;
    if (known && known.newest === (end?.seq ?? 0)) return known;
    const page = await lookBack({ types: storyTypes, limit: storyRows }, signal);
    known = { newest: end?.seq ?? 0, ...page };
    return known;
  };
}
