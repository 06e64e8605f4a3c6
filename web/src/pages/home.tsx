import { createMemo, For, Show } from "solid-js";
import { appliedProject, getDeployment, getModel, listDeployments, listIncidents, listMonitors, listTriggers, searchModels, type Deployment, type DeploymentDetail, type Incident, type Monitor, type Trigger } from "../api";
import { isReplay, serverNow } from "../clock";
import { number, percent, plural, span, utc } from "../format";
import { Nothing, StoryOf, tellNewest } from "../happened";
import { Code, Empty, Facts, Loaded, Page, paths, State, When } from "../pieces";
import { createPolled, share } from "../polled";
import { createRates } from "../rates";
import { RolloutNow } from "../rollout";
import { storiesOf, type Story } from "../story";

const shownMax = 8;
const incidentsMax = 20;
const storiesMax = 6;
const triggersMax = 50;

/// When the version that serves began to.
export function liveSince(of: DeploymentDetail): number | undefined {
  const made = of.rollouts.find((r) => r.serves);
  // It may have come back by hand since.
  const back = of.rollbacks?.find((r) => r.to === of.stable)?.time_ms ?? 0;
  return made && Math.max(made.live_ms ?? 0, back);
}

/// The last window of the version that serves, else of any.
const newest = (monitor: Monitor) => monitor.last_of_live ?? monitor.last;

/// What a monitor measured last, against what is demanded; where nothing was decided, no figure looks like one.
export function Measured(props: { of: Monitor }) {
  const check = () => (newest(props.of)?.status === "undecided" ? undefined : newest(props.of)?.measured);
  const value = () => Number(check()?.observed);
  const days = (x: number) => (props.of.requirement && check()?.words?.includes("days old") ? `${number(Math.round(x / 86400))} d` : number(Number(x.toPrecision(4))));
  return (
    <Show when={newest(props.of)} fallback={<State of="undecided" as={props.of.begun ? "no window yet" : "not begun"} />}>{(last) => (
      <span title={last().words}><State of={last().status} /> <Show when={!props.of.last_of_live && last().version}><span class="quiet">of version {last().version}, not live: </span></Show><Show when={check() && Number.isFinite(value())}><span class="quiet">{check()!.column ? `${check()!.column} ` : ""}{days(value())} against {days(Number(check()!.threshold))}</span></Show></span>
    )}</Show>
  );
}

/// How many asked in the last window that counted them, and how many got no answer.
function Traffic(props: { monitors: Monitor[] }) {
  const window = () => props.monitors.map(newest).filter((w) => w && w.requests > 0).sort((a, b) => b!.end_ms - a!.end_ms)[0];
  return (
    <Show when={window()} fallback={<span class="quiet">no window with answers was judged yet</span>}>{(w) => (
      <>{plural(w().requests, "request")}, {w().facts.failed ? <b class="bad">{percent((w().facts.failed ?? 0) / w().requests)} failed</b> : "none failed"} <span class="quiet">in version {w().version}'s window of {utc(w().start_ms)} to {utc(w().end_ms)}</span></>
    )}</Show>
  );
}

/** Nobody answers though a version should: it was deleted, or can't be loaded. */
export function isDark(of: Deployment) {
  return Boolean(of.fault) && !of.answers;
}

/// Answers in a minute, just now.
export function Rate(props: { of: number | undefined }) {
  return <Show when={props.of !== undefined} fallback={<span class="quiet">being measured</span>}>{plural(Number(props.of!.toPrecision(2)), "answer")} a minute</Show>;
}

function Serves(props: { of: Deployment; monitors: Monitor[]; rate: number | undefined }) {
  const detail = createPolled(() => props.of.name, getDeployment, (d) => (d?.rollout ? 5_000 : 15_000));
  const model = createPolled(() => props.of.model, getModel, () => 30_000);
  const now = () => detail.data() ?? props.of;
  const aliases = () => (model.data()?.aliases ?? []).filter((a) => a.version === String(now().stable));
  const rollout = () => now().rollout;
  return (
    <article class="paper" aria-labelledby={`d-${props.of.name}`}>
      <div class="head"><h3 id={`d-${props.of.name}`}><a href={paths.deployment(props.of.name)}>{props.of.name}</a></h3>
        <Show when={now().stable} fallback={<span class="state wait">nothing serves yet</span>}>
          <span class={isDark(now()) ? "state bad" : "state good"}><a href={paths.version(now().model, String(now().stable))}>version {now().stable}</a> {isDark(now()) ? "should serve, and does not" : "serves"}</span>
          <For each={aliases()}>{(a) => <span class="tag">@{a.alias}</span>}</For>
        </Show>
        <Show when={now().frozen_by}><span class="tag bad">frozen by {now().frozen_by}</span></Show>
        <Show when={!now().declared}><span class="tag">no longer declared</span></Show>
      </div>
      <Show when={now().fault}><p class="bad">{now().fault}</p></Show>
      <Loaded from={detail}>{(d) => (
        <Facts rows={[
          ["Model", <a href={paths.model(d().model)}>{d().model}</a>],
          ["Serves since", liveSince(d()) ? <When ms={liveSince(d())} /> : undefined],
          ["Now", <><Rate of={props.rate} /> · <a href={paths.predictions(d().name)}>recent predictions</a></>],
          ["Asked", <Traffic monitors={props.monitors} />],
          ...props.monitors.map((m): [string, any] => [m.monitor, <a class="plainlink" href={paths.windows(m.deployment, m.monitor)}><Measured of={m} /></a>]),
        ]} />
      )}</Loaded>
      <Show when={rollout()} fallback={<p class="quiet">No rollout is under way.</p>}>{(r) => <RolloutNow of={r()} model={now().model} />}</Show>
      <Show when={now().waiting}>{(w) => <p class="quiet">Version {w().version} waits for its turn.</p>}</Show>
    </article>
  );
}

/// What is done about it.
export function remedyOf(incident: Incident): string {
  if (!incident.open) return incident.remedy || "none";
  const failed = incident.failed_remedies ? `${plural(incident.failed_remedies, "remedy", "remedies")} failed` : "";
  // One that was promoted and did not help yet may be followed by another.
  const now = incident.remedy_under_way ? (incident.remedy_candidate ? `version ${incident.remedy_candidate} is on its way` : "under way")
    : incident.remedy_undecided ? `version ${incident.remedy_undecided} is undecided and paused: a person decides`
    : incident.remedy_version ? `version ${incident.remedy_version} serves, and has to show in a good window that it helps` : "";
  if (now) return failed && !incident.remedy_under_way ? `${now}; before it ${failed}` : now;
  return failed ? `${failed}, none under way` : "none yet";
}

export function Incidents(props: { of: Incident[]; caption: string }) {
  return (
    <div class="scroll"><table><caption class="sr">{props.caption}</caption>
      <thead><tr><th scope="col">Incident</th><th scope="col">State</th><th scope="col">Since</th><th scope="col">What is wrong</th><th scope="col">Likely cause</th><th scope="col">Remedy</th></tr></thead>
      <tbody><For each={props.of}>{(i) => (
        <tr><th scope="row"><a href={paths.incident(i.id)}>{i.monitor} of {i.deployment}</a></th><td><State of={i.open ? "open" : "closed"} /></td><td><When ms={i.opened_ms} /></td>
          <td class="words">{i.words} <span class="quiet">version {i.version}</span></td>
          <td><For each={i.columns.slice(0, 8)} fallback={<span class="quiet">no column stands out</span>}>{(c) => <span class="tag">{c}</span>}</For></td><td>{remedyOf(i)}</td></tr>
      )}</For></tbody>
    </table></div>
  );
}

const firstProject = `slipway init     # lays out slipway.yaml: what the model is for, how a version comes to serve
slipway apply`;
const firstDeployment = (model: string) => `deployments:
  ${model.replace(/[^A-Za-z0-9._-]/g, "-")}:
    model: ${/^[A-Za-z0-9._-]+$/.test(model) ? model : JSON.stringify(model)}
    gates: [integrity, signature]`;

/// Before anything is deployed: what to do next, by what is there already.
function Next() {
  const project = createPolled(() => 0, (_, signal) => appliedProject(signal).then((name) => ({ name })), () => 5_000);
  const models = createPolled(() => 0, (_, signal) => searchModels(undefined, signal), () => 10_000);
  const first = () => models.data()?.items[0]?.name;
  const meanwhile = <p>Registered models answer meanwhile, too: see <a href="#/serving">Serving</a>. Experiments are <a href="#/experiments">here</a>.</p>;
  return (
    <Show when={project.data()?.name} fallback={
      <Empty title="Nothing is declared yet"><p>A deployment is declared in <code>slipway.yaml</code>; then versions come to serve through gates, shadow and canary.</p><Code text={firstProject} />{meanwhile}</Empty>}>{(name) => (
      <Empty title="No deployment is declared yet">
        <p>The project <b>{name()}</b> is applied. The next step is a deployment: add one to <code>slipway.yaml</code>{first() ? ` for the model ${first()}` : ", named by a model that a run will register"}:</p>
        <Code text={firstDeployment(first() ?? "my-model")} />
        <p>Then look at what it would do, and make it hold:</p><Code text={"slipway plan\nslipway apply"} />{meanwhile}
      </Empty>
    )}</Show>
  );
}

/// What starts pipelines, and which of it rests just now.
function Triggers(props: { of: Trigger[] }) {
  return (
    <div class="scroll"><table><caption class="sr">Triggers</caption>
      <thead><tr><th scope="col">Trigger</th><th scope="col">On</th><th scope="col">Starts</th><th scope="col">Fired last</th><th scope="col">Cool-down</th><th scope="col">At most</th></tr></thead>
      <tbody><For each={props.of}>{(t) => (
        <tr><th scope="row">{t.trigger}</th><td>{t.on}</td><td>{t.pipeline}</td><td><Show when={t.last_fired_ms} fallback={<span class="quiet">never</span>}><When ms={t.last_fired_ms} /><Show when={t.was_skipped}> <span class="quiet">nothing was new</span></Show></Show></td>
          <td><Show when={t.rests_until_ms} fallback={<span class="quiet">{t.cooldown_ms ? `${span(t.cooldown_ms)}, not resting` : "none"}</span>}><span class="state wait">rests until {utc(t.rests_until_ms)}</span> <span class="quiet">{span(t.cooldown_ms)}</span></Show></td>
          <td>{t.at_most ?? <span class="quiet">no limit</span>}</td></tr>
      )}</For></tbody>
    </table></div>
  );
}

export function Home() {
  const deployments = createPolled(() => 0, (_, signal) => listDeployments(signal), () => 5_000);
  const monitors = createPolled(() => 0, (_, signal) => listMonitors(signal), () => 10_000);
  const incidents = createPolled(() => 0, (_, signal) => listIncidents({ open: true, limit: incidentsMax + 1 }, signal), () => 5_000);
  const triggers = createPolled(() => 0, (_, signal) => listTriggers(signal), () => 10_000);
  const rate = createRates();
  const tell = tellNewest();
  const told = createPolled(() => 0, (_, signal) => tell(signal), () => 5_000);
  const stories = createMemo((before: Story[]) => share(before, storiesOf(told.data()?.events ?? [])) as Story[], []);
  // Those that something happens to come first.
  const rank = (d: Deployment) => (d.rollout ? 0 : 1) + ((incidents.data() ?? []).some((i) => i.deployment === d.name) ? 0 : 2);
  const ordered = createMemo(() => [...(deployments.data() ?? [])].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name)));
  const monitorsOf = (name: string) => (monitors.data() ?? []).filter((m) => m.deployment === name);
  return (
    <Page title="Home" aside={<Show when={isReplay()}><span class="tag" title="the server was started with --clock replay">replayed time: {utc(serverNow())}</span></Show>}>
      <section aria-labelledby="serves"><h2 id="serves">What serves</h2>
        <Loaded from={deployments}>{(all) => (
          <Show when={all().length} fallback={<Next />}>
            <div class="sheets"><For each={ordered().slice(0, shownMax)}>{(d) => <Serves of={d} monitors={monitorsOf(d.name)} rate={rate(d.name)} />}</For></div>
            <Show when={ordered().length > shownMax}><p><a href="#/deployments">All {ordered().length} deployments</a></p></Show>
          </Show>
        )}</Loaded>
      </section>
      <section aria-labelledby="incidents"><h2 id="incidents">Open incidents</h2>
        <Loaded from={incidents}>{(open) => (
          <Show when={open().length} fallback={<p class="quiet">None.</p>}>
            <Incidents of={open().slice(0, incidentsMax)} caption="Open incidents" />
            <Show when={open().length > incidentsMax}><p class="quiet">More than {incidentsMax} are open; <code>slipway incidents</code> lists them all.</p></Show>
          </Show>
        )}</Loaded>
      </section>
      <Show when={triggers.data()?.length}>
        <section aria-labelledby="triggers"><h2 id="triggers">Triggers</h2><Triggers of={triggers.data()!.slice(0, triggersMax)} />
          <Show when={triggers.data()!.length > triggersMax}><p class="quiet">{triggers.data()!.length} are declared; the first {triggersMax} are shown.</p></Show></section>
      </Show>
      <section aria-labelledby="happened"><h2 id="happened">What happened, and why</h2>
        <Loaded from={told}>{(page) => (
          <Show when={stories().length} fallback={<Nothing />}>
            <For each={stories().slice(0, storiesMax)}>{(story, i) => <StoryOf story={story} open={i() === 0} />}</For>
            <Show when={stories().length > storiesMax || page().before > 0}><p><a href="#/events">All that happened</a></p></Show>
          </Show>
        )}</Loaded>
      </section>
    </Page>
  );
}
