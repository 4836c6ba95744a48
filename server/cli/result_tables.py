"""Tables of supernets, refinements and assessments. They fit into 80 columns."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table

from server.cli.tables import count_text, facts, moment_text, new_table, status_text
from server.schemas.assessments import AssessmentDetail
from server.schemas.refinements import FiguresView, RefinementView
from server.schemas.responses import AssessmentSummary, CorrelationView, SupernetView
from server.schemas.searches import PredictionQualityView, SearchView
from server.schemas.stitches import StitchesView

BATCHES_SHOWN = 10


def supernet_table(supernet: SupernetView) -> Table:
    """Returns what is known about a supernet."""
    summary = supernet.summary or {}
    extremes = {name: _extreme_text(summary.get(name)) for name in ("smallest", "largest")}
    assessment = supernet.assessment
    return facts(
        {
            "supernet": supernet.id,
            "name": supernet.name,
            "about": supernet.description,
            "labels": ", ".join(f"{k} {v}" for k, v in supernet.labels.items()) or None,
            "status": status_text(supernet.status),
            "job": supernet.job,
            "space": supernet.space,
            "data set": supernet.data_set,
            "starts from": _start_text(supernet.start),
            "seed": supernet.seed,
            "version": supernet.version and supernet.version[:16],
            **extremes,
            "assessment": assessment and assessment.assessment,
            "submitted": moment_text(supernet.created_at),
        }
    )


def search_table(search: SearchView) -> Table:
    """Returns what a search is to find, and how far it is; its front is a table of its own."""
    objectives = [f"{one['metric']} ({one['goal']})" for one in search.objectives]
    limits = [
        f"{limit['metric']} {sign} {limit[side]:g}"
        for limit in search.limits
        for side, sign in (("lower", ">="), ("upper", "<="))
        if limit.get(side) is not None
    ]
    counts = ", ".join(f"{count_text(count)} {what}" for what, count in search.counts.items())
    return facts(
        {
            "search": search.id,
            "name": search.name,
            "about": search.description,
            "labels": ", ".join(f"{k} {v}" for k, v in search.labels.items()) or None,
            "status": status_text(search.status),
            "job": search.job,
            "supernet": search.supernet,
            "space": search.space,
            "searcher": search.searcher["kind"],
            "objectives": ", ".join(objectives),
            "limits": ", ".join(limits) or None,
            "evaluated": f"{counts} of {count_text(search.evaluations)}",
            "seed": search.seed,
            "submitted": moment_text(search.created_at),
        }
    )


def predictions_table(batches: Sequence[PredictionQualityView]) -> Table:
    """Returns how well each batch had been ranked before it was measured; of many the last ones."""
    metrics = list(batches[-1].kendall)
    titles = ["proposals from", "measured", *(f"Kendall {metric}" for metric in metrics)]
    table = new_table(*titles, right=titles)
    for batch in batches[-BATCHES_SHOWN:]:
        taus = [batch.kendall.get(metric) for metric in metrics]
        words = ["-" if tau is None else f"{tau:.2f}" for tau in taus]
        table.add_row(str(batch.first_number), str(batch.count), *words)
    return table


def stitches_table(stitches: StitchesView) -> Table:
    """Returns what every stitch was worth before the training."""
    table = new_table("route", "MACs", "top-1 %", "95 % interval", right=("MACs", "top-1 %"))
    for network in stitches.networks:
        if network.top1_percent is None or network.interval_percent is None:
            table.add_row(network.route, "", "", network.reason or "")
            continue
        low, high = network.interval_percent
        table.add_row(
            network.route,
            count_text(network.macs or 0),
            f"{network.top1_percent:.2f}",
            f"{low:.2f} to {high:.2f}",
        )
    return table


def stitch_fits_table(stitches: StitchesView) -> Table:
    """Returns how well stitching layers were fitted, and which were regularized."""
    titles = ("stitches", "rows", "unknowns", "unexplained %")
    table = new_table("layer", *titles, "regularized", right=titles)
    for fit in stitches.layers:
        why = f"ridge {fit.ridge:g}, {fit.reason.replace('_', ' ')}" if fit.reason else ""
        counts = (fit.num_stitches, fit.num_rows, fit.num_unknowns)
        table.add_row(fit.layer, *map(str, counts), f"{100 * fit.unexplained_share:.2f}", why)
    return table


def _start_text(start: Mapping[str, Any]) -> str:
    """Returns where a training starts, as words; of anchors what names each."""
    if "anchors" not in start:
        return " ".join(map(str, start.values()))
    hidden = ("kind", "version", "root")
    named = [
        " ".join(str(value) for field, value in anchor.items() if field not in hidden)
        for anchor in start["anchors"]
    ]
    return f"anchors {', '.join(named)}"


def _extreme_text(found: Mapping[str, Any] | None) -> str | None:
    """Returns how good an extreme network of a supernet is, or why that is not known."""
    if found is None:
        return None
    metrics = found.get("metrics", {})
    if "top1_percent" not in metrics:
        return found.get("reason")
    words = [f"{metrics['top1_percent']:.1f} % top-1"]
    if "latency_ms" in metrics:
        words.append(f"{metrics['latency_ms']:.3f} ms")
    if "num_params" in metrics:
        words.append(f"{count_text(metrics['num_params'])} parameters")
    return ", ".join(words)


def refinements_table(refinements: Iterable[RefinementView]) -> Table:
    """Returns a list of refinements."""
    table = new_table("refinement", "name", "networks", "status", right=("networks",))
    for refinement in refinements:
        done = sum(network.after is not None for network in refinement.networks)
        table.add_row(
            refinement.id,
            refinement.name,
            f"{done}/{len(refinement.networks)}",
            status_text(refinement.status),
        )
    return table


def refinement_table(refinement: RefinementView) -> Table:
    """Returns the networks of a refinement before and after."""
    titles = ["top-1 % before", "after", "ms before", "after"]
    table = new_table("architecture", *titles, right=titles)
    for network in refinement.networks:
        table.add_row(
            network.architecture_digest,
            _top1_text(network.before),
            _top1_text(network.after),
            _latency_text(network.before),
            _latency_text(network.after),
        )
    return table


def refinement_notes(refinement: RefinementView) -> list[str]:
    """Returns the sentences that belong below a refinement's table."""
    notes = [
        f"taken: {refinement.selection['rule']}",
        "top-1 on validation images, with its 95 % interval; measured side by side",
    ]
    for network in refinement.networks:
        if network.soup is not None and refinement.runs > 1:
            notes.append(
                f"{network.architecture_digest}: soup of {len(network.soup.members)} of "
                f"{len(network.runs)} runs"
            )
        if network.before and network.after and _top1(network.after) < _top1(network.before):
            notes.append(f"{network.architecture_digest}: LESS accurate than before")
    return notes


def _top1(figures: FiguresView) -> float:
    return figures.metrics["top1_percent"]


def _top1_text(figures: FiguresView | None) -> str:
    if figures is None:
        return "-"
    low, high = figures.intervals["top1_percent"]
    return f"{_top1(figures):.1f} ({low:.1f}-{high:.1f})"


def _latency_text(figures: FiguresView | None) -> str:
    if figures is None or "latency_ms" not in figures.metrics:
        return "-"
    return f"{figures.metrics['latency_ms']:.3g}"


# --- assessments -------------------------------------------------------------------------------


def assessment_table(assessment: AssessmentDetail) -> Table:
    """Returns what an assessment evaluated, by multiply-accumulates."""
    titles = ["MACs", "top-1 %", "alone %"]
    table = new_table("architecture", *titles, right=titles)
    for one in assessment.architectures:
        shared, macs = str(one.status), "-"
        if one.status == "measured":
            low, high = one.intervals["top1_percent"]
            shared = f"{one.metrics['top1_percent']:.1f} ({low:.1f}-{high:.1f})"
            macs = count_text(one.metrics["macs"])
        alone = ""
        if one.standalone is not None:
            result = one.standalone
            alone = f"{result.top1_percent:.1f}" if result.top1_percent is not None else ""
            if result.status != "trained":
                alone = f"{alone} {result.status} in epoch {result.epochs}".strip()
        table.add_row(one.architecture_digest, macs, shared, alone)
    return table


def summary_table(summary: AssessmentSummary) -> Table:
    """Returns what an assessment found out about a supernet."""
    extremes = {
        name: None if extreme is None else f"{extreme.top1_percent:.1f} % top-1"
        for name, extreme in (("smallest", summary.smallest), ("largest", summary.largest))
    }
    pairs = {
        **extremes,
        "mean Pareto": f"{summary.mean_pareto_top1_percent:.2f} % top-1, over budgets of MACs",
        "networks": f"{summary.num_measured} of {summary.num_sampled} sampled, "
        f"{summary.num_images} {summary.split} images",
    }
    if summary.standalone is not None:
        found = summary.standalone
        pairs["trained alone"] = (
            f"{found.num_trained}, {found.num_stopped} stopped early, {found.num_failed} failed"
        )
        pairs["Kendall"] = correlation_text(found.kendall)
        pairs["Spearman"] = correlation_text(found.spearman)
    return facts(pairs)


def trust_note(summary: AssessmentSummary) -> str:
    """Returns in one line how far a supernet can be trusted."""
    text = f"supernet: mean Pareto top-1 {summary.mean_pareto_top1_percent:.1f} %"
    if summary.standalone is None or summary.standalone.kendall.value is None:
        return f"{text}; how its ranking compares with training alone is not known"
    kendall = summary.standalone.kendall
    return f"{text}, Kendall {kendall.value:.2f} with {kendall.num_pairs} trained alone"


def correlation_text(correlation: CorrelationView) -> str:
    """Returns a correlation with its interval, and of how many networks it is."""
    if correlation.value is None:
        return f"not defined for these {correlation.num_pairs} networks"
    text = f"{correlation.value:.2f} of {correlation.num_pairs} networks"
    if correlation.interval is None:
        return f"{text}, too few for an interval"
    return text + " (95 % interval {:.2f} to {:.2f})".format(*correlation.interval)


def assessment_notes(assessment: AssessmentDetail) -> list[str]:
    """Returns why some of an assessment's networks have no figures."""
    reasons = {
        one.architecture_digest: one.reason or (one.standalone and one.standalone.reason)
        for one in assessment.architectures
    }
    return [f"{digest}: {reason}" for digest, reason in reasons.items() if reason]
