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


def lines(bench: Bench) -> list[Line]:
    done = subprocess.run([bench.tool("rollout_bench"), str(ROLLOUTS)], stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    total, soon, back = found["rollouts"], found["failing_back_within_2000"], found["healthy_back"]
    return [
        Line("rollout: canary with errors 1 % -> 5 % at 20 %", f">= {100 * SOON_MIN:.0f} % back in 2,000 requests",
             share(soon, total), soon >= SOON_MIN * total, times(soon / total / SOON_MIN),
             notes=[f"{total} rollouts, seeds 1 to {total}, looked at every 10 requests; error guard at alpha 0.0125, K = 2",
                    f"middle {found['failing_middle_requests']} requests; {found['failing_back']} rolled back in all"]),
        Line("rollout: healthy, all guards, 100 k requests", f"<= {100 * FALSE_MAX:.0f} % rolled back",
             share(back, total), back <= FALSE_MAX * total, times(back / total / FALSE_MAX),
             notes=[f"{total} rollouts, seeds 1 to {total}, looked at every 50 requests; shadow 20 %, canary 5, 20 and 50 %; "
                    "errors, latency, scores and label flips, all critical",
                    f"{found['healthy_promoted']} promoted; middle {found['healthy_middle_requests']} requests"]),
    ]
