import { useParams } from "@solidjs/router";
import { createMemo, For, Show } from "solid-js";
import { eventsAbout, getEvent, lookBack, type LoopEvent } from "../api";
import { Nothing, storyRows, StoryOf } from "../happened";
import { Code, createPages, Empty, Facts, Loaded, Page, paths, When } from "../pieces";
import { createPolled, share } from "../polled";
import { storiesOf, storyTypes, type Story } from "../story";
import { pageOf } from "./lineage";

const chainMax = 40;

/// All that happened, page by page; a story that is longer than a page goes on on the next.
export function Happened() {
  const pages = createPages();
  const page = createPolled(() => pages.token() ?? "", (token, signal) => lookBack({ types: storyTypes, before: token ? Number(token) : undefined, limit: storyRows }, signal), () => (pages.index() ? null : 10_000));
  const stories = createMemo((before: Story[]) => share(before, storiesOf(page.data()?.events ?? [])) as Story[], []);
  return (
    <Page title="What happened, and why">
      <Loaded from={page}>{(data) => (
        <Show when={stories().length || data().before > 0 || pages.index()} fallback={<Nothing />}>
          <For each={stories()} fallback={<p class="quiet">Only measurements and calls of clients in this part of the log.</p>}>{(story, i) => <StoryOf story={story} open={i() === 0} />}</For>
          <Show when={pages.index() > 0 || data().before > 0}>
            <nav class="pager" aria-label="Pages"><button disabled={!pages.index()} onClick={pages.back}>← Later</button><span role="status">page {pages.index() + 1}</span>
              <button disabled={!data().before} onClick={() => pages.next(String(data().before))}>Earlier →</button></nav>
          </Show>
        </Show>
      )}</Loaded>
    </Page>
  );
}

/// What came before an event: its cause where the log names one, else what made the thing that acted.
async function before(event: LoopEvent, signal: AbortSignal): Promise<LoopEvent | undefined> {
  if (event.cause_seq > 0 && event.cause_seq < event.seq) return getEvent(event.cause_seq, signal);
  const earlier = async (subject: string) => (await eventsAbout(subject, 1000, signal)).find((e) => e.seq < event.seq);
  if (event.actor.startsWith("attempt:")) return earlier(event.actor);
  if (typeof event.data.pipeline_run === "string" && !event.subject.startsWith("pipeline_run:")) return earlier(`pipeline_run:${event.data.pipeline_run}`);
  return undefined;
}
async function chainTo(seq: number, signal: AbortSignal): Promise<LoopEvent[]> {
  const chain: LoopEvent[] = [];
  for (let event = await getEvent(seq, signal); event && chain.length < chainMax; event = await before(event, signal)) chain.unshift(event);
  return chain;
}

const words = (value: unknown) => (typeof value === "string" ? value : "");

/// One event, and the chain of causes that led to it.
export function EventPage() {
  const params = useParams<{ seq: string }>();
  const seq = () => Number(params.seq);
  const chain = createPolled(seq, (n, signal) => (Number.isSafeInteger(n) && n > 0 ? chainTo(n, signal) : Promise.resolve([])));
  const event = () => { const all = chain.data(); return all && all[all.length - 1]; };
  return (
    <Page title={event() ? event()!.type.replaceAll("_", " ").replace(".", " ") : `Event ${params.seq}`} trail={[["What happened", "#/events"]]}>
      <Loaded from={chain}>{() => (
        <Show when={event()} fallback={<Empty title="There is no such event"><p>The log has no event {params.seq}. <a href="#/events">All that happened</a></p></Empty>}>{(e) => (
          <>
            <Facts rows={[["Event", e().seq], ["When", <When ms={e().time_ms} />], ["About", <Show when={pageOf(e().subject)} fallback={e().subject}>{(href) => <a href={href()}>{e().subject}</a>}</Show>],
              ["By", <Show when={pageOf(e().actor)} fallback={e().actor}>{(href) => <a href={href()}>{e().actor}</a>}</Show>], ["Reason", words(e().data.reason) || words(e().data.words)]]} />
            <section aria-labelledby="chain"><h2 id="chain">What led to it</h2>
              <ol class="lines paper"><For each={chain.data()}>{(one) => (
                <li aria-current={one.seq === e().seq ? "true" : undefined}><When ms={one.time_ms} bare />
                  <div><b>{one.type}</b> <Show when={pageOf(one.subject)} fallback={one.subject}>{(href) => <a href={href()}>{one.subject}</a>}</Show> <span class="quiet">{words(one.data.words) || words(one.data.reason)}</span></div>
                  <a class="why" href={paths.event(one.seq)}>{one.seq}</a></li>
              )}</For></ol>
            </section>
            <section><h2>All that it says</h2><Code text={JSON.stringify(e().data, null, 2)} /></section>
          </>
        )}</Show>
      )}</Loaded>
    </Page>
  );
}
