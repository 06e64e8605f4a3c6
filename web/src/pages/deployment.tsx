import { useParams, useSearchParams } from "@solidjs/router";
import { createMemo, createSignal, For, Show } from "solid-js";
import { getDeployment, listDeployments, listIncidents, listMonitors, type Rollout } from "../api";
import { utc } from "../format";
import { Code, Empty, Facts, Loaded, Page, paths, State, When } from "../pieces";
import { createPolled } from "../polled";
import { Gates, RolloutNow } from "../rollout";
import { Windows, type Mark } from "../windows";
import { createRates } from "../rates";
import { Incidents, isDark, liveSince, Measured, Rate } from "./home";

const incidentsMax = 100;
const listedMax = 100;

export function Deployments() {
  const all = createPolled(() => 0, (_, signal) => listDeployments(signal), () => 10_000);
  const [from, setFrom] = createSignal(0);
  return (
    <Page title="Deployments">
      <Loaded from={all}>{(list) => (
        <Show when={list().length} fallback={<Empty title="Nothing is declared yet"><p>Name one in <code>slipway.yaml</code>, then:</p><Code text="slipway apply" /></Empty>}>
          <div class="scroll"><table><caption class="sr">Deployments</caption>
            <thead><tr><th scope="col">Name</th><th scope="col">Model</th><th scope="col">Serves</th><th scope="col">Rollout</th></tr></thead>
            <tbody><For each={list().slice(from(), from() + listedMax)}>{(d) => (
              <tr><th scope="row"><a href={paths.deployment(d.name)}>{d.name}</a></th><td><a href={paths.model(d.model)}>{d.model}</a></td>
                <td><Show when={d.stable} fallback={<span class="quiet">nothing</span>}><a href={paths.version(d.model, String(d.stable))}>version {d.stable}</a></Show><Show when={d.fault}> <span class="tag bad" title={d.fault}>{isDark(d) ? "does not answer" : "deleted"}</span></Show><Show when={d.frozen_by}> <span class="tag bad">frozen</span></Show></td>
                <td><Show when={d.rollout} fallback={<span class="quiet">none</span>}>{(r) => <><State of={r().phase} /> version {r().version}</>}</Show></td></tr>
            )}</For></tbody>
          </table></div>
          <Show when={list().length > listedMax}>
            <nav class="pager" aria-label="Pages"><button disabled={!from()} onClick={() => setFrom(from() - listedMax)}>← Previous</button><span role="status">Deployments {from() + 1} to {Math.min(list().length, from() + listedMax)} of {list().length}</span><button disabled={from() + listedMax >= list().length} onClick={() => setFrom(from() + listedMax)}>Next →</button></nav>
          </Show>
        </Show>
      )}</Loaded>
    </Page>
  );
}

function History(props: { of: Rollout; model: string }) {
  // What was promoted once stays "live" as the outcome of its rollout; another one may serve since, of the same version, too.
  const hasServed = () => props.of.phase === "live" && !props.of.serves;
  const time = () => (props.of.phase === "live" && props.of.live_ms) || props.of.ended_ms || props.of.created_ms;
  return (
    <details class="story">
      <summary><b>version {props.of.version}</b> <State of={hasServed() ? "resting" : props.of.phase} as={hasServed() ? "has served" : undefined} /> <span class="quiet"><When ms={time()} /> {props.of.reason}</span></summary>
      <ol class="lines"><For each={props.of.transitions}>{(t) => (
        <li><When ms={t.time_ms} bare /><div><b>{t.to_phase.replaceAll("_", " ")}</b> <span class="quiet">{t.reason}{t.actor && t.actor !== "slipway" ? `, by ${t.actor}` : ""}</span></div><a class="why" href={paths.event(t.event_seq)}>why</a></li>
      )}</For></ol>
      <Gates of={props.of} />
      <p><a href={paths.version(props.model, String(props.of.version))}>Version {props.of.version}</a></p>
    </details>
  );
}

export function DeploymentPage() {
  const params = useParams<{ name: string }>();
  const [query] = useSearchParams<{ monitor?: string }>();
  const name = () => decodeURIComponent(params.name);
  const detail = createPolled(name, getDeployment, (d) => (d?.rollout ? 5_000 : 15_000));
  const rate = createRates();
  const monitors = createPolled(() => 0, (_, signal) => listMonitors(signal), () => 10_000);
  const incidents = createPolled(name, (deployment, signal) => listIncidents({ deployment, limit: incidentsMax }, signal), () => 10_000);
  const mine = createMemo(() => (monitors.data() ?? []).filter((m) => m.deployment === name()));
  // The requirement of quality first, if there is one: that is what people come for.
  const chosen = createMemo(() => mine().find((m) => m.monitor === query.monitor) ?? mine().find((m) => m.labels) ?? mine()[0]);
  const marks = createMemo((): Mark[] => (detail.data()?.rollouts ?? []).flatMap((r) =>
    (r.transitions ?? []).filter((t) => t.to_phase === "promoting").map((t) => ({ at_ms: t.time_ms, text: `version ${r.version}` }))), [], { equals: (a, b) => JSON.stringify(a) === JSON.stringify(b) });
  return (
    <Page title={name()} trail={[["Deployments", "#/deployments"]]} aside={<Show when={detail.data()?.stable ? detail.data() : undefined}>{(d) => <span class={isDark(d()) ? "state bad" : "state good"}>version {d().stable} {isDark(d()) ? "should serve, and does not" : "serves"}</span>}</Show>}>
      <Loaded from={detail}>{(d) => (
        <>
          <Facts rows={[
            ["Model", <a href={paths.model(d().model)}>{d().model}</a>],
            ["Serves", d().stable ? <a href={paths.version(d().model, String(d().stable))}>version {d().stable}</a> : "nothing yet"],
            ["Fault", d().fault ? <span class="bad">{d().fault}</span> : undefined],
            ["Now", <><Rate of={rate(d().name)} /> · <a href={paths.predictions(d().name)}>recent predictions</a></>],
            ["Since", liveSince(d()) ? <When ms={liveSince(d())} /> : undefined],
            ["Before it", d().previous ? <a href={paths.version(d().model, String(d().previous))}>version {d().previous}</a> : undefined],
            ["Frozen", d().frozen_by ? `by ${d().frozen_by}${d().frozen_reason ? `: ${d().frozen_reason}` : ""}` : undefined],
            ["Quarantine", d().quarantine.length ? <ul class="plain"><For each={d().quarantine.slice(0, 20)}>{(q) => <li><a href={paths.version(d().model, String(q.version))}>version {q.version}</a> <span class="quiet">{q.reason}, {utc(q.since_ms)}</span></li>}</For></ul> : undefined],
          ]} />
          <section aria-labelledby="rollout"><h2 id="rollout">Rollout under way</h2>
            <Show when={d().rollout} fallback={<p class="quiet">None.</p>}>{(r) => <div class="paper"><RolloutNow of={r()} model={d().model} /></div>}</Show>
            <Show when={d().waiting}>{(w) => <p class="quiet">Version {w().version} waits for its turn.</p>}</Show>
          </section>
        </>
      )}</Loaded>
      <section aria-labelledby="windows"><h2 id="windows">Windows</h2>
        <Loaded from={monitors}>{() => (
          <Show when={chosen()} fallback={<p class="quiet">slipway.yaml declares no monitor for this deployment.</p>}>{(monitor) => (
            <>
              <nav class="tabs" aria-label="Monitors"><For each={mine()}>{(m) => <a href={paths.windows(m.deployment, m.monitor)} aria-current={m.monitor === monitor().monitor ? "page" : undefined}><b>{m.monitor}</b> <Measured of={m} /></a>}</For></nav>
              <Windows monitor={monitor()} incidents={incidents.data() ?? []} marks={marks()} />
            </>
          )}</Show>
        )}</Loaded>
      </section>
      <section aria-labelledby="incidents"><h2 id="incidents">Incidents</h2>
        <Loaded from={incidents}>{(list) => <Show when={list().length} fallback={<p class="quiet">None.</p>}><Incidents of={list()} caption={`Incidents of ${name()}`} /></Show>}</Loaded>
      </section>
      <Show when={detail.data()}>{(d) => (
        <section aria-labelledby="rollouts"><h2 id="rollouts">Rollouts</h2>
          <Show when={d().rollouts.length} fallback={<p class="quiet">None.</p>}><For each={d().rollouts}>{(r) => <History of={r} model={d().model} />}</For></Show>
        </section>
      )}</Show>
    </Page>
  );
}
