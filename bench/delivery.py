"""What the rollout decides, on random answers: how soon harm is found, and how often health is taken for harm."""
from __future__ import annotations

import json
import subprocess

from peers import Bench
from report import Line, times

ROLLOUTS = 1000
SOON_MIN = 0.90
FALSE_MAX = 0.05


def share(count: int, of: int) -> str:
    return f"{100 * count / of:.1f} %"


def pair(found: dict, name: str, who: str, how: str, requests: int) -> list[Line]:
    """Harm that is found in so many requests, and health that is taken for harm, where answers are drawn that way."""
    total, soon, back = found["rollouts"], found[f"{name}failing_back_within_{requests}"], found[name + "healthy_back"]
    return [
        Line(f"rollout: canary with errors 1 % -> 5 % at 20 %{who}", f">= {100 * SOON_MIN:.0f} % back in {requests:,} requests",
             share(soon, total), soon >= SOON_MIN * total, times(soon / total / SOON_MIN),
             notes=[f"{total} rollouts, seeds 1 to {total}, looked at every 10 requests; error guard at alpha 0.0125, K = 2; {how}",
                    f"middle {found[name + 'failing_middle_requests']} requests; {found[name + 'failing_back_within_20000']} rolled back in 20,000"]),
        Line(f"rollout: healthy, all guards, 100 k requests{who}", f"<= {100 * FALSE_MAX:.0f} % rolled back",
             share(back, total), back <= FALSE_MAX * total, times(back / total / FALSE_MAX),
             notes=[f"{total} rollouts, seeds 1 to {total}, looked at every 50 requests; shadow 20 %, canary 5, 20 and 50 %; "
                    f"errors, latency, scores and label flips, all critical; {how}",
                    f"{found[name + 'healthy_promoted']} promoted; middle {found[name + 'healthy_middle_requests']} requests; most often by "
                    f"{found[name + 'healthy_back_by'] or 'none'}"]),
    ]


def lines(bench: Bench) -> list[Line]:
    done = subprocess.run([bench.tool("rollout_bench"), str(ROLLOUTS)], stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    return [*pair(found, "", "", "answers drawn independently", 2000),
            *pair(found, "callers_", ", sticky callers",
                  "10,000 callers with sticky keys, each in bursts of about 10 requests, of whom some have all the errors and slow answers: "
                  "2,000 bursts in 20,000 requests", 20_000)]
