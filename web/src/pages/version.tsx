import { useParams } from "@solidjs/router";
import { For, Show } from "solid-js";
import { getRun, getVersion, listDeployments, servedMetadata, servedModels, type ServedMetadata } from "../api";
import { Code, Facts, Loaded, Page, paths, ServedState, State, Tags, Time, When } from "../pieces";
import { createPolled } from "../polled";

export function Signature(props: { name: string; version?: string }) {
  const metadata = createPolled(() => ({ name: props.name, version: props.version }), (k, signal) => servedMetadata(k.name, k.version, signal));
  return (
    <Loaded from={metadata}>{(data) => <><Tensors name={props.name} data={data()} /><ColumnsOf data={data()} /></>}</Loaded>
  );
}
function Tensors(props: { name: string; data: ServedMetadata }) {
  return (
    <div class="scroll"><table><caption class="sr">Tensors of {props.name}</caption>
      <thead><tr><th scope="col">Tensor</th><th scope="col">Direction</th><th scope="col">Type</th><th scope="col">Shape</th></tr></thead>
      <tbody>
        <For each={props.data.inputs}>{(t) => <tr><th scope="row">{t.name}</th><td>in</td><td>{t.datatype}</td><td>[{t.shape.join(", ")}]</td></tr>}</For>
        <For each={props.data.outputs}>{(t) => <tr><th scope="row">{t.name}</th><td>out</td><td>{t.datatype}</td><td>[{t.shape.join(", ")}]</td></tr>}</For>
      </tbody>
    </table></div>
  );
}

/// Of its input, where the model's files name them.
function ColumnsOf(props: { data: ServedMetadata }) {
  const columns = () => props.data.parameters?.columns ?? [];
  return (
    <Show when={columns().length} fallback={<p class="quiet">The model's files name no columns.</p>}>
      <h3>Columns of {props.data.inputs?.[0]?.name}, in this order</h3>
      <div class="scroll"><table class="inputs"><caption class="sr">Columns</caption>
        <thead><tr><th scope="col">Column</th><th scope="col">Type</th><th scope="col">Required</th></tr></thead>
        <tbody><For each={columns()}>{(c, i) => <tr><th scope="row">{c.name || `number ${i()}`}</th><td>{c.type ?? <span class="quiet">the signature says none</span>}</td><td>{c.required === false ? "no" : "yes"}</td></tr>}</For></tbody>
      </table></div>
    </Show>
  );
}

const columnsAsked = 200;  // more zeros than that help nobody
const quoted = (text: string) => "'" + text.replaceAll("'", "'\\''") + "'";
const curl = (path: string, body: unknown) =>
  `curl ${quoted(location.origin + path)} -H 'Content-Type: application/json' -d ${quoted(JSON.stringify(body))}`;
const sample = (type: string | undefined) => (type === "boolean" ? false : 0);

/// Requests that work as they stand: one row of zeros.
function v2Body(data: ServedMetadata) {
  return { inputs: (data.inputs ?? []).map((input) => {
    const shape = input.shape.map((size) => (size === -1 ? 1 : size));
    return { name: input.name, datatype: input.datatype, shape, data: Array(shape.reduce((a, b) => a * b, 1)).fill(0) };
  }) };
}
function invocationBody(data: ServedMetadata) {
  const columns = data.parameters?.columns ?? [];
  const named = columns.length > 0 && columns.every((c) => c.name !== "");
  if (named) return { dataframe_split: { columns: columns.map((c) => c.name), data: [columns.map((c) => sample(c.type))] } };
  return { inputs: [Array(data.inputs?.[0]?.shape[1] ?? 0).fill(0)] };
}

/// What a version takes and gives, how to ask it, and which version its name alone means.
function Asking(props: { name: string; version: string }) {
  const metadata = createPolled(() => ({ name: props.name, version: props.version }), (k, signal) => servedMetadata(k.name, k.version, signal), () => 10_000);
  const meant = () => metadata.data()?.parameters?.default_version;
  const wide = () => (metadata.data()?.inputs?.[0]?.shape[1] ?? 0) > columnsAsked;
  const path = () => encodeURIComponent(props.name);
  return (
    <Loaded from={metadata}>{(data) => (
      <>
        <Tensors name={props.name} data={data()} />
        <ColumnsOf data={data()} />
        <Show when={!wide()} fallback={<p class="quiet">Too many columns for a request to copy.</p>}>
          <h3>Ask it</h3>
          <Code text={curl(`/v2/models/${path()}/versions/${encodeURIComponent(props.version)}/infer`, v2Body(data()))} />
          <Show when={meant() === props.version} fallback={<p>The bare name <code>{props.name}</code> means <a href={paths.version(props.name, meant() ?? "")}>version {meant()}</a>, which therefore answers <code>/deployments/{path()}/invocations</code>.</p>}>
            <p>The bare name <code>{props.name}</code> means this version:</p>
            <Code text={curl(`/deployments/${path()}/invocations`, invocationBody(data()))} />
          </Show>
        </Show>
      </>
    )}</Loaded>
  );
}

/// Where it was taken back from, and may not come back to by itself.
function Quarantine(props: { name: string; version: string }) {
  const all = createPolled(() => 0, (_, signal) => listDeployments(signal), () => 10_000);
  const mine = () => (all.data() ?? []).filter((d) => d.model === props.name)
    .flatMap((d) => d.quarantine.filter((q) => String(q.version) === props.version).map((q) => ({ ...q, deployment: d.name })));
  return (
    <For each={mine()}>{(q) => (
      <p class="bad">In quarantine of <a href={paths.deployment(q.deployment)}>{q.deployment}</a> since <When ms={q.since_ms} />: {q.reason}. <span class="quiet"><code>slipway deploy {q.deployment} --release {props.version}</code> lets it try again.</span></p>
    )}</For>
  );
}

export function VersionPage() {
  const params = useParams<{ name: string; version: string }>();
  const name = () => decodeURIComponent(params.name);
  const version = createPolled(() => ({ name: name(), version: params.version }), (k, signal) => getVersion(k.name, k.version, signal), () => 10_000);
  const run = createPolled(() => version.data()?.run_id ?? "", (id, signal) => (id ? getRun(id, signal) : Promise.resolve(undefined)));
  const served = createPolled(() => 0, (_, signal) => servedModels(signal), () => 5000);
  const logged = () => version.data()?.model_id || /^models:\/(m-[0-9a-f]{32})$/.exec(version.data()?.source ?? "")?.[1];
  const state = () => served.data()?.find((s) => s.name === name() && s.version === params.version);
  return (
    <Page title={`${name()} version ${params.version}`} trail={[["Models", "#/models"], [name(), paths.model(name())]]}
      aside={<Show when={version.data()}>{(v) => <State of={v().status} />}</Show>}>
      <Loaded from={version}>{(v) => (
        <>
          <Show when={v().description}><p class="note">{v().description}</p></Show>
          <Show when={v().status_message}><p class="quiet">{v().status_message}</p></Show>
          <Facts rows={[
            ["Created", <Time ms={v().creation_timestamp} />],
            ["Aliases", v().aliases?.length ? <For each={v().aliases}>{(a) => <span class="tag">@{a}</span>}</For> : undefined],
            ["Stage", v().current_stage === "None" ? undefined : v().current_stage],
            ["Made by run", run.data() && <a href={paths.run(run.data()!.info.experiment_id, run.data()!.info.run_id)}>{run.data()!.info.run_name || run.data()!.info.run_id}</a>],
            ["Logged model", logged() && run.data() && <a href={paths.logged(run.data()!.info.experiment_id, logged()!)}>{logged()}</a>],
            ["Files", v().source && <code>{v().source}</code>],
            ["Comes from", <a href={paths.lineage(`models:/${name()}/${params.version}`)}>lineage</a>],
          ]} />
          <section aria-labelledby="serving"><h2 id="serving">Serving</h2>
            <Quarantine name={name()} version={params.version} />
            <Loaded from={served}>{() => (
              <Show when={state()} fallback={<p class="quiet">Not known to the serving side.</p>}>{(s) => (
                <>
                  <p><ServedState of={s()} /> {s().reason}</p>
                  <Show when={s().state === "READY"}><Asking name={name()} version={params.version} /></Show>
                </>
              )}</Show>
            )}</Loaded>
          </section>
          <section aria-labelledby="load"><h2 id="load">Load it in Python</h2><Code text={`mlflow.pyfunc.load_model("models:/${name()}/${params.version}")`} /></section>
          <section aria-labelledby="tags"><h2 id="tags">Tags</h2><Tags tags={v().tags ?? []} /></section>
        </>
      )}</Loaded>
    </Page>
  );
}
