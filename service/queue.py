"""What waits for one model, and what of it runs next.

A run costs a fixed part plus a part for every position, padding included. So inputs of near length
run together for as long as all their padding costs less than one more run would.
"""

from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Generic, NamedTuple, Protocol, TypeVar

from service.cost import Cost

# An entry is prompt if it costs no more than two of this many positions: then it keeps nobody
# waiting noticeably. The others run alone, and after each all prompt ones that came meanwhile.
TYPICAL = 16


class Waiting(Protocol):
    """An entry of the queue."""

    @property
    def length(self) -> int:
        """Positions, without padding."""

    @property
    def submitted_s(self) -> float:
        """Since when it waits, or may be thought to."""

    def expects(self, moment_s: float) -> bool:
        """Somebody still waits for its result, and will until then."""


class Chosen(NamedTuple):
    """A batch: how many of each length; `full` where `max_positions` kept others out."""

    counts: dict[int, int]
    full: bool


Entry = TypeVar("Entry", bound=Waiting)


def take_batch(
    waiting: Mapping[int, int], seed: int, run_positions: float, max_positions: int
) -> Chosen:
    """Choose what runs together; pure.

    Args:
        waiting: the number of entries of each length.
        seed: a length that must be in the batch.
        run_positions: what a run costs beside its positions, in positions.
        max_positions: of the batch, padding included; only a single entry may exceed it.
    """
    counts = {seed: 1}
    number, longest, total, full = 1, seed, seed, False
    for length in sorted(waiting, key=lambda other: abs(other - seed)):
        left = waiting[length] - (length == seed)
        wide = max(longest, length)
        room = max_positions // wide - number
        padding = wide * number - total  # of those already chosen
        short = wide - length
        if padding >= run_positions:
            continue
        cheap = left if not short else int((run_positions - padding) / short)
        if short and padding + cheap * short >= run_positions:
            cheap -= 1
        more = min(left, room, cheap)
        full = full or max(room, 0) < min(left, cheap)
        if more > 0:
            counts[length] = counts.get(length, 0) + more
            number, longest, total = number + more, wide, total + more * length
    return Chosen(counts, full)


class Queue(Generic[Entry]):
    """Entries by length, the oldest of each length first.

    Args:
        cost: of a run.
        max_batch_positions: see `take_batch`.
        patience_s: who has waited for longer than this lets nobody pass.

    Attributes:
        positions: that wait, without padding.
    """

    def __init__(self, cost: Cost, max_batch_positions: int, patience_s: float):
        self._patience_s = patience_s
        self._cost = cost
        self._max_batch_positions = max_batch_positions
        # By length heaps of (since when it waits, a number that goes up, entry).
        self._by_length: dict[int, list[tuple[float, int, Entry]]] = {}
        self._numbers = count()
        self._prompt_s = 2 * cost(1, TYPICAL)
        self._turn_s = 0.0  # when the last batch that was not prompt had run
        self._slow = False  # the last batch was none
        self.positions = 0

    def __bool__(self) -> bool:
        return bool(self._by_length)

    def add(self, entry: Entry) -> None:
        """Put an entry behind all that have waited for longer."""
        line = self._by_length.setdefault(entry.length, [])
        heappush(line, (entry.submitted_s, next(self._numbers), entry))
        self.positions += entry.length

    def take(self, now_s: float) -> tuple[list[Entry], str]:
        """The next batch, and why no more are in it: all, full or lengths.

        Entries whose result nobody will await by the time it is there are dropped. The batch is
        empty only if nothing is left.
        """
        if self._slow:
            self._turn_s, self._slow = now_s, False
        while (seed := self._seed(now_s)) is not None:
            counts = {length: len(line) for length, line in self._by_length.items()}
            prompt = self._is_prompt(seed)
            most = self._max_batch_positions if prompt else seed
            chosen = take_batch(counts, seed, self._cost.run_positions, most)
            ready_s = now_s + self._cost(sum(chosen.counts.values()), max(chosen.counts))
            batch = [
                entry
                for length, number in chosen.counts.items()
                for entry in self._pop(length, number, ready_s)
            ]
            if batch:
                self._slow = not prompt
                return batch, "all" if not self else "full" if chosen.full else "lengths"
        return [], "all"

    def drop(self, now_s: float) -> int:
        """Drop all that are not expected any more; the number that still wait."""
        for length in list(self._by_length):
            line = [item for item in self._by_length[length] if item[2].expects(now_s)]
            heapify(line)
            self.positions -= length * (len(self._by_length[length]) - len(line))
            self._by_length[length] = line
            if not line:
                del self._by_length[length]
        return sum(map(len, self._by_length.values()))

    def clear(self) -> list[Entry]:
        """Take out everything."""
        entries = [entry for line in self._by_length.values() for _, _, entry in line]
        self._by_length.clear()
        self.positions = 0
        return entries

    def oldest_s(self) -> float | None:
        """Since when the oldest waits; None where nothing does."""
        return min((line[0][0] for line in self._by_length.values()), default=None)

    def _seed(self, now_s: float) -> int | None:
        """The length whose oldest entry goes first."""
        for length in list(self._by_length):
            line = self._by_length[length]
            while line and not line[0][2].expects(now_s):
                heappop(line)
                self.positions -= length
            if not line:
                del self._by_length[length]
        since_s = {length: line[0][0] for length, line in self._by_length.items()}
        slow = [since_s[length] for length in since_s if not self._is_prompt(length)]
        turn_s = max(self._turn_s, min(slow, default=0.0))
        claims = {
            length: self._claim(length, since, turn_s, now_s) for length, since in since_s.items()
        }
        return max(claims, key=claims.__getitem__, default=None)

    def _claim(self, length: int, since_s: float, turn_s: float, now_s: float) -> tuple[int, float]:
        """The largest goes first. A prompt entry from after `turn_s` lets the others pass."""
        waited_s = now_s - since_s
        if waited_s > self._patience_s:
            return 3, waited_s
        if not self._is_prompt(length):
            return 1, waited_s / self._cost(1, length) ** 2
        return (2, -length) if since_s <= turn_s else (0, waited_s)

    def _is_prompt(self, length: int) -> bool:
        return self._cost(1, length) <= self._prompt_s

    def _pop(self, length: int, number: int, ready_s: float) -> list[Entry]:
        """The oldest `number` of a length that are still expected then."""
        line = self._by_length[length]
        taken: list[Entry] = []
        while line and len(taken) < number:
            _, _, entry = heappop(line)
            self.positions -= length
            if entry.expects(ready_s):
                taken.append(entry)
        if not line:
            del self._by_length[length]
        return taken
