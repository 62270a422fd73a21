"""Finds by trying the rate that a server takes."""

from collections import deque

from importer.core.frozen import frozen

SLOWEST = 0.5
"""The rate never falls below this, in requests per second: one call every two seconds."""
SPAN = 1.015
"""A second, and a little for calls that take longer to leave than the one a second before them."""
_REVIEW = 0.1  # s between looks at the latency, and between doublings at the start
_LATENCIES = 5  # that a doubling at the start is tried for: what is refused is known a latency later
_SETTLE = 1.0  # s that a new rate is tried before the next step: limits are counted over a second
_UNDER = 0.97  # of what was let through: where a refusal leaves the rate
_FIRST_STEP, _MIDDLE_STEP, _SMALL_STEP, _STEP_GROWS = 0.5, 0.12, 0.03, 1.5
_PATIENCE, _LONGEST_PATIENCE = 1.0, 30.0  # s at a rate known to be near the limit, before more is tried
_WORTH = 20.0  # a try that cost a pause of n s is not repeated within n times this
MEMORY, _MEMORY_SECONDS = 32, 0.05  # answers, and seconds of answers, that tell the share of refusals
_TOLERATED = 0.07  # share of refusals that does not lower the rate
_NOISE = 2.0  # times what is refused anyway, likewise
_MOST_NOISE = 0.2  # share of refusals above which they are never taken for noise
_STORM = 3  # so many refusals after a cut, and more than half as many as other answers: the cut was too small
_ENOUGH = 5  # answers that are enough to know the usual latency
_YOUNG = 3  # looks at the start that together tell what is usual
_ADAPTS = 0.002  # of a higher latency that is taken for normal, a review
_SLACK = 0.05  # s that any answer may take longer; what is less is our own loop's business


@frozen
class Slot:
    """Permission to send one call: when it was given, and how many were sent in the second before."""

    at: float
    load: int


class RateSearch:
    """Looks for the rate that a server takes. Times in seconds; `rate` in requests per second."""

    def __init__(self, rate: float, *, known: bool = False) -> None:
        self.rate = rate
        self.known = known  # a limit was met, in this run or an earlier one
        self.is_wanted = False  # a call waited for the rate since the last review
        self.review_at = 0.0
        self.longest_normal = _SLACK  # longest latency that is no sign of overload
        self._usual_latency = 0.0  # the latency of an idle server, 0 = not known yet
        self._latency = 0.0  # of all answers since the last look, added up
        self._answers = self._slow = self._slow_reviews = self._reviews = 0
        self._reviewed = 0.0
        # growth at a time, and the time between
        self._step, self._pause = (_SMALL_STEP, _SETTLE) if known else (1.0, 0.0)
        self._grow_at = 0.0
        self._patience = _PATIENCE
        self._cut_at = -1.0
        self._limit = 0.0  # what was let through before the last refusal
        self._grown = True  # since the last cut
        self._refused: deque[float] = deque()  # when the refused calls of the last second were sent
        self._share = 0.0  # of the latest answers that are refusals
        self._weight = 1 / MEMORY  # of one answer in it
        self._noise = 0.0  # share that is refused anyway
        self._taken = self._strays = 0  # answers and refusals since the last cut, until the rate grows again
        self._cut_for = 0.0  # the share of refusals that led to the last cut

    @property
    def never_refused(self) -> bool:
        """Whether the server has never refused a call, but for noise."""
        return not self.known and self._step == 1.0

    def answered(self, latency: float) -> None:
        """One answer. Called for every call, so it only counts."""
        self._answers += 1
        self._latency += latency
        self._share -= self._share * self._weight
        if latency > self.longest_normal:
            self._slow += 1

    def review(self, now: float) -> None:
        """Looks at the answers since the last time: slower where they have become slow, else faster."""
        slow = self._usual_latency > 0 and self._slow * 2 > self._answers > 2
        self._slow_reviews = self._slow_reviews + 1 if slow else min(0, self._slow_reviews)
        if self._slow_reviews > 1:  # not for a single hiccup
            self._relieve(now)
        elif self.is_wanted and not slow and now >= self._grow_at:
            self._grow(now)
        self._remember(self._latency / self._answers)
        self._taken += self._answers
        self._answers, self._slow, self._latency = 0, 0, 0.0
        self.is_wanted = False
        self._reviewed = now
        self.review_at = now + max(_REVIEW, self._usual_latency)

    def _grow(self, now: float) -> None:
        """More, but not more than twice what really comes back: the rest would be found out late."""
        if not self._grown:
            self._learn_noise()
        came = self._answers / max(now - self._reviewed, 0.001)
        self.rate = max(self.rate, min(self.rate * (1 + self._step), 2 * came))
        self._weight = 1 / max(MEMORY, self.rate * _MEMORY_SECONDS)
        self._step = min(1.0, self._step * _STEP_GROWS)
        self._grow_at = now + (self._pause or _LATENCIES * self._usual_latency)
        self._grown = True

    def _learn_noise(self) -> None:
        """The share still refused at a lower rate; close to the former share, the cut was useless."""
        share = self._strays / max(self._strays + self._taken, MEMORY)
        self._noise = share if share <= _MOST_NOISE else 0.0
        if self._noise > self._cut_for / 4:
            self._step, self._pause, self._patience = 1.0, 0.0, _PATIENCE
            self.known = False

    def _relieve(self, now: float) -> None:
        """Answers queue up somewhere: a little under what came back lately."""
        came = self._answers / max(now - self._reviewed, 0.001)
        self.rate = max(SLOWEST, min(self.rate, came) * 0.9)
        self._slow_reviews = -2  # what waits in its queue comes back late all the same
        self._step = max(_SMALL_STEP, self._step / 4)
        self._pause = max(self._pause, self.longest_normal)
        self._grow_at = now + 2 * self.longest_normal

    def _remember(self, latency: float) -> None:
        """The latency of an idle server; it rises slowly where the server has become slower for good."""
        self._reviews += 1
        if latency < self._usual_latency and self._answers >= _ENOUGH:
            self._usual_latency = latency
        weight = 1 / self._reviews if self._reviews <= _YOUNG else _ADAPTS
        self._usual_latency += (latency - self._usual_latency) * weight
        self.longest_normal = 2 * self._usual_latency + _SLACK

    def refused(self, slot: Slot, now: float, wait: float) -> None:
        """A call was refused; those sent before the last cut tell nothing new."""
        self._share += (1 - self._share) * self._weight
        let_through = self._let_through(slot)
        if slot.at <= self._cut_at:
            return
        slowed = (
            self._slows_down(let_through, wait) if self._grown else self._slows_down_again(let_through, wait)
        )
        if slowed:
            self._cut_at, self._cut_for = now, self._share
            self._grown, self.known = False, True
            self._share, self._strays, self._taken = 0.0, 0, 0
            self._grow_at = now + wait + max(self._pause, self._patience)

    def _slows_down(self, let_through: float, wait: float) -> bool:
        """Lowers the rate where more is refused than at any rate; whether it did."""
        if self._share <= _NOISE * self._noise + (0 if wait else _TOLERATED):
            return False
        self._cut(let_through, wait)
        return True

    def _slows_down_again(self, let_through: float, wait: float) -> bool:
        """Refused at a lower rate too: to half where that goes on; whether it did."""
        self._strays += 1
        if self._strays >= _STORM and 2 * self._strays > self._taken:
            self.rate = max(SLOWEST, min(self.rate / 2, max(let_through, self.rate / 4)))
            self._step, self._patience = _FIRST_STEP, _PATIENCE
            return True
        if wait and self._share > _NOISE * self._noise:
            self.rate = max(SLOWEST, self.rate * _UNDER)
            self._strays = self._taken = 0
        return False

    def _let_through(self, slot: Slot) -> float:
        """How many calls of the second before this refused one were not refused."""
        refused = self._refused
        while refused and refused[0] <= slot.at - 1:
            refused.popleft()
        refused.append(slot.at)
        return max(SLOWEST, (slot.load - len(refused)) / SPAN)

    def _cut(self, let_through: float, wait: float) -> None:
        """To just under what was let through. Where that comes out alike twice, the limit is known."""
        before, self._limit = self._limit, let_through
        if let_through >= (0.5 if wait else 0.75) * self.rate or let_through <= 1.1 * before:
            self._patience = max(min(2 * self._patience, _LONGEST_PATIENCE), _WORTH * wait)
            self._step = _SMALL_STEP
        else:  # the rate was not kept for long enough to tell
            short = let_through < self.rate / 4  # most likely it counts over less than a second
            self._patience, self._step = _PATIENCE, _FIRST_STEP if short else _MIDDLE_STEP
            let_through = max(let_through, self.rate / 4)
        self._pause = _SETTLE + self.longest_normal
        self.rate = min(self.rate, max(SLOWEST, _UNDER * min(self.rate, let_through)))

    def at_most(self, rate: float) -> None:
        """What the destination says is left for now."""
        self.rate = max(SLOWEST, min(self.rate, rate))
