"""Lines of long lists of every awkward shape, each made from its number."""

import os
from collections.abc import Callable

from tests.support.oracle.reading import Attribute, Declared

LIMIT = 500 << 20
CALLS = int(os.environ.get("IMPORTER_LONG_CALLS", "200000"))
MILLION = 1_000_000

DECLARED = Declared(
    "id",
    (
        Attribute("plan", "single_choice", options=("free", "pro", "team")),
        Attribute("tags", "multi_choice", options=("a", "b", "c")),
        Attribute("age", "number", min=0, max=200),
        Attribute("ok", "boolean"),
        Attribute("day", "date"),
        Attribute("city", "free_text"),
        Attribute("note", "free_text"),
    ),
)
HEADER = "id,plan,tags,age,ok,day,city,note\n"


def good(person: int, n: int) -> str:
    plan = ("free", "pro", "team")[n % 3]
    return (
        f"customer-{person:09d},{plan},a|b,{n % 100},yes,2020-02-{n % 28 + 1:02d},Köln,row {n} of the list\n"
    )


def distinct(n: int) -> str:
    return good(n, n)


def recurring(people: int) -> Callable[[int], str]:
    return lambda n: good(n % people, n)


def half_is_one_person(n: int) -> str:
    return good(0 if n % 2 else n % CALLS, n)


def malformed(n: int) -> str:
    return f"customer-{n:09d},pro,a|b,1,yes,2020-02-01,Köln,one,too many {n}\n"


def stray_quotes(n: int) -> str:
    return f'customer-{n:09d},pro,a|b,1,yes,2020-02-01,6" pipe,{n}\n'


def all_wrong(n: int) -> str:
    return f"customer-{n:09d},gold,x,old,perhaps,2020-02-31,,\n"


def without_id(n: int) -> str:
    return f",pro,a,{n % 100},yes,2020-02-01,Köln,{n}\n"


def refused(n: int) -> str:
    return f"customer-{n % CALLS:09d},free,a,{n % 100},yes,2020-02-01,refuse {n},refuse {n}\n"


MEGABYTE = "x" * (1 << 20)


def megabytes(n: int) -> str:
    return f"customer-{n:09d},pro,a,1,yes,2020-02-01,Köln,{n}{MEGABYTE}\n"


def megabytes_of_one(n: int) -> str:
    return f"customer,pro,a,1,yes,2020-02-01,{n},{n}{MEGABYTE}\n"


def quoted_megabytes(n: int) -> str:
    line = "x" * 63 + "\n"
    return f'customer-{n:09d},pro,a,1,yes,2020-02-01,Köln,"{line * (1 << 14)}"\n'
