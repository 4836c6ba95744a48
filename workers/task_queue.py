"""Which tasks a worker is given together: neighbours, in groups that keep all workers busy."""

from collections import Counter, deque
from collections.abc import Sequence

from workers.protocol import EvaluationTask

MAX_GROUP = 32
"""Tasks of one group at most: results and progress come a group at a time, and a worker that dies
takes the work of its group with it."""


class TaskQueue:
    """Tasks that wait, one run of neighbours for each worker, and the numbers of all not yet done.

    Tasks that begin alike stand beside one another, and what one leaves in its worker's memory
    serves the next. So each worker works along a run of its own; one whose run has ended takes over
    the back half of the longest. Of several workers each takes half of what its run still holds at
    a time, so that there is something left to take over (after factoring, Hummel, Schonberg and
    Flynn 1992, CACM 35(8); there all workers share one run).

    Args:
        num_workers: that take tasks, by their positions from 0.
        max_group: tasks that are taken together at most.
    """

    def __init__(self, num_workers: int, max_group: int = MAX_GROUP) -> None:
        self._max_group = max_group
        self._runs: list[deque[EvaluationTask]] = [deque() for _ in range(num_workers)]
        self._alone: deque[EvaluationTask] = deque()
        self._numbers: set[int] = set()

    def __len__(self) -> int:
        """How many tasks were added and are not done."""
        return len(self._numbers)

    @property
    def num_waiting(self) -> int:
        """Tasks that no worker has taken."""
        return len(self._alone) + sum(map(len, self._runs))

    def add(self, tasks: Sequence[EvaluationTask]) -> None:
        """Appends tasks, all or none of them.

        Raises:
            ValueError: a number is that of a task that is not done, or occurs twice.
        """
        new = Counter(task.number for task in tasks)
        doubled = sorted(n for n, times in new.items() if times > 1 or n in self._numbers)
        if doubled:
            raise ValueError(f"number of a task must be unique in its pool, got {doubled} again")
        self._numbers.update(new)
        start = 0
        for position, run in enumerate(self._runs):
            end = len(tasks) * (position + 1) // len(self._runs)
            run.extend(tasks[start:end])
            start = end

    def take(self, worker: int) -> tuple[EvaluationTask, ...]:
        """Returns what a worker shall do next; nothing if no task waits."""
        if self._alone:
            return (self._alone.popleft(),)
        run = self._runs[worker]
        if not run:
            self._relieve(run)
        share = len(run) if len(self._runs) == 1 else -(-len(run) // 2)
        return tuple(run.popleft() for _ in range(min(share, self._max_group)))

    def _relieve(self, run: deque[EvaluationTask]) -> None:
        longest = max(self._runs, key=len)
        for _ in range(-(-len(longest) // 2)):
            run.appendleft(longest.pop())

    def put_back_alone(self, tasks: Sequence[EvaluationTask]) -> None:
        """Lets tasks that were taken wait again, before all others; each is then taken alone."""
        self._alone.extendleft(reversed(tasks))

    def finish(self, task: EvaluationTask) -> None:
        """Forgets a task that was taken: its number may be used again."""
        self._numbers.remove(task.number)

    def clear(self) -> None:
        """Forgets all tasks."""
        self._alone.clear()
        for run in self._runs:
            run.clear()
        self._numbers.clear()
