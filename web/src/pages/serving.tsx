import { createMemo, createSignal, For, Show } from "solid-js";
import { servedModels, type Served } from "../api";
import { Code, Empty, Loaded, Page, paths, ServedState } from "../pieces";
import { createPolled } from "../polled";
import { Signature } from "./version";

/// What a version takes and gives, asked for when somebody wants to see it.
function Columns(props: { of: Served; alone: boolean }) {
  const [open, setOpen] = createSignal(props.alone);
  return (
    <details open={props.alone} onToggle={(e) => setOpen(e.currentTarget.open)}><summary>what it takes and gives</summary>
      <Show when={open()}><Signature name={props.of.name} version={props.of.version} /></Show></details>
  );
}

export function Serving() {
  const served = createPolled(() => 0, (_, signal) => servedModels(signal), () => 3000);
  const byVersion = (a: Served, b: Served) => a.name.localeCompare(b.name) || Number(b.version) - Number(a.version);
  const ready = createMemo(() => (served.data() ?? []).filter((s) => s.state === "READY").sort(byVersion));
  const idle = createMemo(() => (served.data() ?? []).filter((s) => s.state !== "READY").sort(byVersion));
  return (
    <Page title="Serving">
      <Loaded from={served}>{(data) => (
        <Show when={data().length} fallback={<Empty title="Nothing to serve yet"><p>A model serves as soon as it is registered, if an engine can load its flavour:</p><Code text={'mlflow.xgboost.log_model(model, name="model", registered_model_name="bikes")'} /></Empty>}>
          <section aria-labelledby="ready"><h2 id="ready">Answers predictions <span class="count">{ready().length}</span></h2>
            <Show when={ready().length} fallback={<p class="quiet">None.</p>}>
              <div class="scroll"><table><caption class="sr">Versions that serve</caption>
                <thead><tr><th scope="col">Model</th><th scope="col">Version</th><th scope="col">State</th><th scope="col">Addresses</th></tr></thead>
                <tbody><For each={ready()}>{(s) => (
                  <tr><th scope="row"><a href={paths.model(s.name)}>{s.name}</a></th><td><Show when={s.version}>{(v) => <a href={paths.version(s.name, v())}>{v()}</a>}</Show></td>
                    <td><ServedState of={s} /> <span class="quiet">{s.reason}</span></td>
                    <td><code>/v2/models/{encodeURIComponent(s.name)}{s.version ? `/versions/${s.version}` : ""}/infer</code>
                      <Columns of={s} alone={ready().length === 1} /><Show when={s.parameters?.is_default}><br /><code>/deployments/{encodeURIComponent(s.name)}/invocations</code><br /><code>/v2/models/{encodeURIComponent(s.name)}/infer</code> <span class="quiet">the bare name means this version</span></Show></td></tr>
                )}</For></tbody>
              </table></div>
            </Show>
          </section>
          <Show when={idle().length}>
            <section aria-labelledby="idle"><h2 id="idle">Answers none <span class="count">{idle().length}</span></h2>
              <div class="scroll"><table><caption class="sr">Versions that do not serve, and why</caption>
                <thead><tr><th scope="col">Model</th><th scope="col">Version</th><th scope="col">State</th><th scope="col">Why</th></tr></thead>
                <tbody><For each={idle()}>{(s) => (
                  <tr><th scope="row"><a href={paths.model(s.name)}>{s.name}</a></th><td><Show when={s.version}>{(v) => <a href={paths.version(s.name, v())}>{v()}</a>}</Show></td>
                    <td><ServedState of={s} /></td><td>{s.reason || "no reason given"}</td></tr>
                )}</For></tbody>
              </table></div>
            </section>
          </Show>
        </Show>
      )}</Loaded>
    </Page>
  );
}
