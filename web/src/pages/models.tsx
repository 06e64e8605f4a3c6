import { useParams } from "@solidjs/router";
import { createMemo, For, Show } from "solid-js";
import { getModel, getScore, searchModels, servedModels, versionsOf, type TestScore } from "../api";
import { Code, createPages, Empty, Facts, Loaded, Page, Pager, paths, ServedState, State, Tags, Time } from "../pieces";
import { createPolled } from "../polled";

export function Models() {
  const pages = createPages();
  const page = createPolled(pages.token, searchModels, () => 10_000);
  const newest = (versions: { version: string }[] = []) => versions.reduce((top, v) => Math.max(top, Number(v.version)), 0);
  return (
    <Page title="Models">
      <Loaded from={page}>{(data) => (
        <Show when={data().items.length} fallback={<Empty title="No model is registered yet"><p>Give a model a name when it is logged:</p><Code text={'mlflow.xgboost.log_model(model, name="model", registered_model_name="bikes")'} /></Empty>}>
          <div class="scroll"><table><caption class="sr">Registered models</caption>
            <thead><tr><th scope="col">Name</th><th scope="col">Newest</th><th scope="col">Aliases</th><th scope="col">Changed</th></tr></thead>
            <tbody><For each={data().items}>{(m) => (
              <tr>
                <th scope="row"><a href={paths.model(m.name)}>{m.name}</a></th>
                <td><Show when={newest(m.latest_versions)}>{(v) => <a href={paths.version(m.name, String(v()))}>version {v()}</a>}</Show></td>
                <td><For each={m.aliases}>{(a) => <a class="tag" href={paths.version(m.name, a.version)}>@{a.alias} → {a.version}</a>}</For></td>
                <td><Time ms={m.last_updated_timestamp} /></td>
              </tr>
            )}</For></tbody>
          </table></div>
          <Pager pages={pages} next={data().next} shown={data().items.length} what="Models" rows={100} />
        </Show>
      )}</Loaded>
    </Page>
  );
}

const sections: [string, string][] = [["data", "D"], ["model", "M"], ["infrastructure", "I"], ["monitoring", "N"]];

/// The ML Test Score: what is there, what can be had and how, and, apart, what this version of Slipway does not measure.
function Score(props: { model: string }) {
  const score = createPolled(() => props.model, getScore, () => 30_000);
  const of = (s: TestScore, initial: string) => s.tests.filter((t) => t.measured && t.test.startsWith(initial));
  const looks: Record<string, string> = { full: "good", half: "wait", none: "unsure" };
  return (
    <Loaded from={score}>{(s) => (
      <>
        <p><b>{s().score}</b> of 7 <span class="quiet">for {s().version ? `version ${s().version}` : "a model without versions"}: {s().reading}</span></p>
        <div class="scroll"><table><caption class="sr">What this version of Slipway measures</caption>
          <thead><tr><th scope="col">Test</th><th scope="col">Point</th><th scope="col">Why</th><th scope="col">To have it</th></tr></thead>
          <tbody><For each={sections}>{([name, initial]) => <For each={of(s(), initial)}>{(t) => (
            <tr><th scope="row">{t.test} {t.title} <span class="quiet">{name}</span></th><td><span class={"state " + looks[t.points]}>{t.points}</span></td>
              <td class="words">{t.why} <For each={t.evidence}>{(link) => <a class="tag" href={paths.lineage(link)}>{link.split(":")[0].replaceAll("_", " ")}</a>}</For></td><td class="words">{t.how ?? ""}</td></tr>
          )}</For>}</For></tbody>
        </table></div>
        <details><summary>{s().not_measured} tests that this version of Slipway does not measure, whatever a project does; they count as nothing</summary>
          <ul class="plain"><For each={s().tests.filter((t) => !t.measured)}>{(t) => <li><b>{t.test}</b> {t.title}</li>}</For></ul></details>
      </>
    )}</Loaded>
  );
}

export function ModelPage() {
  const params = useParams<{ name: string }>();
  const name = () => decodeURIComponent(params.name);
  const pages = createPages();
  const model = createPolled(name, getModel, () => 10_000);
  const versions = createPolled(() => ({ name: name(), token: pages.token() }), (k, signal) => versionsOf(k.name, k.token, signal), () => 10_000);
  const served = createPolled(() => 0, (_, signal) => servedModels(signal), () => 10_000);
  const states = createMemo(() => new Map((served.data() ?? []).filter((s) => s.name === name()).map((s) => [s.version ?? "", s])));
  const meant = () => [...states().values()].find((s) => s.parameters?.is_default)?.version;
  const aliases = (version: string) => (model.data()?.aliases ?? []).filter((a) => a.version === version);
  return (
    <Page title={name()} trail={[["Models", "#/models"]]}>
      <Loaded from={model}>{(data) => (
        <>
          <Show when={data().description}><p class="note">{data().description}</p></Show>
          <Facts rows={[["Registered", <Time ms={data().creation_timestamp} />], ["Changed", <Time ms={data().last_updated_timestamp} />]]} />
          <section aria-labelledby="versions"><h2 id="versions">Versions</h2>
            <Show when={meant()}>{(v) => <p>The bare name means <a href={paths.version(name(), v())}>version {v()}</a>: <code>/deployments/{encodeURIComponent(name())}/invocations</code>, <code>/v2/models/{encodeURIComponent(name())}/infer</code></p>}</Show>
            <Loaded from={versions}>{(list) => (
              <Show when={list().items.length} fallback={<p class="quiet">No versions.</p>}>
                <div class="scroll"><table><caption class="sr">Versions of {name()}</caption>
                  <thead><tr><th scope="col">Version</th><th scope="col">Aliases</th><th scope="col">Stage</th><th scope="col">Registration</th><Show when={served.data()}><th scope="col">Serving</th></Show><th scope="col">Run</th><th scope="col">Created</th></tr></thead>
                  <tbody><For each={list().items}>{(v) => (
                    <tr>
                      <th scope="row"><a href={paths.version(v.name, v.version)}>version {v.version}</a></th>
                      <td><For each={aliases(v.version)}>{(a) => <span class="tag">@{a.alias}</span>}</For></td>
                      <td>{v.current_stage === "None" ? "" : v.current_stage}</td>
                      <td><State of={v.status} /></td>
                      <Show when={served.data()}><td><Show when={states().get(v.version)} fallback={<span class="quiet">unknown</span>}>{(s) => <><ServedState of={s()} /> <Show when={s().parameters?.is_default}><span class="tag">default</span></Show><span class="quiet">{s().reason}</span></>}</Show></td></Show>
                      <td><Show when={v.run_id}>{(id) => <a href={paths.runById(id())}><code>{id().slice(0, 8)}</code></a>}</Show></td>
                      <td><Time ms={v.creation_timestamp} /></td>
                    </tr>
                  )}</For></tbody>
                </table></div>
                <Pager pages={pages} next={list().next} shown={list().items.length} what="Versions" rows={100} />
              </Show>
            )}</Loaded>
          </section>
          <section aria-labelledby="score"><h2 id="score">ML Test Score</h2><Score model={name()} /></section>
          <section aria-labelledby="tags"><h2 id="tags">Tags</h2><Tags tags={data().tags ?? []} /></section>
        </>
      )}</Loaded>
    </Page>
  );
}
