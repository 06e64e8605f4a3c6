import { useParams } from "@solidjs/router";
import { createEffect, createMemo, createSignal, For, onCleanup, onMount, Show } from "solid-js";
import { artifactUrl, getExperiment, getRun, listArtifacts, metricHistory, versionsFromRun, type FileInfo, type Metric, type Run } from "../api";
import { Chart, type Axis } from "../chart";
import { bytes, duration, number } from "../format";
import { Empty, Facts, Loaded, Page, Pairs, paths, Problem, State, Tags, Dated } from "../pieces";
import { createPolled } from "../polled";
import { RunOrigin } from "./lineage";

const livePauseMs = 2000;
const cardsAtFirst = 24;

/// One metric; its points are fetched when it comes into view and again when its latest value has moved.
function MetricCard(props: { run: string; latest: Metric; axis: Axis; log: boolean }) {
  let box!: HTMLDivElement;
  const [visible, setVisible] = createSignal(false);
  const [points, setPoints] = createSignal<Metric[]>([]);
  const [error, setError] = createSignal<Error>();
  onMount(() => {
    const watch = new IntersectionObserver((entries) => setVisible(entries[entries.length - 1].isIntersecting), { rootMargin: "200px" });
    watch.observe(box);
    onCleanup(() => watch.disconnect());
  });
  const moved = createMemo(() => `${props.run} ${props.latest.key} ${props.latest.step} ${props.latest.timestamp} ${props.latest.value}`);
  createEffect(() => {
    moved();
    if (!visible()) return;
    const stop = new AbortController();
    onCleanup(() => stop.abort());
    metricHistory(props.run, props.latest.key, stop.signal).then(
      (all) => { setPoints(all); setError(undefined); }, (e) => { if (!stop.signal.aborted) setError(e); });
  });
  return (
    <div ref={box} class="card">
      <Chart name={props.latest.key} points={points()} axis={props.axis} log={props.log} />
      <Show when={error()}>{(e) => <Problem error={e()} />}</Show>
    </div>
  );
}

function Metrics(props: { run: Run }) {
  const [axis, setAxis] = createSignal<Axis>("step");
  const [log, setLog] = createSignal(false);
  const [find, setFind] = createSignal("");
  const [limit, setLimit] = createSignal(cardsAtFirst);
  const keys = createMemo(() => props.run.data.metrics.map((m) => m.key).sort(), undefined, { equals: (a, b) => a.join("\n") === b.join("\n") });
  const latest = createMemo(() => new Map(props.run.data.metrics.map((m) => [m.key, m])));
  const found = createMemo(() => keys().filter((k) => k.toLowerCase().includes(find().toLowerCase())));
  return (
    <section aria-labelledby="metrics">
      <div class="head"><h2 id="metrics">Metrics</h2>
        <Show when={keys().length}><div class="bar tools">
          <Show when={keys().length > 6}><label class="sr" for="find">Find a metric</label><input id="find" placeholder="Find a metric" onInput={(e) => setFind(e.currentTarget.value)} /></Show>
          <label>Over <select onChange={(e) => setAxis(e.currentTarget.value as Axis)}><option value="step">step</option><option value="time">time</option></select></label>
          <label><input type="checkbox" onChange={(e) => setLog(e.currentTarget.checked)} /> logarithmic</label>
        </div></Show>
      </div>
      <Show when={keys().length} fallback={<p class="quiet">No metrics yet. <code>mlflow.log_metric("loss", 0.1, step=1)</code> draws the first point here.</p>}>
        <div class="scroll"><table class="pairs latest"><caption class="sr">Latest metrics</caption>
          <tbody><For each={found().slice(0, limit())}>{(key) => <tr><th scope="row">{key}</th><td class="number">{number(latest().get(key)?.value ?? NaN)}</td><td class="quiet">step {latest().get(key)?.step}</td></tr>}</For></tbody>
        </table></div>
        <div class="cards"><For each={found().slice(0, limit())}>{(key) => (
          <Show when={latest().get(key)}>{(m) => <MetricCard run={props.run.info.run_id} latest={m()} axis={axis()} log={log()} />}</Show>
        )}</For></div>
        <Show when={found().length > limit()}><button onClick={() => setLimit(limit() + cardsAtFirst)}>Show more of {found().length} metrics</button></Show>
      </Show>
    </section>
  );
}

function Folder(props: { run: string; path: string; live: boolean }) {
  const listing = createPolled(() => ({ run: props.run, path: props.path }), (k, signal) => listArtifacts(k.run, k.path, signal), () => (props.live ? 10_000 : null));
  const name = (file: FileInfo) => file.path.slice(file.path.lastIndexOf("/") + 1);
  return (
    <Loaded from={listing}>{(data) => (
      <Show when={data().files.length} fallback={<p class="quiet">{props.path ? "Empty." : "No artifacts."}</p>}>
        <ul class="files"><For each={data().files}>{(file) => (
          <li><Show when={file.is_dir} fallback={<><a href={artifactUrl(props.run, data().root, file.path)} download={name(file)}>{name(file)}</a> <span class="quiet">{bytes(Number(file.file_size))}</span></>}>
            <Directory run={props.run} path={file.path} name={name(file)} live={props.live} />
          </Show></li>
        )}</For></ul>
      </Show>
    )}</Loaded>
  );
}
function Directory(props: { run: string; path: string; name: string; live: boolean }) {
  const [open, setOpen] = createSignal(false);
  return <details onToggle={(e) => setOpen(e.currentTarget.open)}><summary>{props.name}/</summary><Show when={open()}><Folder run={props.run} path={props.path} live={props.live} /></Show></details>;
}

function Lineage(props: { run: Run }) {
  const versions = createPolled(() => props.run.info.run_id, versionsFromRun, () => (props.run.info.status === "RUNNING" ? 10_000 : null));
  const datasets = () => props.run.inputs?.dataset_inputs ?? [];
  const models = () => [...(props.run.outputs?.model_outputs ?? []).map((m) => ({ id: m.model_id, how: "made" })), ...(props.run.inputs?.model_inputs ?? []).map((m) => ({ id: m.model_id, how: "used" }))];
  return (
    <section aria-labelledby="lineage"><h2 id="lineage">Inputs and models</h2>
      <Show when={datasets().length + models().length + (versions.data()?.length ?? 0)} fallback={<p class="quiet">No data set or model is tied to this run.</p>}>
        <ul class="plain">
          <For each={datasets()}>{(d) => <li>used data <b>{d.dataset.name}</b> <code>{d.dataset.digest}</code> <For each={d.tags}>{(t) => <span class="tag">{t.value}</span>}</For></li>}</For>
          <For each={models()}>{(m) => <li>{m.how} model <a href={paths.logged(props.run.info.experiment_id, m.id)}>{m.id}</a></li>}</For>
          <For each={versions.data()}>{(v) => <li>registered as <a href={paths.version(v.name, v.version)}>{v.name} version {v.version}</a></li>}</For>
        </ul>
      </Show>
    </section>
  );
}

export function RunPage() {
  const params = useParams<{ experiment: string; run: string }>();
  const run = createPolled(() => params.run, getRun, (data) => (data?.info.status === "RUNNING" || !data ? livePauseMs : null));
  // A link from a model knows only the run.
  const home = createMemo(() => run.data()?.info.experiment_id ?? params.experiment);
  const experiment = createPolled(home, getExperiment);
  const [now, setNow] = createSignal(Date.now());
  const tick = setInterval(() => setNow(Date.now()), 1000);
  onCleanup(() => clearInterval(tick));
  const tag = (key: string) => run.data()?.data.tags.find((t) => t.key === key)?.value;
  return (
    <Page title={run.data()?.info.run_name || params.run} aside={<Show when={run.data()}>{(r) => <State of={r().info.status} />}</Show>}
      trail={[["Experiments", "#/experiments"], [experiment.data()?.name ?? home(), paths.experiment(home())]]}>
      <Show when={tag("mlflow.note.content")}>{(text) => <p class="note">{text()}</p>}</Show>
      <Loaded from={run}>{(data) => (
        <>
          <Show when={data().info.lifecycle_stage === "deleted"}><p class="problem">This run has been deleted.</p></Show>
          <Facts rows={[
            ["Run id", <code>{data().info.run_id}</code>],
            ["Started", <Dated ms={data().info.start_time} />],
            ["Ended", data().info.end_time ? <Dated ms={data().info.end_time} /> : undefined],
            ["Took", duration((data().info.end_time ?? now()) - (data().info.start_time ?? 0))],
            ["User", data().info.user_id || tag("mlflow.user")],
            ["Source", tag("mlflow.source.name")],
            ["Commit", tag("mlflow.source.git.commit") && <code>{tag("mlflow.source.git.commit")}</code>],
          ]} />
          <Metrics run={data()} />
          <RunOrigin run={data().info.run_id} live={data().info.status === "RUNNING"} />
          <div class="columns2">
            <section aria-labelledby="params"><h2 id="params">Params</h2><Pairs caption="Params" rows={data().data.params} none="No params." /></section>
            <section aria-labelledby="tags"><h2 id="tags">Tags</h2><Tags tags={data().data.tags} /></section>
          </div>
          <div class="columns2">
            <section aria-labelledby="artifacts"><h2 id="artifacts">Artifacts</h2><Folder run={data().info.run_id} path="" live={data().info.status === "RUNNING"} /></section>
            <Lineage run={data()} />
          </div>
        </>
      )}</Loaded>
      <Show when={run.error() && !run.data()}><Empty title="This run cannot be shown"><p>Look for it among the <a href={paths.experiment(home())}>runs of the experiment</a>.</p></Empty></Show>
    </Page>
  );
}
