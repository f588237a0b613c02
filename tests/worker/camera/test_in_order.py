"""Steps that keep their order although some of them wait."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from veroallarme_core.worker.camera.in_order import InOrder


def in_order() -> tuple[InOrder, set[asyncio.Task[None]]]:
    tasks: set[asyncio.Task[None]] = set()
    return InOrder(lambda work: tasks.add(asyncio.ensure_future(work))), tasks


async def test_a_step_that_need_not_wait_is_taken_at_once() -> None:
    steps, tasks = in_order()
    taken: list[int] = []
    steps.take(lambda: taken.append(1))
    assert taken == [1]
    assert not tasks


@given(st.lists(st.sampled_from([None, 0, 1, 2, 3]), max_size=12), st.permutations(range(4)))
def test_steps_are_taken_in_the_order_in_which_they_came(
    waits: list[int | None], answers: list[int]
) -> None:
    async def play() -> list[int]:
        steps, tasks = in_order()
        events = [asyncio.get_running_loop().create_future() for _ in range(4)]
        taken: list[int] = []
        for number, wait in enumerate(waits):
            steps.take(
                lambda n=number: taken.append(n), after=None if wait is None else events[wait]
            )
        for answer in answers:
            events[answer].set_result(None)
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        steps.take(lambda: taken.append(len(waits)))
        return taken

    assert asyncio.run(play()) == list(range(len(waits) + 1))


async def test_a_step_that_fails_holds_up_no_later_one() -> None:
    steps, tasks = in_order()
    taken: list[int] = []
    for after in (asyncio.sleep(0.01), asyncio.sleep(10)):
        waiting = asyncio.ensure_future(after)
        steps.take(lambda: taken.append(1 // 0), after=waiting)
        steps.take(lambda: taken.append(2))
    waiting.cancel()
    await asyncio.gather(*tasks)
    assert taken == [2, 2]
