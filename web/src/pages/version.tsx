import { useParams } from "@solidjs/router";
import { For, Show } from "solid-js";
import { getRun, getVersion, servedMetadata, servedModels } from "../api";
import { Code, Facts, Loaded, Page, paths, State, Tags, Time } from "../pieces";
import { createPolled } from "../polled";

export function Signature(props: { name: string; version?: string }) {
  const metadata = createPolled(() => ({ name: props.name, version: props.version }), (k, signal) => servedMetadata(k.name, k.version, signal));
  return (
    <Loaded from={metadata}>{(data) => (
      <div class="scroll"><table><caption class="sr">Tensors of {props.name}</caption>
        <thead><tr><th scope="col">Tensor</th><th scope="col">Direction</th><th scope="col">Type</th><th scope="col">Shape</th></tr></thead>
        <tbody>
          <For each={data().inputs}>{(t) => <tr><th scope="row">{t.name}</th><td>in</td><td>{t.datatype}</td><td>[{t.shape.join(", ")}]</td></tr>}</For>
          <For each={data().outputs}>{(t) => <tr><th scope="row">{t.name}</th><td>out</td><td>{t.datatype}</td><td>[{t.shape.join(", ")}]</td></tr>}</For>
        </tbody>
      </table></div>
    )}</Loaded>
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
          ]} />
          <section aria-labelledby="serving"><h2 id="serving">Serving</h2>
            <Loaded from={served}>{() => (
              <Show when={state()} fallback={<p class="quiet">Not known to the serving side.</p>}>{(s) => (
                <>
                  <p><State of={s().state} /> {s().reason}</p>
                  <Show when={s().state === "READY"}>
                    <Signature name={name()} version={params.version} />
                    <p>Ask it:</p><Code text={`curl ${location.origin}/v2/models/${encodeURIComponent(name())}/versions/${params.version}/infer -d @request.json`} />
                  </Show>
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
