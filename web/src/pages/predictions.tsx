import { useNavigate, useParams, useSearchParams } from "@solidjs/router";
import { createMemo, createSignal, For, Show, type JSX, type ParentProps } from "solid-js";
import { explain, getDeployment, listDeployments, listPredictions, type Answer, type Chain, type GraphEdge, type GraphNode, type Prediction, type RecentAnswer } from "../api";
import { duration, number, utc } from "../format";
import { Code, Empty, Facts, Loaded, Page, paths, State, When } from "../pieces";
import { createPolled } from "../polled";
import { find, nameOf, pageOf } from "./lineage";

const rowsMax = 50;
const columnsMax = 200;
const listedMax = 60;

function LookUp(props: { id?: string }) {
  const navigate = useNavigate();
  const [id, setId] = createSignal(props.id ?? "");
  const go = (event: Event) => { event.preventDefault(); const wanted = id().trim(); if (wanted) navigate(paths.prediction(wanted).slice(1)); };
  return (
    <form class="bar" role="search" onSubmit={go}>
      <label for="prediction">Prediction</label>
      <input id="prediction" class="id" value={id()} placeholder="bikes.0197a5c0-0000-7000-8000-000000000000" autocomplete="off" spellcheck={false} onInput={(e) => setId(e.currentTarget.value)} />
      <button type="submit">Explain</button>
    </form>
  );
}
const where = (
  <p>Every answer carries its id: in the response's <code>parameters.prediction_id</code> (Open Inference Protocol) and in the header <code>X-Slipway-Prediction-Id</code>. Row N of a batch is <code>ID/N</code>.</p>
);

// ---- the newest answers of a deployment

const statuses: [string, string][] = [["", "any outcome"], ["answered", "answered"], ["refused", "refused: the caller was wrong"], ["failed", "failed"]];
const firstListed = 50, mostListed = 500;

function Recent(props: { deployment: string; version: string; status: string }) {
  const [limit, setLimit] = createSignal(firstListed);
  const asked = createMemo(() => ({ deployment: props.deployment, version: props.version, status: props.status, limit: limit() }));
  const recent = createPolled(asked, listPredictions, () => 15_000);
  const output = (a: RecentAnswer) => Object.values(a.outputs)[0];
  return (
    <Loaded from={recent}>{(data) => (
      <Show when={data().predictions.length} fallback={<p class="quiet">{props.version || props.status ? "No answer of that kind is in the log." : "It has answered nothing yet."}{data().complete ? "" : " Older files of the log were not looked through."}</p>}>
        <div class="scroll"><table><caption class="sr">Recent predictions of {props.deployment}</caption>
          <thead><tr><th scope="col">Prediction</th><th scope="col">Answered</th><th scope="col">About</th><th scope="col">Version</th><th scope="col">Outcome</th><th scope="col" class="number">Rows</th><th scope="col" class="number">First output</th><th scope="col" class="number">Took</th></tr></thead>
          <tbody><For each={data().predictions}>{(a) => (
            <tr><th scope="row"><a href={paths.prediction(a.id)}><code>{a.id.slice(props.deployment.length + 1)}</code></a></th>
              <td><When ms={Date.parse(a.time)} /></td><td>{a.event_time === a.time ? "" : utc(Date.parse(a.event_time))}</td>
              <td><a href={paths.version(a.model, a.version)}>{a.version}</a> <Show when={a.role !== "live"}><span class="tag">{a.role}</span></Show></td>
              <td><span class={a.status < 400 ? "good" : "bad"}>{a.status}</span> <span class="quiet">{a.error}</span></td>
              <td class="number">{number(a.rows)}</td><td class="number">{cell(output(a))}</td><td class="number">{a.latency_us < 1000 ? `${a.latency_us} µs` : duration(a.latency_us / 1000)}</td></tr>
          )}</For></tbody>
        </table></div>
        <Show when={data().predictions.length >= limit() && limit() < mostListed} fallback={<Show when={!data().complete}><p class="quiet">Older files of the log were not looked through.</p></Show>}>
          <p><button onClick={() => setLimit(mostListed)}>Show up to {mostListed}</button></p>
        </Show>
      </Show>
    )}</Loaded>
  );
}

export function Predictions() {
  const [query, setQuery] = useSearchParams<{ deployment?: string; version?: string; status?: string }>();
  const deployments = createPolled(() => 0, (_, signal) => listDeployments(signal), () => 15_000);
  const names = createMemo(() => (deployments.data() ?? []).map((d) => d.name), [] as string[], { equals: (a, b) => a.join() === b.join() });
  const chosen = () => String(query.deployment ?? names()[0] ?? "");
  const detail = createPolled(chosen, async (name, signal) => (name ? await getDeployment(name, signal) : undefined));
  const versions = createMemo(() => [...new Set((detail.data()?.rollouts ?? []).map((r) => String(r.version)))], [] as string[], { equals: (a, b) => a.join() === b.join() });
  return (
    <Page title="Predictions">
      <LookUp />
      <Loaded from={deployments}>{() => (
        <Show when={chosen()} fallback={<Empty title="No deployment answers yet"><p>The answers of a deployment are logged, and listed here; those of a model that is only registered are not. A deployment is declared in <code>slipway.yaml</code>.</p>{where}</Empty>}>
          <section aria-labelledby="recent"><h2 id="recent">Recent predictions</h2>
            <form class="bar" onSubmit={(event) => event.preventDefault()}>
              <label for="deployment">Of</label>
              <select id="deployment" value={chosen()} onChange={(e) => setQuery({ deployment: e.currentTarget.value, version: undefined })}>
                <For each={names().includes(chosen()) ? names() : [chosen(), ...names()]}>{(name) => <option value={name} selected={name === chosen()}>{name}</option>}</For></select>
              <label for="version">Version</label>
              <select id="version" onChange={(e) => setQuery({ version: e.currentTarget.value || undefined })}>
                <option value="">any</option><For each={versions()}>{(v) => <option value={v} selected={v === query.version}>{v}</option>}</For></select>
              <label for="status">Outcome</label>
              <select id="status" onChange={(e) => setQuery({ status: e.currentTarget.value || undefined })}>
                <For each={statuses}>{([value, text]) => <option value={value} selected={value === (query.status ?? "")}>{text}</option>}</For></select>
            </form>
            <Recent deployment={chosen()} version={String(query.version ?? "")} status={String(query.status ?? "")} />
          </section>
          <section><h2>Any other one</h2>{where}</section>
        </Show>
      )}</Loaded>
    </Page>
  );
}

// ---- what was asked and answered

const cell = (value: unknown) => (value === null || value === undefined ? <span class="quiet">missing</span> : typeof value === "number" ? number(value) : String(value));

/// Inputs and outputs of one row side by side; of a batch, a table.
function Values(props: { of: Answer; of_row?: number; labels: Prediction["labels"] }) {
  const inputs = () => props.of.inputs.slice(0, rowsMax);
  const names = () => Object.keys(props.of.inputs[0] ?? {}).slice(0, columnsMax);
  const outputs = () => Object.keys(props.of.outputs[0] ?? {}).slice(0, columnsMax);
  const first = () => props.of_row ?? 0;
  const truth = (row: number) => props.labels.find((l) => l.row === first() + row);
  const mark = (name: string) => <>{props.of.looked_up.includes(name) ? <span class="tag" title="looked up by the server in the feature store">feature</span> : ""}{props.of.hashed.includes(name) ? <span class="tag" title="only a hash is kept">hashed</span> : ""}</>;
  return (
    <Show when={inputs().length > 1} fallback={
      <div class="columns2">
        <section><h3>Inputs</h3><div class="scroll"><table class="pairs"><caption class="sr">Inputs</caption><tbody>
          <For each={names()} fallback={<tr><td class="quiet">none was kept</td></tr>}>{(name) => <tr><th scope="row">{name} {mark(name)}</th><td>{cell(props.of.inputs[0]?.[name])}</td></tr>}</For></tbody></table></div></section>
        <section><h3>Answer</h3><div class="scroll"><table class="pairs"><caption class="sr">Answer</caption><tbody>
          <For each={outputs()} fallback={<tr><td class="quiet">{props.of.error ?? "no output"}</td></tr>}>{(name) => <tr><th scope="row">{name}</th><td><b>{cell(props.of.outputs[0]?.[name])}</b></td></tr>}</For>
          <tr><th scope="row">turned out</th><td><Show when={truth(0)} fallback={<span class="quiet">no label has come yet</span>}>{(l) => <>{number(l().value)} <span class="quiet">received {utc(Date.parse(l().received))}{l().source ? ` from ${l().source}` : ""}</span></>}</Show></td></tr></tbody></table></div></section>
      </div>}>
      <div class="scroll"><table><caption class="sr">Rows of this prediction</caption>
        <thead><tr><th scope="col">Row</th><For each={names()}>{(n) => <th scope="col" class="number">{n} {mark(n)}</th>}</For><For each={outputs()}>{(n) => <th scope="col" class="number">→ {n}</th>}</For><th scope="col" class="number">Turned out</th></tr></thead>
        <tbody><For each={inputs()}>{(row, i) => <tr><th scope="row">{first() + i()}</th><For each={names()}>{(n) => <td class="number">{cell(row[n])}</td>}</For><For each={outputs()}>{(n) => <td class="number">{cell(props.of.outputs[i()]?.[n])}</td>}</For><td class="number">{truth(i()) ? number(truth(i())!.value) : ""}</td></tr>}</For></tbody>
      </table></div>
      <Show when={props.of.rows > inputs().length}><p class="quiet">{number(props.of.rows)} rows; the first {inputs().length} are shown. One row: add <code>/ROW</code> to the id.</p></Show>
    </Show>
  );
}

/// Whose features were looked up, and by which version of the view; of a batch, the first row's.
function FeaturesOf(props: { of: NonNullable<Answer["features"]> }) {
  const keys = () => Object.entries(props.of.keys[0] ?? {});
  return (
    <>
      <For each={keys()} fallback={<span class="quiet">an entity whose keys are not kept</span>}>{([name, value]) => (
        <>{name} <b>{value === "" ? "missing" : props.of.hashed.includes(name) ? `#${value}` : value}</b> </>)}</For>
      <Show when={props.of.keys.length > 1}><span class="quiet">and {props.of.keys.length - 1} more </span></Show>
      <span class="quiet">from <a href={paths.lineage(`feature_view_version:${props.of.view}@${props.of.version}`)}>{props.of.view} {props.of.version.slice(0, 12)}</a></span>
    </>
  );
}

function Answered(props: { of: Prediction }) {
  const given = () => props.of.answers[0];
  const row = () => { const at = /\/(\d+)$/.exec(props.of.id); return at ? Number(at[1]) : undefined; };
  return (
    <>
      <Facts rows={[
        ["Asked", <When ms={Date.parse(props.of.time)} />],
        ["Features of", given().features && <FeaturesOf of={given().features!} />],
        ["About", given().event_time && Date.parse(given().event_time) !== Date.parse(props.of.time) ? <When ms={Date.parse(given().event_time)} bare /> : undefined],
        ["Answered by", <><a href={paths.version(given().model, given().version)}>{given().model} version {given().version}</a> <span class="quiet">as {given().role} of</span> <a href={paths.deployment(props.of.deployment)}>{props.of.deployment}</a></>],
        ["Status", <><span class={given().status < 400 ? "good" : "bad"}>{given().status}</span>{given().error ? ` ${given().error}` : ""} <span class="quiet">in {duration(given().latency_us / 1000) === "0 ms" ? `${given().latency_us} µs` : duration(given().latency_us / 1000)}</span></>],
        ["Client's id", given().client_id && <code>{given().client_id}</code>],
      ]} />
      <section aria-labelledby="answer"><h2 id="answer">What was asked and answered</h2><Values of={given()} of_row={row()} labels={props.of.labels} /></section>
      <Show when={props.of.answers.length > 1}>
        <section aria-labelledby="others"><h2 id="others">What other versions made of it</h2>
          <div class="scroll"><table><caption class="sr">Other versions</caption>
            <thead><tr><th scope="col">Version</th><th scope="col">Role</th><th scope="col">Status</th><th scope="col" class="number">First output</th></tr></thead>
            <tbody><For each={props.of.answers.slice(1)}>{(a) => <tr><th scope="row"><a href={paths.version(a.model, a.version)}>version {a.version}</a></th><td>{a.role}</td><td>{a.status} {a.error}</td><td class="number">{cell(Object.values(a.outputs[0] ?? {})[0])}</td></tr>}</For></tbody>
          </table></div>
        </section>
      </Show>
    </>
  );
}

// ---- where it comes from

const attribute = (node: GraphNode | undefined, name: string) => { const value = node?.attributes[name]; return value === undefined || value === null ? "" : typeof value === "string" ? value : String(value); };

/// The chain behind an answer, each link with what it is of.
function linksOf(chain: Chain) {
  const causes = (effect: string | undefined, relation: string, kind?: string) =>
    effect === undefined ? [] : chain.edges.filter((e) => e.effect === effect && e.relation === relation && (!kind || e.cause.startsWith(kind + ":")));
  const root = chain.subject;
  const answered = causes(root, "answered_by")[0]?.cause;
  const step = answered?.startsWith("rollout_step:") ? answered : undefined;
  const steps = step ? [...causes(step, "follows").map((e) => e.cause).reverse(), step] : [];
  const version = step ? causes(step, "of", "model_version")[0]?.cause : answered;
  const run = causes(version, "produced_by", "run")[0]?.cause;
  const attempt = causes(run, "produced_by", "attempt")[0]?.cause;
  // The attempts behind it, the one that trained first.
  const attempts: string[] = [];
  for (const queue = attempt ? [attempt] : []; queue.length && attempts.length < listedMax;) {
    const one = queue.shift()!;
    if (attempts.includes(one)) continue;
    attempts.push(one);
    for (const data of causes(one, "used", "data")) for (const made of causes(data.cause, "produced_by", "attempt")) if (!made.attributes.same_bytes) queue.push(made.cause);
  }
  const pipelineRun = attempts.flatMap((a) => causes(a, "part_of", "pipeline_run"))[0]?.cause;
  const firing = causes(pipelineRun, "started_by", "firing")[0]?.cause;
  const asked = causes(firing, "caused_by").map((e) => e.cause);
  const incident = asked.find((ref) => ref.startsWith("incident:"));
  return { causes, steps, version, run, attempts, pipelineRun, firing, asked, incident, windows: causes(incident, "raised_by").flatMap((e) => causes(e.cause, "about", "window")).map((e) => e.cause) };
}

function Link(props: ParentProps<{ what: string; known?: string; none: string }>) {
  return <li class={props.known ? "" : "unknown"}><h3>{props.what}</h3><div><Show when={props.known} fallback={<span class="quiet">{props.none}</span>}>{props.children}</Show></div></li>;
}

function Came(props: { chain: Chain }) {
  const links = createMemo(() => linksOf(props.chain));
  const node = (ref: string | undefined) => (ref === undefined ? undefined : find(props.chain, ref));
  const Name = (p: { at: string }): JSX.Element => <Show when={pageOf(p.at)} fallback={nameOf(props.chain, p.at)}>{(href) => <a href={href()}>{nameOf(props.chain, p.at)}</a>}</Show>;
  const verdicts = (kind: string) => links().steps.flatMap((s) => links().causes(s, "decided_by", "verdict").map((e) => e.cause)).filter((v) => attribute(node(v), "check").startsWith(kind + " ")).slice(0, listedMax);
  const Verdicts = (p: { kind: string }) => (
    <ul class="plain"><For each={verdicts(p.kind)}>{(v) => <li><State of={attribute(node(v), "status")} /> <b>{attribute(node(v), "check").slice(p.kind.length + 1)}</b> <span class="quiet">{attribute(node(v), "words")}</span></li>}</For></ul>
  );
  const used = (attempt: string, kind: string) => links().causes(attempt, "used", kind);
  const commit = (): GraphEdge | undefined => links().attempts.flatMap((a) => used(a, "commit"))[0];
  const data = () => links().attempts.flatMap((a) => used(a, "data").map((edge) => ({ edge, stage: attribute(node(a), "stage") }))).slice(0, listedMax);
  const environment = () => links().attempts.flatMap((a) => used(a, "environment"))[0]?.cause;
  const took = (n: GraphNode | undefined) => duration(Number(n?.attributes.ended_ms) - Number(n?.attributes.started_ms));
  return (
    <ol class="chain">
      <Link what="Rollout" known={links().steps[0]} none="No step of a rollout is known: the version answered by its name.">
        <ul class="plain"><For each={links().steps}>{(s) => <li><b>{nameOf(props.chain, s)}</b> <span class="quiet">since {utc(Number(node(s)?.attributes.started_ms))}: {attribute(node(s), "reason")}</span></li>}</For></ul>
      </Link>
      <Show when={links().steps.length}>
        <Link what="Guards" known={verdicts("guard")[0]} none="None had to be shown before this step."><Verdicts kind="guard" /></Link>
        <Link what="Gates" known={verdicts("gate")[0]} none="No verdict of a gate is known."><Verdicts kind="gate" /></Link>
      </Show>
      <Link what="Version" known={links().version} none="Not known."><Name at={links().version!} /> <span class="quiet">made {utc(Number(node(links().version)?.attributes.created_ms))}</span></Link>
      <Link what="Run" known={links().run} none="No tracked run made it."><Name at={links().run!} /> <span class="quiet">in experiment {attribute(node(links().run), "experiment")}</span></Link>
      <Link what="Attempts" known={links().attempts[0]} none="No stage of a pipeline made it.">
        <ul class="plain"><For each={links().attempts}>{(a) => <li><Name at={a} /> <code>{attribute(node(a), "command")}</code> <span class="quiet">{attribute(node(a), "state")} in {took(node(a))}</span></li>}</For></ul>
        <Show when={environment()}>{(e) => <p class="quiet">in <Name at={e()} /></p>}</Show>
      </Link>
      <Link what="Data" known={data()[0]?.edge.cause} none="None is known.">
        <ul class="plain"><For each={data()}>{(d) => <li><a href={paths.lineage(d.edge.cause)}>{String(d.edge.attributes.path ?? nameOf(props.chain, d.edge.cause))}</a> <code>{d.edge.cause.slice(5, 17)}</code> <span class="quiet">used by {d.stage}</span></li>}</For></ul>
      </Link>
      <Link what="Commit" known={commit()?.cause} none="None is known."><Name at={commit()!.cause} /><Show when={commit()!.attributes.dirty}> <span class="tag bad">dirty</span> <span class="quiet">the work tree had changes: what the trigger put there, or uncommitted ones</span></Show></Link>
      <Link what="Pipeline run" known={links().pipelineRun} none="It was trained by hand.">
        <Name at={links().pipelineRun!} /> <State of={attribute(node(links().pipelineRun), "state")} /> <span class="quiet">{utc(Number(node(links().pipelineRun)?.attributes.created_ms))}</span>
      </Link>
      <Show when={links().pipelineRun}>
        <Link what="Trigger" known={links().firing} none="Nobody's trigger: it was asked for by hand."><Name at={links().firing!} /> <span class="quiet">fired {utc(Number(node(links().firing)?.attributes.time_ms))}</span></Link>
      </Show>
      <Show when={links().firing}>
        <Link what="Because of" known={links().asked[0]} none="Not known.">
          <ul class="plain"><For each={links().asked}>{(ref) => <li><Name at={ref} /> <span class="quiet">{attribute(node(ref), "words") || attribute(node(ref), "type")}</span></li>}</For></ul>
          <Show when={links().windows.length}><p class="quiet">raised by <For each={links().windows.slice(0, listedMax)}>{(w, i) => <>{i() ? ", " : ""}<Name at={w} /></>}</For></p></Show>
        </Link>
      </Show>
    </ol>
  );
}

export function PredictionPage() {
  const params = useParams<{ id: string }>();
  const id = () => decodeURIComponent(params.id);
  // An answer reaches the log a moment after its caller, and its label later.
  const chain = createPolled(id, (wanted, signal) => explain(`prediction:${wanted}`, "causes", signal), (data) => (data ? 30_000 : 5_000));
  const prediction = () => { const all = chain.data(); return all && (find(all, all.subject)?.attributes as unknown as Prediction | undefined); };
  return (
    <Page title="A prediction, explained" trail={[["Predictions", "#/predictions"]]}>
      <Show when={id()} keyed>{(known) => <LookUp id={known} />}</Show>
      <Show when={chain.error() || chain.data() || !chain.at()} fallback={
        <Empty title="This prediction is not known"><p><code>{id()}</code> is not in the prediction log of this server: it may be mistyped, from another server, or past its retention.</p>{where}</Empty>}>
        <Loaded from={chain}>{() => (
          <Show when={prediction()} fallback={<p class="quiet">Nothing is known of it.</p>}>{(p) => (
            <>
              <Answered of={p()} />
              <Show when={p().truncated}><p class="quiet">The batch is longer than what is shown.</p></Show>
              <section aria-labelledby="came"><h2 id="came">Where it comes from</h2><Came chain={chain.data()!} /></section>
              <section><h2>On the command line</h2><Code text={`slipway explain ${p().id}`} /></section>
            </>
          )}</Show>
        )}</Loaded>
      </Show>
      <Show when={chain.error() && !chain.data()}><Empty title="This id cannot be looked up">{where}</Empty></Show>
    </Page>
  );
}
