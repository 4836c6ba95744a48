"""Kills by -9 at random moments: what is lost, what is done twice, how soon the work goes on.

A service on SQLite trains a tiny supernet and runs searches that a table evaluates, batch by batch
with a barrier. Its server, its runner and, in the training, its Ray workers are killed at random
moments; a killed server is started again at once. Afterwards the same work is done by a service
that nobody disturbs, and everything is compared: the trained weights bit by bit, what each search
was told in which order, the fronts.

Seconds are from the kill until the job's next attempt runs (of a worker: until the training has
reported again); Ray's start is most of them. `--kills` says how many.
"""

import itertools
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from _kills import (
    KilledService,
    Row,
    committed,
    num_recorded_twice,
    told,
    wait_until,
)
from harness import Arguments, Figure, argument_parser, report

SEED = 20
NUM_CHOICES = 7
EVALUATIONS = 1500
SPACE = {
    "kind": "mobilenetv3",
    "input_channels": 1,
    "num_classes": 10,
    "resolutions": [8],
    "stem_width": 4,
    "stem_stride": 1,
    "first_block_width": 4,
    "stages": [{"widths": [4, 8], "depths": [1, 2], "kernel_sizes": [3], "expand_ratios": [1, 2]}],
    "final_expand_width": 16,
    "head_width": 16,
    "width_divisor": 4,
}


@dataclass
class Done:
    """What a service has done, and what it went through.

    Attributes:
        version: of the trained supernet; None without a training.
        searches: what each was told, and the digests of its front.
        seconds: from each kill until the work went on, by victim.
        num_lost: evaluations that were on record and are no more, or have changed.
        num_twice: what is on record more than once.
    """

    version: str | None = None
    searches: list[tuple[list[Row], list[str]]] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    num_lost: int = 0
    num_twice: int = 0


def write_table(path: Path) -> None:
    """Writes 12,000 of 16,384 architectures with two figures at odds."""
    rng = np.random.default_rng(SEED)
    rows = rng.permutation(list(itertools.product(range(4), repeat=NUM_CHOICES)))[:12_000]
    weights = rng.uniform(1, 2, NUM_CHOICES)
    quality = rows @ weights + np.sin(rows @ rng.uniform(0, 3, NUM_CHOICES))
    cost = (1 + rows).prod(axis=1) ** 0.5 * rng.uniform(0.9, 1.1, len(rows))
    path.parent.mkdir(parents=True)
    np.savez(path, ops=rows.astype(np.int8), quality=quality, cost=cost)


class Work:
    """The same jobs for every service: a training, then one search after the other."""

    def __init__(self, service: KilledService) -> None:
        self.service = service

    def train(self) -> dict[str, Any]:
        """Submits the training."""
        data_set = self.service.post(
            "/v1/data-sets", {"name": "digits", "source": {"kind": "digits"}}
        )
        training = {"epochs": 30, "checkpoint_every_epochs": 2}
        body = {"name": "tiny", "space": SPACE, "data_set": data_set["id"], "training": training}
        # Each kill of a worker is one of these.
        return self.service.post(
            "/v1/supernets", {**body, "seed": SEED, "resources": {"max_worker_deaths": 100}}
        )

    def search(self, number: int) -> dict[str, Any]:
        """Submits a search; each begins with another seed."""
        goals = {"quality": "maximize", "cost": "minimize"}
        body = {
            "name": f"search {number}",
            "searcher": {"kind": "nsga2", "population_size": 30},
            "objectives": [{"metric": name, "goal": goal} for name, goal in goals.items()],
            "evaluations": EVALUATIONS,
            # Another column each time, so that no search takes over what another was told.
            "evaluator": {"kind": "table", "path": f"table{number}.npz", "choices": ["ops"]},
            "seed": SEED + number,
        }
        table = self.service.home / "data" / "table.npz"
        if not table.exists():
            write_table(table)
        with np.load(table) as columns:
            np.savez(table.with_name(f"table{number}.npz"), number=number, **columns)
        return self.service.post("/v1/searches", body)

    def result(self, search: dict[str, Any]) -> tuple[list[Row], list[str]]:
        """Returns what an ended search was told, and its front."""
        front = self.service.get(f"/v1/searches/{search['id']}/front")
        digests = [point["architecture_digest"] for point in front["points"]]
        return told(self.service, search["id"]), digests


class Disturber:
    """Kills processes while a job runs.

    Args:
        service: whose.
        done: takes the figures.
        seed: of victims and moments.
    """

    def __init__(self, service: KilledService, done: Done, seed: int) -> None:
        self._service = service
        self._done = done
        self._rng = np.random.default_rng(seed)
        self._seen: dict[str, Row] = {}
        self.num_kills = 0

    def disturb(self, job_id: str, victims: tuple[str, ...], limit: int) -> None:
        """Kills until the job has ended or there were so many kills in all."""
        service = self._service
        while True:
            self._await_progress(job_id)
            time.sleep(float(self._rng.uniform(0.05, 1.5)))
            if service.has_ended(job_id):
                return
            if self.num_kills >= limit:
                wait_until(lambda: service.has_ended(job_id))
                return
            self._kill(job_id, str(self._rng.choice(victims)))

    def _await_progress(self, job_id: str) -> None:
        """Returns when the job has told something new, or has ended."""
        service = self._service
        begun = service.last_event(job_id)
        wait_until(lambda: service.last_event(job_id) > begun or service.has_ended(job_id))

    def _kill(self, job_id: str, victim: str) -> None:
        service = self._service
        attempt, event = service.attempt(job_id), service.last_event(job_id)
        started_at = time.perf_counter()
        if not service.kill(victim):
            return
        self._remember()
        if victim == "server":
            service.start()
        if victim == "worker":
            # What was under way when it died may still be told of; it may have been the end.
            wait_until(lambda: service.last_event(job_id) > event + 1 or service.has_ended(job_id))
        else:
            wait_until(lambda: service.attempt(job_id) > attempt or service.has_ended(job_id))
        self.num_kills += 1
        seconds = time.perf_counter() - started_at
        self._done.seconds.setdefault(victim, []).append(seconds)
        print(f"kill {self.num_kills}: {victim}, goes on after {seconds:.1f} s", flush=True)

    def _remember(self) -> None:
        """Notes what is on record; what was noted before must still be there, as it was."""
        now = committed(self._service)
        self._done.num_lost += sum(now.get(key) != row for key, row in self._seen.items())
        self._seen = now

    def close(self) -> None:
        """Looks for the last time."""
        self._remember()


def work(home: Path, *, num_kills: int, num_searches: int, trains: bool) -> Done:
    """Returns what a service has done: at least so many searches, more if kills are left.

    Args:
        home: its data folder.
        num_kills: how often it is disturbed.
        num_searches: how many searches it runs at least.
        trains: whether it trains first; a third of the kills are then in the training.
    """
    done, service = Done(), KilledService(home)
    service.start()
    try:
        jobs, disturber = Work(service), Disturber(service, done, SEED)
        if trains:
            supernet = jobs.train()
            disturber.disturb(supernet["job"], ("server", "runner", "worker"), num_kills // 3)
            done.version = service.get(f"/v1/supernets/{supernet['id']}")["version"]
        number = 0
        while number < num_searches or disturber.num_kills < num_kills:
            search = jobs.search(number)
            disturber.disturb(search["job"], ("server", "runner"), num_kills)
            done.searches.append(jobs.result(search))
            number += 1
        disturber.close()
        done.num_twice = num_recorded_twice(service)
    finally:
        service.stop()
    return done


def figures(disturbed: Done, undisturbed: Done) -> list[Figure]:
    """Returns what the comparison shows."""
    pairs = list(zip(disturbed.searches, undisturbed.searches, strict=True))
    every = [seconds for found in disturbed.seconds.values() for seconds in found]
    evaluations = sum(len(observed) for observed, _ in disturbed.searches)
    differing = sum(one[0] != other[0] for one, other in pairs)
    fronts = sum(one[1] != other[1] for one, other in pairs)
    lines = [
        Figure("kills", len(every), "kills"),
        Figure("evaluations", evaluations, "evaluations"),
        Figure("committed evaluations lost", disturbed.num_lost, "evaluations", "<= 0"),
        Figure("recorded twice", disturbed.num_twice, "rows", "<= 0"),
        Figure("searches told otherwise than undisturbed", differing, "searches", "<= 0"),
        Figure("fronts other than undisturbed", fronts, "fronts", "<= 0"),
    ]
    if disturbed.version is not None:
        differs = int(disturbed.version != undisturbed.version)
        lines.append(Figure("weights other than undisturbed", differs, "supernets", "<= 0"))
    lines += [
        Figure(f"going on after kill -9 of {victim}, median", statistics.median(seconds), "s")
        for victim, seconds in sorted(disturbed.seconds.items())
    ]
    return [*lines, Figure("going on after kill -9, longest", max(every), "s")]


def main() -> None:
    """Disturbs, repeats undisturbed, compares."""
    parser = argument_parser(__doc__)
    parser.add_argument("--kills", type=int, default=50, help="how many; 50 by default")
    given = parser.parse_args()
    arguments = Arguments(quick=given.quick, json_path=given.json)
    num_kills = 2 if given.quick else given.kills
    with tempfile.TemporaryDirectory(prefix="espalier-chaos-") as folder:
        trains = not given.quick
        homes = (Path(folder) / "disturbed", Path(folder) / "undisturbed")
        disturbed = work(homes[0], num_kills=num_kills, num_searches=1, trains=trains)
        searches = len(disturbed.searches)
        undisturbed = work(homes[1], num_kills=0, num_searches=searches, trains=trains)
    report(f"{num_kills} kills by -9", figures(disturbed, undisturbed), arguments)


if __name__ == "__main__":
    main()
