"""Finds the values at fault in a call that was refused without a reason.

A group of values is sent. Where it is refused, at least one of its values is at fault, and a part of the
group is sent next. Values that were accepted are written. `after` says, from how the search stands and how
the last call ended, which values are settled now and which are sent next. One value at fault among n costs
about log2 n calls, and one more for all the others.
"""

from dataclasses import dataclass, replace

Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bisection:
    """How the search of one person's values stands.

    `testing` is what the present call carries. If all of it is accepted, one of `suspects` is certainly at
    fault. Nothing is known of the groups of `rest`. Each of `failed` was refused alone; they are settled only
    after a value was accepted (`any_accepted`), because until then the person may be at fault.
    """

    testing: Keys
    suspects: Keys = ()
    rest: tuple[Keys, ...] = ()
    failed: Keys = ()
    any_accepted: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What is settled now, and how the search goes on; `next` None = it is over.

    `person` is true where every single value was refused: the person is at fault. `refused` then names all of
    the values.
    """

    applied: Keys = ()
    refused: Keys = ()
    next: Bisection | None = None
    person: bool = False


def begin(keys: Keys, doubtful: Keys = ()) -> Bisection:
    """The search before the first call: each of `doubtful` goes alone, before the others."""
    alone = tuple((key,) for key in doubtful if key in keys)
    others = tuple(key for key in keys if (key,) not in alone)
    groups = (*alone, others) if others else alone
    return Bisection(groups[0], rest=groups[1:])


def after(search: Bisection, *, accepted: bool) -> Step:
    """What the answer to the call that carried `search.testing` means."""
    if accepted:
        return Step(search.testing, search.failed, _go_on(replace(search, failed=(), any_accepted=True)))
    if len(search.testing) > 1:
        return Step(next=_divide(_give_up_suspects(search)))
    search = _give_up_suspects(search)
    if search.any_accepted:
        return Step(refused=search.testing, next=_go_on(search))
    failed = (*search.failed, *search.testing)
    following = _go_on(replace(search, failed=failed))
    person = following is None and len(failed) > 1
    return Step(refused=failed if following is None else (), next=following, person=person)


def _give_up_suspects(search: Bisection) -> Bisection:
    """A refused call leaves nothing certain of the suspects: they become one more group."""
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
