"""What workers take together: neighbours, all of them, and something is left for the idle."""

import itertools

import pytest

from workers.protocol import EvaluationTask
from workers.task_queue import TaskQueue


def tasks(*numbers: int) -> list[EvaluationTask]:
    return [EvaluationTask(number, {}) for number in numbers]


def queue_of(count: int, num_workers: int, max_group: int = 16) -> TaskQueue:
    queue = TaskQueue(num_workers, max_group)
    queue.add(tasks(*range(count)))
    return queue


def take(queue: TaskQueue, worker: int) -> list[int]:
    return [task.number for task in queue.take(worker)]


def test_a_single_worker_takes_all_there_is_up_to_the_bound() -> None:
    queue = queue_of(20, 1, max_group=16)
    assert take(queue, 0) == [*range(16)]
    assert take(queue, 0) == [16, 17, 18, 19]
    assert take(queue, 0) == []
    assert (len(queue), queue.num_waiting) == (20, 0)


def test_each_worker_works_along_a_run_of_its_own() -> None:
    queue = queue_of(16, 2)
    assert take(queue, 0) == [0, 1, 2, 3]
    assert take(queue, 1) == [8, 9, 10, 11]
    assert take(queue, 1) == [12, 13]
    assert take(queue, 0) == [4, 5]


def test_who_is_done_takes_over_the_back_half_of_the_longest_run() -> None:
    queue = queue_of(16, 2)
    assert take(queue, 0) == [0, 1, 2, 3]
    for expected in ([8, 9, 10, 11], [12, 13], [14], [15]):
        assert take(queue, 1) == expected
    assert take(queue, 1) == [6]  # of 4, 5, 6 and 7 the last two are taken over
    assert take(queue, 0) == [4]
    assert [take(queue, 1), take(queue, 0), take(queue, 1)] == [[7], [5], []]


@pytest.mark.parametrize("num_workers", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [1, 5, 50, 200])
def test_groups_are_neighbours_bounded_and_complete(count: int, num_workers: int) -> None:
    queue = queue_of(count, num_workers, max_group=8)
    groups = []
    for worker in itertools.cycle(range(num_workers)):
        if not (group := take(queue, worker)):
            break
        groups.append(group)
    assert sorted(itertools.chain(*groups)) == list(range(count))
    assert all(group == list(range(group[0], group[0] + len(group))) for group in groups)
    assert max(map(len, groups)) <= 8
    assert queue.num_waiting == 0


def test_what_is_put_back_goes_first_and_alone() -> None:
    queue = queue_of(6, 1, max_group=3)
    first = queue.take(0)
    queue.put_back_alone(first)
    assert queue.num_waiting == 6
    assert [take(queue, 0) for _ in range(4)] == [[0], [1], [2], [3, 4, 5]]


def test_numbers_are_unique_until_they_are_finished() -> None:
    queue = queue_of(3, 1)
    with pytest.raises(ValueError, match=r"got \[2\] again"):
        queue.add(tasks(7, 2))
    taken = queue.take(0)
    with pytest.raises(ValueError, match=r"got \[2\] again"):
        queue.add(tasks(2))
    for task in taken:
        queue.finish(task)
    queue.add(tasks(2))
    assert take(queue, 0) == [2]


def test_nothing_is_left_of_what_is_cleared() -> None:
    queue = queue_of(9, 2)
    queue.put_back_alone(queue.take(0))
    queue.clear()
    assert (len(queue), queue.num_waiting) == (0, 0)
    assert [take(queue, 0), take(queue, 1)] == [[], []]
