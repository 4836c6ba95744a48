"""One Ray cluster for all tests of this folder."""

from collections.abc import Iterator

import pytest
import ray.cloudpickle
import toy_models

from workers import cluster
from workers.settings import ClusterSettings


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[cluster.ClusterResources]:
    ray.cloudpickle.register_pickle_by_value(toy_models)  # workers cannot import from tests
    # More than a small machine has, so that a test may start a second pool beside the first.
    yield cluster.connect(ClusterSettings(num_cpus=4, num_gpus=0))
    cluster.disconnect()
