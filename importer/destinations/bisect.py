"""Finding the values at fault in a call that was refused without a word of why.

A group of values is sent; where it is refused, one of it at least is at fault, and a part of it is sent next.
What is taken is written. `after` says, from how the search stands and what became of the last call, which
values are settled now and which are sent next. One at fault among n costs about log2 n calls, and one for all
the others.
"""

from dataclasses import dataclass, replace

Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bisection:
    """How the search of one person's values stands.

    `testing` is what the call at hand carries. One of `suspects` is certainly at fault if all of `testing` is
    taken. Of the groups of `rest` nothing is known. `failed` were refused each alone, and are not settled as
    long as nothing was ever taken (`taken`): then it may be the person.
    """

    testing: Keys
    suspects: Keys = ()
    rest: tuple[Keys, ...] = ()
    failed: Keys = ()
    taken: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What is settled now, and how the search goes on; None = it is over.

    `person` where every single value was refused: it is not the values. `refused` then names all of them.
    """

    applied: Keys = ()
    refused: Keys = ()
    next: Bisection | None = None
    person: bool = False


def begin(keys: Keys, doubtful: Keys = ()) -> Bisection:
    """The search before the first call: what is doubtful goes alone, first."""
    alone = tuple((key,) for key in doubtful if key in keys)
    others = tuple(key for key in keys if (key,) not in alone)
    groups = (*alone, others) if others else alone
    return Bisection(groups[0], rest=groups[1:])


def after(search: Bisection, *, taken: bool) -> Step:
    """What the answer to the call that carried `search.testing` means."""
    if taken:
        return Step(search.testing, search.failed, _go_on(replace(search, failed=(), taken=True)))
    if len(search.testing) > 1:
        return Step(next=_divide(_give_up_suspects(search)))
    search = _give_up_suspects(search)
    if search.taken:
        return Step(refused=search.testing, next=_go_on(search))
    failed = (*search.failed, *search.testing)
    following = _go_on(replace(search, failed=failed))
    person = following is None and len(failed) > 1
    return Step(refused=failed if following is None else (), next=following, person=person)


def _give_up_suspects(search: Bisection) -> Bisection:
    """What was certain of the suspects if the last call had been taken is not any more: one more group."""
    if not search.suspects:
        return search
    *groups, last = search.rest or ((),)
    return replace(search, suspects=(), rest=(*groups, (*last, *search.suspects)))


def _divide(search: Bisection) -> Bisection:
    """The first part of what was refused; one value only, where the person is in doubt."""
    group = search.testing
    many = 1 if search.failed else (len(group) + 1) // 2
    return replace(search, testing=group[:many], suspects=group[many:])


def _go_on(search: Bisection) -> Bisection | None:
    """The next group, where the last one is settled."""
    if search.suspects:
        group = search.suspects
        many = (len(group) + 1) // 2
        return replace(search, testing=group[:many], suspects=group[many:])
    if not search.rest:
        return None
    group, *others = search.rest
    if len(search.failed) > 1 and len(group) > 1:  # one after another failed alone: it may be the person
        return replace(search, testing=group[:1], rest=(group[1:], *others))
    return replace(search, testing=group, rest=tuple(others))
