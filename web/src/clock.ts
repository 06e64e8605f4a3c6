import { createSignal } from "solid-js";
import { getClock } from "./api";
import { createPolled } from "./polled";

const [clock, setClock] = createSignal<{ now_ms: number; replay: boolean }>();

/// What time it is for the server; a clock that somebody turns stands still between two turns.
export function serverNow(): number {
  const known = clock();
  if (!known) return Date.now();
  return known.replay ? known.now_ms : Date.now();
}
export const isReplay = () => clock()?.replay ?? false;

/// Keeps it up to date for as long as the caller lives.
export function watchClock(): void {
  createPolled(() => 0, async (_, signal) => {
    const now = await getClock(signal);
    setClock(now);
    return now;
  }, () => (isReplay() ? 5_000 : 60_000));
}
