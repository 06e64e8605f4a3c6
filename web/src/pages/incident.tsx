import { useParams } from "@solidjs/router";
import { For, Show } from "solid-js";
import { getIncident } from "../api";
import { Code, Empty, Facts, Loaded, Page, paths, State, When } from "../pieces";
import { createPolled } from "../polled";
import { remedyOf } from "./home";

const evidenceMax = 50;
const looks: Record<string, string> = { closed: "good", remedy_promoted: "good", remedy_started: "wait" };

/// "bikes/quality/1/1327190400000" by its beginning; other evidence as it is.
function Evidence(props: { of: string }) {
  const start = () => Number(/\/(\d+)$/.exec(props.of)?.[1]);
  return <a href={paths.lineage(`window:${props.of}`)}>window of <When ms={start()} bare /><Show when={!start()}>{props.of}</Show></a>;
}

export function IncidentPage() {
  const params = useParams<{ id: string }>();
  const id = () => decodeURIComponent(params.id);
  const incident = createPolled(id, getIncident, (data) => (data && !data.open ? null : 5_000));
  const title = () => { const i = incident.data(); return i ? `${i.monitor} of ${i.deployment}` : "Incident"; };
  return (
    <Page title={title()} aside={<Show when={incident.data()}>{(i) => <State of={i().open ? "open" : "closed"} />}</Show>}
      trail={incident.data() ? [["Deployments", "#/deployments"], [incident.data()!.deployment, paths.deployment(incident.data()!.deployment)]] : undefined}>
      <Loaded from={incident}>{(i) => (
        <>
          <p class="note">{i().words}</p>
          <Facts rows={[
            ["Opened", <When ms={i().opened_ms} />],
            ["Closed", i().closed_ms ? <><When ms={i().closed_ms} /> by {i().closed_by}: {i().reason}</> : undefined],
            ["Requirement", i().requirement],
            ["Version", i().version && <a href={paths.version(i().model, i().version)}>{i().model} version {i().version}</a>],
            ["Likely cause", i().columns.length ? <For each={i().columns.slice(0, 50)}>{(c) => <span class="tag">{c}</span>}</For> : "no column stands out"],
            ["Remedy", remedyOf(i())],
            ["Windows", <a href={paths.windows(i().deployment, i().monitor)}>{i().monitor} over the weeks</a>],
            ["Led to", <a href={paths.lineage(`incident:${i().id}`)}>lineage</a>],
          ]} />
          <section aria-labelledby="history"><h2 id="history">What happened, and why</h2>
            <ol class="lines paper"><For each={i().history}>{(h) => (
              <li class={looks[h.action] ?? "bad"}><When ms={h.time_ms} bare />
                <div><b>{h.action.replaceAll("_", " ")}</b> <span class="quiet">{h.reason}{h.actor && h.actor !== "slipway" ? `, by ${h.actor}` : ""}</span>
                  <Show when={h.evidence.length}><br /><span class="quiet">evidence: </span><For each={h.evidence.slice(0, evidenceMax)}>{(e, n) => <>{n() ? ", " : ""}<Evidence of={e} /></>}</For></Show></div>
                <a class="why" href={paths.event(h.event_seq)}>why<span class="sr"> {h.action}</span></a></li>
            )}</For></ol>
          </section>
          <Show when={i().open}><section><h2>Close it by hand</h2><p class="quiet">It closes by itself when its remedy has shown effect, or two windows in a row are good again.</p><Code text={`slipway incidents ${i().id} --close --reason '...'`} /></section></Show>
        </>
      )}</Loaded>
      <Show when={incident.error() && !incident.data()}><Empty title="This incident cannot be shown"><p>Open ones are on the <a href="#/">home page</a>, earlier ones with their <a href="#/deployments">deployment</a>.</p></Empty></Show>
    </Page>
  );
}
