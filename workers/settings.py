"""What a user may choose about workers; pydantic only, so that the API process can validate it."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

ResourceName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.:-]{0,99}$")]
ResourceAmount = Annotated[float, Field(gt=0, le=1024, allow_inf_nan=False)]
_RESERVED = ("CPU", "GPU", "MEMORY", "OBJECT_STORE_MEMORY")


class LatencySettings(BaseModel):
    """How the latency of a network is measured; part of the key under which results are reused.

    The defaults of `statistic`, `sessions` and `drift_correction` were chosen by measurement: see
    `benchmarks/measurement.py`.

    Attributes:
        runtime: what executes the network.
        device: on what it executes.
        threads: threads of one operator; operators run one after another.
        batch_size: images per inference.
        statistic: which figure of the samples is the latency. "p10", the 10th percentile, is what
            the network takes when nothing disturbs it: other work on the machine can only add
            time. "median" is what it took in the middle.
        warmup: unrecorded samples of each network before the first recorded one of a session.
        repeats: recorded samples of each network, one in each round over all networks; rounded up
            to a multiple of `sessions`.
        sessions: how often each network is loaded anew. Where its weights and buffers come to lie
            in memory makes it faster or slower by several percent for as long as it is loaded.
        finalist_repeats: the same when finalists are measured again.
        min_sample_ms: one sample is as many inferences as last at least this long, and counts as
            their mean, so that the clock's resolution (about 0.1 us) and the cost of the call from
            Python vanish in it.
        spinning: whether idle threads of the runtime wait in a busy loop. They then compete for
            the cores with the thread that works whenever there are fewer free cores than threads.
        drift_correction: whether latencies are scaled by how much slower or faster the reference
            network ran than in the first batch of the search.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["latency"] = "latency"
    runtime: Literal["onnxruntime"] = "onnxruntime"
    device: Literal["cpu"] = "cpu"
    threads: int = Field(default=1, ge=1, le=1024)
    batch_size: int = Field(default=1, ge=1, le=4096)
    statistic: Literal["p10", "median"] = "p10"
    warmup: int = Field(default=2, ge=0, le=10_000)
    repeats: int = Field(default=30, ge=3, le=100_000)
    finalist_repeats: int = Field(default=99, ge=3, le=100_000)
    sessions: int = Field(default=3, ge=1, le=100)
    min_sample_ms: float = Field(default=0.5, ge=0.0, le=1000.0, allow_inf_nan=False)
    spinning: bool = False
    drift_correction: bool = True


class ResourceSettings(BaseModel):
    """What each worker process of a job is given.

    Attributes:
        num_workers: processes that work side by side.
        cpus_per_worker: cores, and so torch threads, of each.
        gpus_per_worker: GPUs of each; 0 works on the CPU.
        custom_per_worker: of other resources that nodes of the Ray cluster offer by name, how much
            each worker holds.
        max_worker_deaths: how many dead worker processes a job survives.
        activation_memory_mib: of intermediate results, how much each worker that evaluates may keep
            for networks that begin alike; 0 keeps nothing. More saves time and changes no result,
            so it is no part of the key under which results are reused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_workers: int = Field(default=1, ge=1, le=1024)
    cpus_per_worker: int = Field(default=1, ge=1, le=1024)
    gpus_per_worker: int = Field(default=0, ge=0, le=1)
    custom_per_worker: dict[ResourceName, ResourceAmount] = Field(default={}, max_length=16)
    max_worker_deaths: int = Field(default=3, ge=0, le=100)
    activation_memory_mib: int = Field(default=512, ge=0, le=1_048_576)

    @field_validator("custom_per_worker")
    @classmethod
    def _check_names(cls, custom: dict[str, float]) -> dict[str, float]:
        for name, amount in custom.items():
            if amount > 1 and not amount.is_integer():
                raise ValueError(f"must be whole above 1, as Ray wants, got {name}: {amount}")
            if name.upper() in _RESERVED:
                raise ValueError(
                    f"must not name {', '.join(_RESERVED)}, which have fields of their own or are "
                    f"Ray's, got {name!r}"
                )
        return custom

    @property
    def activation_memory_bytes(self) -> int:
        """The bound in bytes."""
        return self.activation_memory_mib * 2**20

    def per_worker(self) -> dict[str, float]:
        """Returns how much of each of Ray's resources one worker holds."""
        return {
            "CPU": float(self.cpus_per_worker),
            "GPU": float(self.gpus_per_worker),
            **self.custom_per_worker,
        }

    def total(self) -> dict[str, float]:
        """Returns how much of each of Ray's resources all workers hold together."""
        return {name: self.num_workers * amount for name, amount in self.per_worker().items()}


class ClusterSettings(BaseModel):
    """Which Ray cluster works for us.

    Attributes:
        address: of a running cluster, as `RAY_ADDRESS` would name it; none starts a local one that
            ends with this process.
        num_cpus: cores that a local cluster offers; none offers all of the machine.
        num_gpus: GPUs that a local cluster offers; none offers all of the machine.
        object_store_bytes: shared memory of a local cluster for models and results.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str | None = None
    num_cpus: int | None = Field(default=None, ge=1)
    num_gpus: int | None = Field(default=None, ge=0)
    object_store_bytes: int = Field(default=200_000_000, ge=80_000_000)

    @model_validator(mode="after")
    def _check_local(self) -> Self:
        if self.address is not None and (self.num_cpus, self.num_gpus) != (None, None):
            raise ValueError(
                f"num_cpus and num_gpus describe a local cluster, got them beside address "
                f"{self.address!r}"
            )
        return self
