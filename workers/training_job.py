"""What a training's workers and the process that waits for them share: job, result, progress."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search_space.family import NetworkSettings
from search_space.space import Option
from supernet.reports import EpochReport
from supernet.settings import AccuracySettings, TrainingSettings
from workers.settings import ResourceSettings

if TYPE_CHECKING:  # not at run time: the actor that passes messages on needs no torch
    from supernet.starting import StartingPoint


@dataclass(frozen=True)
class TrainingJob:
    """Everything that decides what a training does and where it leaves it.

    Attributes:
        name: names the job in logs and in Ray's files; letters, digits, "-" and "_".
        network: the family and its choices.
        data_path: a data set as `supernet.datasets.write_data_set` left it.
        training: schedule, optimizer, epochs.
        folder: where checkpoints, the trained supernet and Ray's own files go.
        seed: of weights, order, augmentation and sampled architectures.
        attempt: the job's fencing token, part of the names of its checkpoints.
        accuracy: how the smallest and the largest network are evaluated at the end.
        resources: workers, and what each is given.
        allowed: restricts the space, as of `supernet.base.Supernet`.
        start: what fills the supernet before the first step; None leaves it as drawn from the
            seed. Where there is a checkpoint, that fills it again.
        teacher_path: a stored supernet whose largest network teaches, where the schedule needs one.
    """

    name: str
    network: NetworkSettings
    data_path: Path
    training: TrainingSettings
    folder: Path
    seed: int = 0
    attempt: int = 0
    accuracy: AccuracySettings = field(default_factory=AccuracySettings)
    resources: ResourceSettings = field(default_factory=ResourceSettings)
    allowed: Mapping[str, Sequence[Option]] = field(default_factory=dict)
    start: "StartingPoint | None" = None
    teacher_path: Path | None = None

    @property
    def checkpoint_folder(self) -> Path:
        """Where the checkpoints are."""
        return self.folder / "checkpoints"

    @property
    def supernet_path(self) -> Path:
        """Where this attempt leaves the trained supernet."""
        return self.folder / f"supernet-attempt{self.attempt:06d}.safetensors"


@dataclass(frozen=True)
class TrainingResult:
    """What a finished training left.

    Attributes:
        supernet_path: the trained supernet, of `supernet.checkpoints.save_supernet`.
        sha256: the file's digest: the supernet's version.
        accuracies: of the "smallest" and the "largest" network, after calibration: `top1_percent`
            with its provenance.
        sampled_digests: for each rank a digest of the sequence of architectures that it trained
            since it last started; all equal.
        epochs: reports of the epochs that the call trained (a resumed training lacks the earlier).
    """

    supernet_path: Path
    sha256: str
    accuracies: Mapping[str, Mapping[str, Any]]
    sampled_digests: tuple[str, ...] = ()
    epochs: tuple[EpochReport, ...] = ()


class Progress:
    """Passes messages between workers and the caller; lives in a Ray actor."""

    def __init__(self) -> None:
        self._reports: list[EpochReport] = []
        self._tracebacks: list[str] = []
        self._workers: list[bytes] = []
        self._sampled_digests: dict[int, str] = {}
        self._result: TrainingResult | None = None
        self._cancelled = False

    def join(self, worker: bytes) -> bool:
        """Registers a started worker's actor; returns whether it should stop at once.

        Its handle stays pickled here: to read it would import Ray Train.
        """
        self._workers.append(worker)
        return self._cancelled

    def take_workers(self) -> list[bytes]:
        """Returns the pickled handles of the workers that joined since the last call."""
        workers, self._workers = self._workers, []
        return workers

    def report(self, report: EpochReport) -> None:
        """Appends an epoch's report."""
        self._reports.append(report)

    def take_reports(self) -> list[EpochReport]:
        """Returns the reports that came since the last call."""
        reports, self._reports = self._reports, []
        return reports

    def cancel(self) -> None:
        """Asks all workers to stop."""
        self._cancelled = True

    def is_cancelled(self) -> bool:
        """Whether workers should stop."""
        return self._cancelled

    def fail(self, traceback: str) -> None:
        """Keeps a worker's traceback."""
        self._tracebacks.append(traceback)

    def tracebacks(self) -> list[str]:
        """Returns all tracebacks so far."""
        return self._tracebacks

    def sampled(self, rank: int, digest: str) -> None:
        """Notes the digest of the sequence of architectures that a rank trained."""
        self._sampled_digests[rank] = digest

    def finish(self, result: TrainingResult) -> None:
        """Notes the result, of rank 0."""
        self._result = result

    def finished(self) -> tuple[TrainingResult | None, tuple[str, ...]]:
        """Returns the result and the sampled digests, by rank."""
        ranks = sorted(self._sampled_digests)
        return self._result, tuple(self._sampled_digests[rank] for rank in ranks)
