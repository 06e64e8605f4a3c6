import { createEffect, createSignal, onCleanup, type Accessor } from "solid-js";

export interface Polled<T> {
  data: Accessor<T | undefined>;
  error: Accessor<Error | undefined>;
  loading: Accessor<boolean>;
  /// When `data` last came, in milliseconds of this browser's clock.
  at: Accessor<number>;
}

/// `now`, with every part that equals a part of `before` replaced by that one, so that rows which did not change keep their
/// elements, and with them focus and selection.
export function share(before: any, now: any): any {
  if (Object.is(before, now) || typeof before !== "object" || typeof now !== "object" || !before || !now) return now;
  if (Array.isArray(before) !== Array.isArray(now)) return now;
  const keys = Object.keys(now);
  const identity = (x: any) => x?.info?.run_id ?? x?.key ?? x?.name ?? x?.id ?? x?.seq;
  const known = Array.isArray(before) ? new Map(before.map((x) => [identity(x), x])) : undefined;
  let same = keys.length === Object.keys(before).length;
  for (const key of keys) {
    const id = known && identity(now[key]);
    now[key] = share(id === undefined ? before[key] : known!.get(id), now[key]);
    same = same && Object.is(now[key], before[key]);
  }
  return same ? before : now;
}

/// Loads once per value of `key`, then again after `pause(data)` milliseconds until that says null. Nothing is asked while the
/// tab is hidden, and a slow answer stretches the pause, so that a page never keeps a server busy.
export function createPolled<K, T>(key: Accessor<K>, load: (key: K, signal: AbortSignal) => Promise<T>,
  pause: (data: T | undefined) => number | null = () => null): Polled<T> {
  const [data, setData] = createSignal<T>();
  const [error, setError] = createSignal<Error>();
  const [loading, setLoading] = createSignal(true);
  const [at, setAt] = createSignal(0);

  createEffect((before: string | undefined) => {
    const now = key();
    const text = JSON.stringify(now);
    if (before !== undefined && before !== text) { setData(undefined); setAt(0); }
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
        setData((old: T | undefined) => share(old, value));
        setAt(Date.now());
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
  return { data, error, loading, at };
}
