import { createEffect, createSignal, onCleanup, type Accessor } from "solid-js";

export interface Polled<T> {
  data: Accessor<T | undefined>;
  error: Accessor<Error | undefined>;
  loading: Accessor<boolean>;
}

/// Loads once per value of `key`, then again after `pause(data)` milliseconds until that says null. Nothing is asked while the
/// tab is hidden, and a slow answer stretches the pause, so that a page never keeps a server busy.
export function createPolled<K, T>(key: Accessor<K>, load: (key: K, signal: AbortSignal) => Promise<T>,
  pause: (data: T | undefined) => number | null = () => null): Polled<T> {
  const [data, setData] = createSignal<T>();
  const [error, setError] = createSignal<Error>();
  const [loading, setLoading] = createSignal(true);

  createEffect((before: string | undefined) => {
    const now = key();
    const text = JSON.stringify(now);
    if (before !== undefined && before !== text) setData(undefined);
    const stop = new AbortController();
    let timer: number | undefined;
    const later = (ms: number) => { timer = window.setTimeout(turn, ms); };
    async function turn() {
      if (document.hidden) return document.addEventListener("visibilitychange", turn, { once: true, signal: stop.signal });
      const start = performance.now();
      try {
        setLoading(true);
        const value = await load(now, stop.signal);
        if (stop.signal.aborted) return;
        setData(() => value);
        setError(undefined);
      } catch (e) {
        if (stop.signal.aborted) return;
        setError(e as Error);
      }
      setLoading(false);
      const wait = pause(data());
      if (wait !== null) later(Math.max(wait, 5 * (performance.now() - start)));
    }
    turn();
    onCleanup(() => { stop.abort(); clearTimeout(timer); });
    return text;
  });
  return { data, error, loading };
}
