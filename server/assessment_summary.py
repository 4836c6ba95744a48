"""What a sample of a supernet's architectures says of the supernet."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from searchers.trust import mean_pareto_accuracy, rank_correlation
from server.tables import AssessedRow, Json


def summarize(rows: Sequence[AssessedRow], *, num_sampled: int, seed: int) -> Json:
    """Returns the summary of an assessment, without the facts that its row holds.

    Args:
        rows: everything that was sampled, by ascending multiply-accumulates; one at least must be
            measured. The first and the last are the smallest and the largest network.
        num_sampled: how many architectures the sample has.
        seed: of the bootstrap.
    """
    measured = [row for row in rows if row.status == "measured"]
    provenance = measured[0].provenance["top1_percent"]
    return {
        "split": provenance["split"],
        "num_images": provenance["num_images"],
        "num_sampled": num_sampled,
        "num_measured": len(measured),
        "smallest": _extreme(rows[0]),
        "largest": _extreme(rows[-1]),
        "mean_pareto_top1_percent": mean_pareto_accuracy(
            [row.metrics["macs"] for row in measured],
            [row.metrics["top1_percent"] for row in measured],
        ),
        "standalone": _standalone(measured, seed),
    }


def _extreme(row: AssessedRow) -> Json | None:
    if row.status != "measured":
        return None
    return {
        "architecture_digest": row.architecture_digest,
        "macs": row.metrics["macs"],
        "top1_percent": row.metrics["top1_percent"],
        "interval_percent": row.provenance["top1_percent"]["interval_percent"],
    }


def _standalone(measured: Sequence[AssessedRow], seed: int) -> Json | None:
    """Returns how the accuracies of trained-out architectures rank, shared and alone."""
    alone = [(row, row.standalone) for row in measured if row.standalone is not None]
    if not alone:
        return None
    trained = [(row, result) for row, result in alone if result["status"] == "trained"]
    statuses = [result["status"] for _, result in alone]
    shared = [row.metrics["top1_percent"] for row, _ in trained]
    own = [result["top1_percent"] for _, result in trained]
    # Both are of the same resamples.
    correlations: dict[str, Any] = {
        "kendall": asdict(rank_correlation("kendall", shared, own, np.random.default_rng(seed))),
        "spearman": asdict(rank_correlation("spearman", shared, own, np.random.default_rng(seed))),
    }
    return {
        "num_trained": len(trained),
        "num_stopped": statuses.count("stopped"),
        "num_failed": statuses.count("failed"),
        **correlations,
    }
