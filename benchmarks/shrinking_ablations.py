"""What the parts of delayed shrinking are worth: when it starts, the ramp, the warmed-up teacher.

On Fashion-MNIST (see _image_tasks.py), one seed, every variant at the cost of the recommended one.
The last variant starts at once, so it distils from a network that has not been trained before. With
--quick: 1,000 images and few epochs: it shows that everything runs, not what is reached.
"""

import torch
from _image_tasks import FASHION, MOST_PHASES, Accuracies
from harness import Figure, parse_arguments, report
from rich.console import Console
from rich.table import Table

from supernet.schedules.delayed_shrinking import DelayedShrinkingSettings

RAMP_EPOCHS = 1.0
VARIANTS = {
    "start at 50 %": DelayedShrinkingSettings(start=0.5, ramp_epochs=RAMP_EPOCHS),
    "start at 25 %": DelayedShrinkingSettings(start=0.25, ramp_epochs=RAMP_EPOCHS),
    "start at 75 %": DelayedShrinkingSettings(start=0.75, ramp_epochs=RAMP_EPOCHS),
    "no ramp": DelayedShrinkingSettings(start=0.5, ramp_epochs=0),
    "no sorting": DelayedShrinkingSettings(start=0.5, ramp_epochs=RAMP_EPOCHS, sort_channels=False),
    "no warmed-up teacher": DelayedShrinkingSettings(start=0.0, ramp_epochs=0),
}


def main() -> None:
    """Trains each variant once and reports."""
    arguments = parse_arguments(__doc__)
    torch.set_num_threads(min(2, torch.get_num_threads()))
    data = FASHION.load(quick=arguments.quick)
    first = next(iter(VARIANTS.values()))
    own_epochs = MOST_PHASES if arguments.quick else FASHION.epochs
    budget = FASHION.costs_by_epoch(FASHION.settings_of(first, own_epochs), len(data.train))[-1]
    results: dict[str, tuple[int, Accuracies]] = {}
    for name, schedule in VARIANTS.items():
        epochs = (
            own_epochs
            if schedule is first
            else FASHION.epochs_of_equal_cost(schedule, budget, len(data.train))
        )
        settings = FASHION.settings_of(schedule, epochs)
        results[name] = (epochs, FASHION.run(settings, data, 0, ())[epochs])
        Console().print(f"{name}, {epochs} epochs: {results[name][1]}")
    table = Table(title="validation top-1 in percent", title_justify="left")
    for column in ("variant", "epochs", "smallest", "largest", "mean Pareto"):
        table.add_column(column, justify="right")
    for name, (epochs, found) in results.items():
        row = [f"{value:.2f}" for value in (found.smallest, found.largest, found.pareto)]
        table.add_row(name, str(epochs), *row)
    Console().print(table)
    figures = [
        Figure(f"{name}: {part}", getattr(found, part), "% top-1")
        for name, (_, found) in results.items()
        for part in ("smallest", "largest", "pareto")
    ]
    report("Delayed shrinking without its parts, at equal cost", figures, arguments)


if __name__ == "__main__":
    main()
