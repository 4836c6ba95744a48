"""A Ray cluster of two machines, one of which dies: `python two_nodes.py FILE`.

Both nodes run on this machine. The second one dies while a pool of two workers, one on each node,
is at work; what it was doing is done again on the first. The file gets what happened, as JSON.
"""

import json
import os
import sys
import time
from pathlib import Path

import ray
import ray.cloudpickle
import sleepy_models
from ray.cluster_utils import Cluster

from workers import cluster
from workers.pools import RayPool
from workers.protocol import EvaluationTask
from workers.settings import ClusterSettings, ResourceSettings

NUM_TASKS = 30
MEMORY = 80_000_000


def main() -> None:
    ray.cloudpickle.register_pickle_by_value(sleepy_models)  # workers cannot import from tests
    nodes = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 1,
            "include_dashboard": False,
            "object_store_memory": MEMORY,
        },
    )
    second = nodes.add_node(num_cpus=1, object_store_memory=MEMORY)
    os.environ["RAY_ADDRESS"] = nodes.address
    offered = cluster.connect(ClusterSettings())
    results = []
    with RayPool(sleepy_models.SleepySpec(0.1), ResourceSettings(num_workers=2)) as pool:
        pool.submit([EvaluationTask(number, {}, seed=0) for number in range(NUM_TASKS)])
        while len(results) < NUM_TASKS // 3:
            results += pool.collect(5)
        nodes.remove_node(second, allow_graceful=False)
        # Its processes may outlive it for a moment, and could finish all that is left meanwhile.
        while sum(node["Alive"] for node in ray.nodes()) > 1:
            time.sleep(0.1)
        while pool.num_pending:
            results += pool.collect(5)
    nodes_at_work = {result.outcome.metrics["node"] for result in results}
    cluster.disconnect()
    nodes.shutdown()
    found = {
        "cpus": offered.num_cpus,
        "numbers": sorted(result.number for result in results),
        "nodes": len(nodes_at_work),
    }
    Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
