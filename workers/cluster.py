"""The Ray cluster that works for this process: an existing one or a local one of its own."""

import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

import ray

from workers.failures import origins
from workers.settings import ClusterSettings

NAMESPACE = "espalier"
_QUIET = {"log_to_driver": False, "logging_level": logging.WARNING}
_OF_EVERY_CLUSTER = frozenset({"CPU", "GPU", "memory", "object_store_memory"})


class ClusterError(RuntimeError):
    """There is no Ray cluster to work on, or it lacks what was asked for."""


@dataclass(frozen=True)
class ClusterResources:
    """What all nodes of the cluster offer together; `custom` are resources that it names itself."""

    num_cpus: int
    num_gpus: int
    custom: Mapping[str, float] = field(default_factory=dict)

    @property
    def offered(self) -> dict[str, float]:
        """How much there is, by Ray's names."""
        return {"CPU": self.num_cpus, "GPU": self.num_gpus, **self.custom}


def connect(settings: ClusterSettings) -> ClusterResources:
    """Connects this process to Ray; does nothing if it already is connected.

    `settings.address`, else the variable `RAY_ADDRESS`, names a running cluster; without either, a
    local one starts without a dashboard and ends with this process, even if that is killed. Token
    authentication stays as Ray sets it (on, for local clusters). Logs of workers stay in the
    session's folder: what a worker raises comes back as an error.

    Raises:
        ClusterError: the named cluster cannot be reached.
    """
    if not ray.is_initialized():
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Ray lets its workers yield to every other process; a worker that measures must not.
        os.environ.setdefault("RAY_worker_niceness", "0")
        address = settings.address or os.environ.get("RAY_ADDRESS")
        common = {"namespace": NAMESPACE, **_QUIET}
        try:
            if address:
                _knock(address)
                ray.init(address=address, **common)
            else:
                # One process less: nobody announces to a local cluster that it will be taken away.
                os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
                # One process per core less: a job starts those that it needs.
                os.environ.setdefault("RAY_prestart_worker_first_driver", "0")
                ray.init(
                    address="local",
                    num_cpus=settings.num_cpus,
                    num_gpus=settings.num_gpus,
                    object_store_memory=settings.object_store_bytes,
                    include_dashboard=False,
                    **common,
                )
        except (OSError, RuntimeError, ValueError) as error:
            where = f"at {address}" if address else "on this machine"
            raise ClusterError(f"no Ray cluster can be used {where}: {error}") from error
    return resources()


def _knock(address: str, timeout_s: float = 5.0) -> None:
    """Raises OSError if nobody listens at "host:port"; `ray.init` would wait for minutes."""
    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if separator and port.isdigit():
        socket.create_connection((host, int(port)), timeout=timeout_s).close()


def is_alive() -> bool:
    """Whether this process is connected and the cluster answers."""
    if not ray.is_initialized():
        return False
    try:
        return any(node["Alive"] for node in ray.nodes())
    except (ConnectionError, RuntimeError, ray.exceptions.RayError):
        return False


def has_dashboard() -> bool:
    """Whether the connected cluster has a dashboard, which answers questions about its actors."""
    if not ray.is_initialized():
        return False
    # Where there is a connection, this describes it; Ray has no other documented way to ask.
    address = ray.get_runtime_context().gcs_address
    context = ray.init(address=address, ignore_reinit_error=True, **_QUIET)
    return bool(context.dashboard_url)


def came_from_ray(error: BaseException) -> bool:
    """Whether an error, or one that it came from, is Ray's: the work, or Ray itself, broke off."""
    rays = (ClusterError, ConnectionError, ray.exceptions.RayError)
    return any(isinstance(one, rays) for one in origins(error))


def resources() -> ClusterResources:
    """Returns what the connected cluster offers in total.

    Raises:
        ClusterError: it does not answer.
    """
    try:
        total = ray.cluster_resources()
    except (ConnectionError, RuntimeError, ray.exceptions.RayError) as error:
        raise ClusterError(f"Ray does not answer: {error}") from error
    custom = {
        name: amount
        for name, amount in total.items()
        if name not in _OF_EVERY_CLUSTER and not name.startswith(("node:", "accelerator_type:"))
    }
    return ClusterResources(int(total.get("CPU", 0)), int(total.get("GPU", 0)), custom)


def disconnect() -> None:
    """Ends the connection, and a local cluster with it; does nothing without one."""
    ray.shutdown()
