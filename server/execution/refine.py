"""Runs a refinement: fine-tunes the best of a front, blends the runs, measures before and after.

Every finished step is on record before the next one begins, so that a refinement that died goes on
where it was: within a fine-tuning, from that training's checkpoint.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from search_space.families import space_settings
from search_space.family import NetworkSettings
from search_space.space import Architecture
from searchers.front import pareto_front
from searchers.protocol import Limit, Objective, Problem
from server.execution.cards import origin
from server.execution.comparison import Comparison, Weighted
from server.execution.context import JobContext, JobFailedError, JobStopped
from server.execution.export import stored_files
from server.execution.tasks import run
from server.execution.train import EPOCHS, SUPERNET_MEDIA_TYPE
from server.tables import FineTuningRow, RefinedNetworkRow
from supernet.export import CARD_FILE, ONNX_FILE
from supernet.reports import EpochReport
from supernet.schedules.single import SingleSettings
from supernet.settings import AccuracySettings, TrainingSettings
from supernet.starting import FromSupernet
from workers.cluster import ClusterError
from workers.exporting import ExportJob, export_network, read_test_split
from workers.protocol import TrainingCancelledError, TrainingFailedError
from workers.settings import LatencySettings, ResourceSettings
from workers.souping import SoupJob, make_soup
from workers.training import run_training
from workers.training_job import TrainingJob


def run_refine(context: JobContext) -> None:
    """Does a refinement job; see the module."""
    Refinement(context).run()


class Refinement:
    """One attempt at a refinement job.

    The spec's JSON was validated when the refinement was submitted; here it becomes values, once.
    """

    def __init__(self, context: JobContext) -> None:
        spec = context.job.spec
        self._context = context
        self._spec = spec
        self._id: str = spec["refinement_id"]
        settings = space_settings(spec["space"])
        assert isinstance(settings, NetworkSettings)  # it is the space of a trained supernet
        self._network = settings
        self._accuracy = AccuracySettings.model_validate(spec["evaluator"]["accuracy"])
        self._resources = ResourceSettings.model_validate(spec["resources"])
        self._supernet_path = context.artifacts.path(spec["supernet"]["version"])
        self._data_path = context.artifacts.path(spec["data_set"]["version"])

    def run(self) -> None:
        """Runs the refinement to its end and records the result.

        Raises:
            JobStopped: the job shall stop; the next attempt goes on from what is recorded.
            JobFailedError: the refinement cannot succeed.
        """
        self._fine_tune_all()
        for network in self._networks():
            if network.version is None:
                self._blend(network)
        if any(network.after is None for network in self._networks()):
            self._compare()
        if self._spec["export"]:
            for network in self._networks():
                if not network.files:
                    self._export(network)
        reported = self._reported()
        report = self._test_report(reported) if self._spec["report_test"] else None
        result = {"reported": reported.architecture_digest, "test_report": report}
        self._context.store.finish_refinement(self._context.job, self._id, result)

    def _networks(self) -> Sequence[RefinedNetworkRow]:
        """Returns the architectures in the order in which they were taken, as they stand."""
        return self._context.store.refined_networks(self._id)

    # --- fine-tuning ---------------------------------------------------------------------------

    def _fine_tune_all(self) -> None:
        """Trains every run of every architecture that is not on record."""
        known = self._context.store.fine_tunings(self._id)
        done = {(row.architecture_digest, row.run) for row in known}
        for network in self._networks():
            for number in range(self._spec["runs"]):
                if (network.architecture_digest, number) not in done:
                    self._fine_tune(network, number, len(done))
                    done.add((network.architecture_digest, number))

    def _fine_tune(self, network: RefinedNetworkRow, number: int, num_done: int) -> None:
        context, digest = self._context, network.architecture_digest
        context.check_stop()
        job = self._training_job(network, number)
        num_all = len(self._spec["architectures"]) * self._spec["runs"]

        def on_report(report: EpochReport) -> None:
            figures = {name: value for name, value in asdict(report).items() if name not in EPOCHS}
            done, each = num_done * report.num_epochs + report.epoch, report.num_epochs
            context.progress(
                done, num_all * each, "epochs", architecture=digest, run=number, **figures
            )

        try:
            result = run_training(job, on_report=on_report, should_cancel=context.stop.is_set)
        except TrainingCancelledError:
            raise JobStopped from None
        except (TrainingFailedError, ClusterError) as error:
            raise JobFailedError(f"run {number} of {digest}: {error}") from error
        context.store.record_fine_tuning(
            context.job,
            self._id,
            digest,
            number,
            seed=job.seed,
            artifact=context.artifacts.add_file(result.supernet_path, SUPERNET_MEDIA_TYPE),
            accuracy={
                name: result.accuracies["largest"][name] for name in ("top1_percent", "provenance")
            },
        )
        shutil.rmtree(job.folder, ignore_errors=True)

    def _training_job(self, network: RefinedNetworkRow, number: int) -> TrainingJob:
        architecture, distillation = network.architecture, self._spec["distillation"]
        schedule = SingleSettings(architecture=architecture, distillation=distillation)
        training = {**self._spec["training"], "schedule": schedule.model_dump(mode="json")}
        name = f"{network.architecture_digest}-run{number}"
        return TrainingJob(
            name=f"{self._context.job.id}-{name}",
            attempt=self._context.job.attempt,
            network=self._network,
            allowed={choice: (option,) for choice, option in architecture.items()},
            data_path=self._data_path,
            training=TrainingSettings.model_validate(training),
            accuracy=self._accuracy,
            resources=self._resources,
            seed=self._spec["seed"] + number,
            folder=self._context.work_folder / name,
            start=FromSupernet(self._supernet_path, architecture),
            teacher_path=self._supernet_path if distillation > 0 else None,
        )

    # --- blending and comparing ----------------------------------------------------------------

    def _blend(self, network: RefinedNetworkRow) -> None:
        """Makes one set of weights of the architecture's runs: their greedy soup."""
        context, digest = self._context, network.architecture_digest
        runs = self._runs_of(digest)
        path, members, top1_percent = self._soup_of(digest, runs)
        context.store.record_refined_weights(
            context.job,
            self._id,
            digest,
            context.artifacts.add_file(path, SUPERNET_MEDIA_TYPE),
            {"members": [runs[member].run for member in members], "top1_percent": top1_percent},
        )

    def _soup_of(
        self, digest: str, runs: Sequence[FineTuningRow]
    ) -> tuple[Path, Sequence[int], float]:
        """Returns the file of a soup, the positions of the runs in it, and its accuracy."""
        context = self._context
        paths = [context.artifacts.path(row.version) for row in runs]
        if len(runs) == 1:
            return paths[0], (0,), runs[0].accuracy["top1_percent"]
        context.event("blending", architecture=digest)
        target = context.work_folder / f"{digest}.safetensors"
        soup = run(context, make_soup, SoupJob(paths, self._data_path, self._accuracy, target))
        return target, soup.members, soup.top1_percent

    def _runs_of(self, digest: str) -> list[FineTuningRow]:
        rows = self._context.store.fine_tunings(self._id)
        return [row for row in rows if row.architecture_digest == digest]

    def _compare(self) -> None:
        """Measures all architectures with the supernet's weights and with the new ones."""
        context, networks = self._context, self._networks()
        space = self._network.build()
        latency = self._spec["evaluator"]["latency"]
        comparison = Comparison(
            data_path=self._data_path,
            accuracy=self._accuracy,
            latency=None if latency is None else LatencySettings.model_validate(latency),
            resources=self._resources,
            reference=Weighted(space.largest(), self._supernet_path),
            baseline_ms=context.store.reference_baseline_ms(self._spec["search_id"]),
            seed=self._spec["seed"],
        )
        weighted = []
        for network in networks:
            assert network.version is not None
            architecture = Architecture(network.architecture)
            after = Weighted(architecture, context.artifacts.path(network.version))
            weighted += [Weighted(architecture, self._supernet_path), after]
        figures = comparison.figures(context, weighted)
        pairs = zip(figures[0::2], figures[1::2], strict=True)
        by_digest = {
            network.architecture_digest: pair for network, pair in zip(networks, pairs, strict=True)
        }
        context.store.record_comparison(context.job, self._id, by_digest)

    def _reported(self) -> RefinedNetworkRow:
        """Returns the best network after refinement: first on the front of all, if there is one."""
        networks = self._networks()
        problem = Problem(
            self._network.build(),
            tuple(Objective.model_validate(part) for part in self._spec["objectives"]),
            tuple(Limit.model_validate(part) for part in self._spec["limits"]),
        )
        metrics = [network.after["metrics"] for network in networks if network.after is not None]
        front = pareto_front(problem, metrics)
        return networks[(*front.points, *front.least_violating)[0]]

    # --- files ---------------------------------------------------------------------------------

    def _export(self, network: RefinedNetworkRow) -> None:
        """Writes the files of a network and records them."""
        context, digest = self._context, network.architecture_digest
        assert network.version is not None
        folder = context.work_folder / f"{digest}-export"
        job = ExportJob(
            supernet_path=context.artifacts.path(network.version),
            data_path=self._data_path,
            accuracy=self._accuracy,
            architecture=network.architecture,
            card=self._card(network),
            folder=folder,
        )
        run(context, export_network, job)
        card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
        files = stored_files(context, folder)
        context.store.record_refined_files(context.job, self._id, digest, files, card)

    def _card(self, network: RefinedNetworkRow) -> dict[str, Any]:
        """Returns all that is needed to make the network again and to trust its figures."""
        assert network.before is not None
        assert network.after is not None
        names = ("training", "distillation", "resources", "seed")
        runs = [
            {"run": row.run, "seed": row.seed, "version": row.version, **row.accuracy}
            for row in self._runs_of(network.architecture_digest)
        ]
        return {
            **origin(self._context, self._spec),
            "refinement": {
                "id": self._id,
                **{name: self._spec[name] for name in names},
                "runs": runs,
                "soup": network.soup,
                "version": network.version,
            },
            "before": network.before,
            "metrics": network.after["metrics"],
            "provenance": network.after["provenance"],
        }

    def _test_report(self, network: RefinedNetworkRow) -> dict[str, Any]:
        """Returns the reading of the test split by a network's file: an earlier one if possible."""
        context, data_set = self._context, self._spec["data_set"]
        (digest,) = (file["sha256"] for file in network.files if file["name"] == ONNX_FILE)
        reading = context.store.find_test_reading(data_set["version"], digest)
        if reading is None:
            model_path = context.artifacts.path(digest)
            result = run(context, read_test_split, model_path, self._data_path)
            reading = context.store.record_refinement_reading(
                context.job, self._id, data_set["id"], digest, result
            )
        return {**reading.result, "read_at": reading.created_at.isoformat()}
