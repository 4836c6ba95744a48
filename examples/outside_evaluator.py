"""A search whose networks are evaluated by this program, not by the service.

    espalier serve &
    python examples/outside_evaluator.py

The evaluator is a stand-in for what only you have (a simulator, a phone on a desk, a supernet of
another library): it estimates the energy of one inference on an accelerator from the layers of the
network, and says that networks whose activations do not fit its memory cannot be had. Start the
program several times, with `--search` and the id that it prints, and all of them share the work.
"""

import argparse
from collections.abc import Mapping

from search_space.cnn import MobileNetV3Settings
from search_space.costs import costs
from search_space.space import Architecture, Option
from server.client import DEFAULT_URL, Client, Infeasible, Measured

FAMILY = MobileNetV3Settings.from_preset("digits")
MEMORY_NUMBERS = 4_000
NANOJOULES_PER_MAC = 0.0046
NANOJOULES_PER_PARAM = 0.64


def evaluate(architecture: Mapping[str, Option]) -> Measured | Infeasible:
    """Returns what one inference takes, and how much the network can hold."""
    paper = costs(FAMILY.lower(Architecture(architecture)))
    if paper.peak_activations > MEMORY_NUMBERS:
        return Infeasible(f"{paper.peak_activations} activations do not fit the memory")
    nanojoules = NANOJOULES_PER_MAC * paper.macs + NANOJOULES_PER_PARAM * paper.num_params
    metrics = {"microjoules": nanojoules / 1000, "num_params": float(paper.num_params)}
    return Measured(metrics, {"microjoules": {"model": "0.0046 nJ a MAC, 0.64 nJ a parameter"}})


def submit(client: Client, evaluations: int) -> str:
    """Submits the search: many parameters for little energy."""
    search = client.create_search(
        {
            "name": "little energy",
            "space": FAMILY.model_dump(mode="json"),
            "objectives": [
                {"metric": "microjoules", "goal": "minimize"},
                {"metric": "num_params", "goal": "maximize"},
            ],
            "evaluations": evaluations,
            "evaluator": {"kind": "outside", "description": "examples/outside_evaluator.py"},
        }
    )
    return search.id


def main() -> None:
    """Evaluates a search to its end and prints its front."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--url", default=DEFAULT_URL, help="of the service")
    parser.add_argument("--search", help="an id: share the work on it instead of a new one")
    parser.add_argument("--evaluations", type=int, default=100)
    arguments = parser.parse_args()
    with Client(arguments.url) as client:
        search_id = arguments.search or submit(client, arguments.evaluations)
        print(f"search {search_id}")
        client.evaluate(search_id, evaluate, batch=4)
        front = client.front(search_id)
        print(f"{front.num_measured} measured, {len(front.points)} on the front:")
        for point in front.points:
            microjoules, num_params = point.metrics["microjoules"], point.metrics["num_params"]
            print(
                f"  {point.architecture_digest}  {microjoules:7.2f} uJ  {num_params:8,.0f} params"
            )


if __name__ == "__main__":
    main()
