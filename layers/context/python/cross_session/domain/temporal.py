"""Which time, or which earlier conversation, an English question means.

Rules, not a parser of everything: no reading is better than a wrong one, because a wrong
window lifts the wrong memories. A question is read in three steps.

1. *Phrases*: `@_phrase` functions read a stretch of text by itself: "yesterday", "3 days ago".
   Some words are times only in company ("in March", but not "they march"): `needs` names
   the relations of which one must stand before them, unless a modifier does.
2. *Modifiers*: `@_modifier` functions narrow or move what follows them: "the end of",
   "the second week of", "two days before". They stack, the nearest first.
3. *Relations*: `@_relation` functions make the result a window: "since", "before", "around".
   Two phrases may be joined: "between X and Y", "from X to Y".

Of several times the first that names a year is meant, else the first; "recently" comes last.
Where English is ambiguous the past wins. The choices:

- Weeks begin on Monday. "last week" is the calendar week before this one; "the last week",
  "the past week" and "the last 7 days" reach from that many days ago to the end of today.
- "on Tuesday" and "last Tuesday" are the latest before today; "this Tuesday" is this week's.
- "in March" is the latest March that has begun, "5 June" the latest that isn't in the future.
- "N days ago" is that day, and beyond three also the days beside it; weeks are the seven days
  around it; months and years are calendar ones; hours and minutes half as much to each side.
  "a couple" is 2 to 3, "a few" 2 to 4, "several" 3 to 7.
- Early, mid and late (start, middle, end) are thirds: days 1-10, 11-20 and 21-end of a month,
  four months of a year. A month's nth week is its days 7n-6 to 7n, its last its last seven.
- "recently" is three weeks, "the other day" the two weeks before today, "around 5 June" three
  days to each side, "this time last year" two weeks.
- "from X" alone is X ("photos from 2022"). "until X" and "by X" include X, "before X" doesn't.
- Seasons are meteorological and named by the year they begin in; southern if the zone's
  summer time is on in January, else northern.
- 13/06/2023 and 06/13/2023 are read, 05/06/2023 is not. 05.06.2023 is day first.
- Mornings are 0-12, afternoons 12-18, evenings 17-24, nights 18-6 of the next day.
"""

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from itertools import zip_longest
from math import inf
from operator import itemgetter
from typing import Literal, NamedTuple


@dataclass(frozen=True, slots=True)
class TimeRange:
    """[start, end) in UTC; None is open. `phrase` is as asked, with single spaces."""

    phrase: str
    start: datetime | None
    end: datetime | None

    def bounds(self) -> tuple[float, float]:
        """[start, end) in Unix seconds; an open end is infinite."""
        start = -inf if self.start is None else self.start.timestamp()
        return start, inf if self.end is None else self.end.timestamp()


@dataclass(frozen=True, slots=True)
class SessionReference:
    """An earlier conversation; "last" is the latest that ended. `topic` is as asked."""

    phrase: str
    ordinal: Literal["last", "first"]
    topic: str | None


def time_range(question: str, *, now: datetime, timezone: tzinfo) -> TimeRange | None:
    """The window of the first time phrase, in days of `timezone`. `now` must be aware."""
    asked = " ".join(question[:_LONGEST].split())
    text = _plain(asked)
    words = _vocabulary(text)
    phrases = [phrase for phrase in _PHRASES if not phrase.hints.isdisjoint(words)]
    if not phrases:
        return None
    calendar = _Calendar(now.astimezone(timezone))
    for window in _windows(text, _readings(text, phrases, calendar), calendar):
        start = window.since and window.since.astimezone(UTC)
        end = window.until and window.until.astimezone(UTC)
        if start is None or end is None or start < end:
            return TimeRange(asked[window.begin : window.end], start, end)
    return None


def session_reference(question: str) -> SessionReference | None:
    """The first phrase like "last planning meeting", "our previous chat", "last time we spoke"."""
    asked = " ".join(question[:_LONGEST].split())
    text = _plain(asked)
    if not _SESSION_HINT.search(text):
        return None
    for pattern in _SESSIONS:
        if match := pattern.search(text):
            spans = {name: match.span(name) for name, group in match.groupdict().items() if group}
            begin, end = spans.get("topic") or spans.get("about") or (0, 0)
            return SessionReference(
                asked[slice(*spans["phrase"])],
                "first" if " first " in f" {match['phrase'].lower()} " else "last",
                asked[begin:end] or None,
            )
    return None


# --- text --------------------------------------------------------------------------------

_LONGEST = 2000  # characters of a question that are read; some rules take their square
_PLAIN = {"’": "'", "‘": "'", "–": "-", "—": "-", "‐": "-", "‑": "-"}
_VOCABULARY = re.compile(r"[a-z]+|[0-9]+", re.ASCII)


def _plain(text: str) -> str:
    """ASCII of the same length: foreign letters become `_`, so that they still join words."""
    if text.isascii():
        return text
    return "".join(
        char if char.isascii() else _PLAIN.get(char, "_" if char.isalnum() else " ")
        for char in text
    )


def _vocabulary(text: str) -> set[str]:
    """Its lower-case words; "#" stands for a four-digit number."""
    words = set(_VOCABULARY.findall(text.lower()))
    if any(len(word) == 4 and word.isdigit() for word in words):
        words.add("#")
    return words


# --- calendar ----------------------------------------------------------------------------


class _Span(NamedTuple):
    """[start, end), both in the caller's zone."""

    start: datetime
    end: datetime

    @property
    def days(self) -> int:
        return (self.end - self.start).days

    @property
    def months(self) -> int:
        """How many whole calendar months it is; 0 if it isn't."""
        if self.start.day != 1 or self.end.day != 1 or self.end.hour != 0:
            return 0
        return (self.end.year - self.start.year) * 12 + self.end.month - self.start.month


@dataclass(frozen=True, slots=True)
class _Calendar:
    """Days as the caller's wall clock has them.

    Arithmetic on aware datetimes of one zone is wall-clock arithmetic: a day later is the same
    hour the next day, however long that day is.
    """

    now: datetime

    @property
    def today(self) -> datetime:
        return self.now.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)

    @property
    def tomorrow(self) -> datetime:
        return self.today + timedelta(1)

    def date(self, year: int, month: int = 1, day: int = 1) -> datetime:
        return datetime(year, month, day, tzinfo=self.now.tzinfo)

    def latest_date(self, month: int, day: int) -> datetime:
        """The latest that isn't in the future; ValueError if no year has it."""
        for year in range(self.now.year, self.now.year - 9, -1):  # 29 February may skip 1900
            if day <= monthrange(year, month)[1] and self.date(year, month, day) <= self.today:
                return self.date(year, month, day)
        raise ValueError(f"no day {day} in month {month}")

    def hours_ago(self, hours: float) -> datetime:
        return (self.now.astimezone(UTC) - timedelta(hours=hours)).astimezone(self.now.tzinfo)


def _plus(at: datetime, unit: str, count: int) -> datetime:
    """`count` units later, on the month's last day where it has no such day."""
    if unit in _DAYS_IN:
        return at + timedelta(_DAYS_IN[unit] * count)
    year, month = divmod(at.year * 12 + at.month - 1 + _MONTHS_IN[unit] * count, 12)
    return at.replace(year=year, month=month + 1, day=min(at.day, monthrange(year, month + 1)[1]))


def _unit_at(at: datetime, unit: str) -> _Span:
    """The calendar unit around the midnight `at`; the weekend is its week's."""
    monday = at - timedelta(at.weekday())
    match unit:
        case "day" | "night":
            start = at
        case "week" | "fortnight":
            start = monday
        case "weekend":
            return _Span(monday + timedelta(5), monday + timedelta(7))
        case "month":
            start = at.replace(day=1)
        case "quarter":
            start = at.replace(month=(at.month - 1) // 3 * 3 + 1, day=1)
        case "decade":
            start = at.replace(year=at.year // 10 * 10, month=1, day=1)
        case _:
            start = at.replace(month=1, day=1)
    return _Span(start, _plus(start, unit, 1))


def _units_ago(at: datetime, unit: str, low: int, high: int) -> _Span:
    """Where `low` to `high` units before the midnight `at` may lie; negative is after it."""
    low, high = sorted((low, high))
    early, late = _plus(at, unit, -high), _plus(at, unit, -low)
    match unit:
        case "day" | "night":
            early -= timedelta(abs(high) > 3)
            late += timedelta(1 + (abs(low) > 3))
        case "week" | "fortnight":
            early -= timedelta(3)
            late += timedelta(4)
        case "decade":
            early, late = _unit_at(early, "year").start, _unit_at(late, "year").end
        case _:
            early, late = _unit_at(early, unit).start, _unit_at(late, unit).end
    return _Span(early, late)


# --- words -------------------------------------------------------------------------------


def _one_of(*words: str) -> str:
    """A pattern; longer words first, so that none hides behind its own beginning."""
    return "(?:" + "|".join(sorted(words, key=len, reverse=True)) + ")"


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAYS_IN = {"day": 1, "night": 1, "week": 7, "weekend": 7, "fortnight": 14}
_HOURS_IN = {"hour": 1, "minute": 1 / 60, "min": 1 / 60}
_MONTHS_IN = {"month": 1, "quarter": 3, "year": 12, "decade": 120}
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
_ONES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = (
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen"),
    *("sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_COUNTS = {
    **{word: (n, n) for n, word in enumerate((*_ONES, *_TEENS), start=1)},
    **{word: (n, n) for n, word in zip(range(20, 100, 10), _TENS, strict=True)},
    "a": (1, 1),
    "an": (1, 1),
    "dozen": (12, 12),
    "couple": (2, 3),
    "few": (2, 4),
    "several": (3, 7),
}
_HOLIDAYS = {
    "new years day": (1, 1),
    "new years": (1, 1),
    "valentines day": (2, 14),
    "valentines": (2, 14),
    "womens day": (3, 8),
    "international womens day": (3, 8),
    "saint patricks day": (3, 17),
    "st patricks day": (3, 17),
    "april fools day": (4, 1),
    "april fools": (4, 1),
    "earth day": (4, 22),
    "anzac day": (4, 25),
    "cinco de mayo": (5, 5),
    "juneteenth": (6, 19),
    "halloween": (10, 31),
    "guy fawkes night": (11, 5),
    "bonfire night": (11, 5),
    "veterans day": (11, 11),
    "christmas eve": (12, 24),
    "christmas day": (12, 25),
    "christmas": (12, 25),
    "xmas": (12, 25),
    "boxing day": (12, 26),
    "new years eve": (12, 31),
}
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}  # northern
_HOURS = {"morning": (0, 12), "afternoon": (12, 18), "evening": (17, 24), "night": (18, 30)}

# Spellings. Each is one group, named as the functions below read it.
_MONTH_SPELLING = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    "|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_MONTH = rf"(?P<month>{_MONTH_SPELLING})\b(?:\.(?= [0-9]))?"
_MONTH_NOT_A_NAME = (
    r"(?P<month>feb(?:ruary)?|march|july?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?"
    r"|dec(?:ember)?|(?-i:Mar))\b"
)
_MONTH_OR_NAME = r"(?P<month>january|(?-i:Jan)|apr(?:il)?|may|june?|aug(?:ust)?)\b"
_WEEKDAY = r"(?P<weekday>monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b"
_WEEKDAY_BEFORE = r"(?:mon|tues?|wed|thu(?:rs?)?|fri|sat|sun)(?:[a-z]*day)?\b[.,]* (?:the )?"
_NOT_A_NAMED_WEEKDAY = "".join(
    rf"(?<!\b{word} )"
    for word in (
        *("a", "an", "any", "every", "each", "some", "most", "alternate", "girl", "man", "tgi"),
        *("black", "good", "ash", "super", "fat", "cyber", "palm", "easter", "bloody", "freaky"),
        *("taco", "casual", "holy", "maundy", "shrove", "giving", "following"),
    )
)
_HOLIDAY = _one_of(*(re.sub(r"s\b", "'?s'?", name).replace("st ", r"st\.? ") for name in _HOLIDAYS))
_FOUR_DIGITS = r"(?:19|20)[0-9]{2}"
_YEAR = rf"(?P<year>{_FOUR_DIGITS}|'[0-9]{{2}}|(?:last|this|next) year)(?![\w-]|[:./,][0-9])"
_NO_PLACE_AFTER = r"(?! (?:street|st|road|rd|avenue|ave|lane|square|madness)\b)"
_OF_YEAR = rf"(?:,|,? (?:of |in )?){_YEAR}"
_DAY = rf"(?P<day>[0-3]?[0-9](?:st|nd|rd|th)?|{_one_of(*_ORDINALS)})"
_UNIT = r"(?P<unit>day|weekend|week|fortnight|month|quarter|year|decade)"
_UNITS = _UNIT[:-1] + "|night|hour|minute|min)(?P<plural>s?)"
_NUMBER_WORD = (
    rf"(?:{_one_of(*_TENS)}[ -]{_one_of(*_ONES)}"
    rf"|(?:an? )?{_one_of('couple', 'few', 'several', 'dozen')}(?: of)?"
    rf"|{_one_of(*_ONES, *_TEENS, *_TENS)}|an?)"
)
_COUNT = rf"(?:[0-9]{{1,3}}|{_NUMBER_WORD})"
_NO_NUMBER_BEFORE = r"(?<![\w.,/$#:-])(?<!half )(?<!\band )(?<!point )(?<!hundred )(?<!thousand )"
_QUANTITY = rf"{_NO_NUMBER_BEFORE}(?P<low>{_COUNT})(?:(?:-| or | to )(?P<high>{_COUNT}))?"
_NTH = rf"(?P<nth>{_one_of(*_ORDINALS)}|last|final|[1-9](?:st|nd|rd|th))"
_WHICH = r"(?P<which>last|previous|this past|(?:this )?coming|this|next)"
_PART = r"(?P<part>morning|afternoon|evening|night)"

# What may follow a word that is a time only in company, unlike "in spring training".
_FUNCTION_WORDS = (
    *("a", "about", "after", "all", "an", "and", "any", "are", "as", "at", "because", "before"),
    *("both", "but", "by", "can", "could", "did", "do", "does", "during", "for", "from", "had"),
    *("has", "have", "he", "her", "his", "how", "i", "if", "in", "is", "it", "its", "me", "my"),
    *("no", "not", "on", "onwards", "or", "our", "over", "she", "should", "since", "so", "than"),
    *("that", "the", "their", "them", "then", "there", "these", "they", "this", "those"),
    *("through", "till", "to", "until", "was", "we", "were", "what", "when", "where", "which"),
    *("while", "who", "whose", "why", "will", "with", "would", "you", "your"),
)
_NO_NOUN_AFTER = rf"(?=$|[?!;)\"]|[.,:](?: |$)| -| {_one_of(*_FUNCTION_WORDS)}\b)"
_NO_LIKELY_NOUN_AFTER = rf"(?:{_NO_NOUN_AFTER}|(?= (?-i:[A-Z])))"
_NOT_MINE = (  # "my last year", "Ada's last week": of something, not of the calendar
    r"(?<!\bmy )(?<!\bour )(?<!\bhis )(?<!\bher )(?<!\bits )(?<!\byour )(?<!\btheir )(?<!'s )"
)


def _which(match: re.Match[str]) -> str:
    """ "last", "this", "next" or "" for none."""
    which = (match["which"] or "").lower()
    if which.endswith("coming"):
        return "next"
    return "last" if which in ("previous", "this past") else which


def _month_number(spelling: str) -> int:
    return _MONTHS.index(spelling[:3].lower()) + 1


def _weekday_number(spelling: str) -> int:
    return _WEEKDAYS.index(spelling[:3].lower())


def _ordinal(spelling: str) -> int:
    """-1 for "last"."""
    word = spelling.lower()
    if word in ("last", "final"):
        return -1
    return _ORDINALS.index(word) + 1 if word in _ORDINALS else int(word.rstrip("stndrh"))


def _counts(match: re.Match[str]) -> tuple[int, int]:
    """The least and the most that the groups `low` and `high` may mean."""
    low = _count(match["low"])
    return (low[0], _count(match["high"])[1]) if match["high"] else low


def _count(spelling: str) -> tuple[int, int]:
    if spelling.isdigit():
        return int(spelling), int(spelling)
    words = re.split("[ -]", spelling.lower().removesuffix(" of"))
    if len(words) == 2 and words[0] not in ("a", "an"):
        number = _COUNTS[words[0]][0] + _COUNTS[words[1]][0]
        return number, number
    return _COUNTS[words[-1]]


def _year_number(spelling: str, calendar: _Calendar) -> int:
    word = spelling.lower()
    if word.endswith("year"):
        return calendar.now.year + {"last": -1, "this": 0, "next": 1}[word.split()[0]]
    if word.startswith("'"):
        return int(word[1:]) + (2000 if int(word[1:]) < 70 else 1900)
    return int(word)


def _may_be_a_verb(match: re.Match[str]) -> bool:
    """ "3 may", "march 5" without more that makes them dates."""
    month, day = match["month"], match.groupdict().get("day")
    if month.lower() not in ("may", "march") or match["year"] or " of " in match[0]:
        return False
    if day and not day.isdigit() and match.start("month") < match.start("day"):  # "march 5th"
        return False
    before = match.string[: match.start()].lower()
    if before.endswith(("in ", "to ", "and ")):
        return True
    if month.islower():
        return not before.endswith(("on ", "since ", "before ", "after ", "until ", "by "))
    begins_a_sentence = bool(day and day.isdigit() and not before)
    return begins_a_sentence and match.end() < len(match.string.rstrip("?.! "))


# --- phrases -----------------------------------------------------------------------------

_Read = Callable[[re.Match[str], _Calendar], _Span | None]


@dataclass(frozen=True, slots=True)
class _Phrase:
    """`hints` are the words of which one must be in a question for `pattern` to be tried."""

    name: str
    example: str
    pattern: re.Pattern[str]
    read: _Read
    hints: frozenset[str]
    needs: frozenset[str]


_PHRASES: list[_Phrase] = []  # the most particular first: what one has read, none reads again


def _phrase(example: str, pattern: str, *, hints: str, needs: str = "") -> Callable[[_Read], _Read]:
    """Adds a rule. It may answer None, or raise ValueError for a date that no calendar has.

    A word with `last`, `next` or a year beside it (groups `which`, `year`) needs no relation.
    """

    def register(read: _Read) -> _Read:
        compiled = re.compile(pattern, re.IGNORECASE | re.ASCII)
        name = read.__name__.removeprefix("_")
        words = frozenset(hints.split())
        _PHRASES.append(_Phrase(name, example, compiled, read, words, frozenset(needs.split())))
        return read

    return register


_MONTH_HINTS = (
    "january february march april may june july august september october november december sept "
) + " ".join(_MONTHS)
_WEEKDAY_HINTS = "monday tuesday wednesday thursday friday saturday sunday"
_UNIT_HINTS = "week weekend fortnight month quarter year decade"
_UNITS_HINTS = _UNIT_HINTS + (
    " day days weeks weekends fortnights months quarters years decades"
    " night nights hour hours minute minutes min mins"
)


@_phrase(
    "2023-06-13",
    rf"(?<![\w./-])(?P<year>{_FOUR_DIGITS})(?P<to>[-/])(?P<month>[01]?[0-9])(?P=to)"
    r"(?P<day>[0-3]?[0-9])(?![0-9/-]|\.\w|(?!t[0-9])[a-z_])",
    hints="#",
)
def _iso_date(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    day = calendar.date(int(match["year"]), int(match["month"]), int(match["day"]))
    return _unit_at(day, "day")


@_phrase(
    "13/06/2023",
    r"(?<![\w./-])(?P<one>[0-3]?[0-9])(?P<to>[/.-])(?P<two>[0-3]?[0-9])(?P=to)"
    rf"(?P<year>{_FOUR_DIGITS})(?![\w/-]|\.\w)",
    hints="#",
)
def _numeric_date(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    day, month = int(match["one"]), int(match["two"])
    if match["to"] != ".":
        if day <= 12 and month <= 12 and day != month:
            raise ValueError("either may be the month")
        if month > 12:
            day, month = month, day
    return _unit_at(calendar.date(int(match["year"]), month, day), "day")


_DAY_TO_DAY = (
    r"(?P<first>[0-3]?[0-9])(?:st|nd|rd|th)?(?P<to> ?- ?| (?:to|through|thru|until|and) )(?:the )?"
    r"(?P<last>[0-3]?[0-9])(?:st|nd|rd|th)?"
)


@_phrase(
    "between 3 and 9 June",
    r"(?:\b(?:between|from) )?(?<![\w.,/$#:-])(?:the )?"
    rf"{_DAY_TO_DAY} (?:of )?{_MONTH}(?:{_OF_YEAR})?",
    hints=_MONTH_HINTS,
)
@_phrase(
    "June 3-9, 2023",
    rf"(?:\b(?:between|from) )?\b{_MONTH} (?:the )?{_DAY_TO_DAY}\b"
    rf"(?![:.][0-9]| (?:[ap]m|(?:of )?{_MONTH_SPELLING})\b)(?:{_OF_YEAR})?",
    hints=_MONTH_HINTS,
)
def _days_of_a_month(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    if _may_be_a_verb(match):
        return None
    first = _dated(match, int(match["first"]), calendar)
    last = first.replace(day=int(match["last"]))
    return _Span(first, last + timedelta(1)) if first < last else None


@_phrase(
    "Friday the 5th of May",
    rf"(?<![\w.,/$#:-])(?:{_WEEKDAY_BEFORE})?(?:the )?{_DAY} (?:of )?{_MONTH}{_NO_PLACE_AFTER}"
    rf"(?:{_OF_YEAR})?",
    hints=_MONTH_HINTS,
)
@_phrase(
    "May 5, 2023",
    rf"(?:\b{_WEEKDAY_BEFORE})?\b{_MONTH} (?:the )?{_DAY}\b"
    rf"(?![:.%/][0-9]|%| ?(?:[ap]m)\b)(?:{_OF_YEAR})?",
    hints=_MONTH_HINTS,
)
def _day_of_a_month(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    if _may_be_a_verb(match):
        return None
    return _unit_at(_dated(match, _ordinal(match["day"]), calendar), "day")


def _dated(match: re.Match[str], day: int, calendar: _Calendar) -> datetime:
    month = _month_number(match["month"])
    if match["year"]:
        return calendar.date(_year_number(match["year"], calendar), month, day)
    return calendar.latest_date(month, day)


@_phrase(
    "2023-06",
    rf"(?<![\w./-])(?P<year>{_FOUR_DIGITS})-(?P<month>0[1-9]|1[0-2])(?![\w/-]|\.\w)",
    hints="#",
)
def _iso_month(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    return _unit_at(calendar.date(int(match["year"]), int(match["month"])), "month")


@_phrase("March 2023", rf"\b{_MONTH}{_OF_YEAR}", hints=_MONTH_HINTS)
def _month_of_a_year(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    year = _year_number(match["year"], calendar)
    return _unit_at(calendar.date(year, _month_number(match["month"])), "month")


@_phrase("last March", rf"{_NOT_MINE}\b{_WHICH} {_MONTH}(?! be\b)", hints=_MONTH_HINTS)
def _which_month(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    month, which = match["month"], _which(match)
    if which == "this" and month in ("may", "march"):  # "this may help"
        return None
    start = calendar.date(calendar.now.year, _month_number(month))
    current = _unit_at(calendar.today, "month").start
    return _which_of_every_year(start, "month", which, current)


def _which_of_every_year(start: datetime, unit: str, which: str, current: datetime) -> _Span:
    """What begins at `start` this year, or the last or next beside `current`."""
    if which == "next" and start <= current:
        start = _plus(start, "year", 1)
    if which == "last" and start >= current:
        start = _plus(start, "year", -1)
    return _Span(start, _plus(start, unit, 1))


@_phrase(
    "the March review",
    r"\b(?:the|our|my) (?P<month>(?-i:January|February|March|April|May|June|July|August"
    r"|September|October|November|December)) (?:meeting|review|session|call|conversation|chat"
    r"|discussion|stand-?up|sync|retro(?:spective)?|report|release|trip|planning)\b",
    hints=_MONTH_HINTS,
)
def _month_of_an_event(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    return _month(match, calendar)


@_phrase(
    "in March",
    rf"\b{_MONTH_NOT_A_NAME}(?!-| (?:be|have|not|madness)\b)",
    hints=_MONTH_HINTS,
    needs="within since before after until by around from",
)
@_phrase(
    "in May",
    rf"\b{_MONTH_OR_NAME}{_NO_NOUN_AFTER}",
    hints=_MONTH_HINTS,
    needs="within since before after until",
)
def _month(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    return _unit_at(calendar.latest_date(_month_number(match["month"]), 1), "month")


@_phrase(
    "Q3 2023",
    rf"(?:\b(?P<year_before>{_FOUR_DIGITS})[ -])?\b(?P<letter>[QH])(?P<number>[1-4])(?![\w./-])"
    rf"(?:{_OF_YEAR}|(?P<short_year>'[0-9]{{2}})\b)?",
    hints="q h",
)
def _quarter_or_half(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    """A half needs its year, for "H1" is a heading and more."""
    months = 3 if match["letter"] in "qQ" else 6
    month = (int(match["number"]) - 1) * months + 1
    year = match["year"] or match["short_year"] or match["year_before"]
    if month > 12 or not (year or match["letter"] == "Q"):
        return None
    start = calendar.latest_date(month, 1)
    if year:
        start = calendar.date(_year_number(year, calendar), month)
    return _Span(start, _plus(start, "month", months))


@_phrase(
    "last summer",
    rf"(?:\bthe )?{_NOT_MINE}\b(?:{_WHICH} )?(?P<season>spring|summer|autumn|fall|winter)\b"
    rf"(?:{_OF_YEAR}|{_NO_NOUN_AFTER})(?! (?:in love|by|for|from|into|off|to|on))",
    hints="spring summer autumn fall winter",
    needs="within since",
)
def _season(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    which = _which(match)
    start = _season_start(match["season"].lower(), calendar)
    if match["year"]:
        start = start.replace(year=_year_number(match["year"], calendar))
        if start > calendar.now and start.month == 12:  # "winter 2023", asked in 2023
            start = _plus(start, "year", -1)
        return _Span(start, _plus(start, "quarter", 1))
    begun = start if start <= calendar.today else _plus(start, "year", -1)
    goes_on = calendar.today < _plus(begun, "quarter", 1)
    match which:
        case "next":
            start = _plus(begun, "year", 1)
        case "this":
            start = begun if goes_on else start
        case "last" if goes_on:
            start = _plus(begun, "year", -1)
        case _:
            start = begun
    return _Span(start, _plus(start, "quarter", 1))


def _season_start(season: str, calendar: _Calendar) -> datetime:
    """This year's. A zone whose summer time is on in January lies in the south."""
    january, july = (calendar.date(calendar.now.year, month).dst() for month in (1, 7))
    south = january is not None and july is not None and january > july
    return calendar.date(calendar.now.year, (_SEASONS[season] + 6 * south - 1) % 12 + 1)


@_phrase(
    "on New Year's Eve",
    rf"{_NOT_MINE}\b(?:{_WHICH} )?(?P<holiday>{_HOLIDAY})(?:{_OF_YEAR}|{_NO_NOUN_AFTER})",
    hints="year years valentine valentines women womens patrick patricks fool fools earth anzac "
    "cinco juneteenth halloween guy bonfire veteran veterans christmas xmas boxing",
    needs="on over within since before after until by around",
)
def _holiday(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    month, day = _HOLIDAYS[re.sub("['.]", "", match["holiday"].lower())]
    if match["year"]:
        start = calendar.date(_year_number(match["year"], calendar), month, day)
        return _unit_at(start, "day")
    if match["which"]:
        start = calendar.date(calendar.now.year, month, day)
        return _which_of_every_year(start, "day", _which(match), calendar.today)
    return _unit_at(calendar.latest_date(month, day), "day")


@_phrase(
    "the early 1990s",
    r"\b(?:the )?(?P<decade>(?:19|20)[0-9]0)'?s\b"
    r"|(?:\bthe |(?<=early )|(?<=mid )|(?<=mid-)|(?<=late ))'?(?P<short>[0-9]0)s\b",
    hints="s",
    needs="within since before after until from",
)
def _decade(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    """Two digits name the latest decade that has begun."""
    year = int(match["decade"] or match["short"])
    if year < 100:
        year += 2000 if 2000 + year <= calendar.now.year else 1900
    return _unit_at(calendar.date(year), "decade")


@_phrase(
    "yesterday",
    r"(?<!usa )\b(?:(?:the )?(?P<far>day before yesterday|day after tomorrow)"
    r"|(?P<day>yesterday|today|tomorrow))\b",
    hints="yesterday today tomorrow",
)
def _relative_day(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    days = {"yesterday": 1, "today": 0, "tomorrow": -1}
    if match["far"]:
        ago = 2 if match["far"].lower().endswith("yesterday") else -2
    else:
        ago = days[match["day"].lower()]
    return _units_ago(calendar.today, "day", ago, ago)


@_phrase(
    "last night",
    rf"\b(?:(?P<which>last night|this {_PART}|tonight))\b(?! show)",
    hints="night tonight morning afternoon evening",
)
def _part_of_a_day(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    last = match["which"].lower() == "last night"
    day = _units_ago(calendar.today, "day", int(last), int(last))
    return _part_of(day, match["part"] or "night")


def _part_of(day: _Span, part: str) -> _Span | None:
    if day.days != 1:
        return None
    begin, end = _HOURS[part.lower()]
    days, hour = divmod(end, 24)
    return _Span(day.start.replace(hour=begin), (day.start + timedelta(days)).replace(hour=hour))


@_phrase(
    "this time last year",
    r"\b(?:around )?(?:this|the same) (?P<same>time|day|week|month|quarter)"
    r" last (?P<unit>week|month|year)\b",
    hints="time day week month quarter",
)
def _this_time_last(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    """A time is a day, three days or two weeks to each side."""
    same, unit = match["same"].lower(), match["unit"].lower()
    then = _plus(calendar.today, unit, -1)
    if same != "time":
        return _unit_at(then, same)
    margin = timedelta({"week": 1, "month": 3, "year": 14}[unit])
    return _Span(then - margin, then + margin + timedelta(1))


@_phrase(
    "the week before last",
    rf"\b(?:the )?(?:{_UNIT}|(?P<part>night)|{_WEEKDAY}) before last\b",
    hints="before",
)
def _before_last(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    if match["weekday"]:
        return _weekday_before(calendar.today - timedelta(7), match["weekday"])
    if match["part"]:
        return _part_of(_units_ago(calendar.today, "day", 2, 2), "night")
    unit = match["unit"].lower()
    return None if unit == "day" else _unit_at(_plus(calendar.today, unit, -2), unit)


@_phrase(
    "3 days ago",
    rf"{_QUANTITY} {_UNITS}(?: or so)?"
    r" (?:ago|earlier(?! than)|back(?! (?:pain|at|home|in|on|to|up)))\b",
    hints="ago back earlier",
)
def _ago(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    unit, (low, high) = match["unit"].lower(), _counts(match)
    if unit in _HOURS_IN:
        low_hours, high_hours = low * _HOURS_IN[unit] / 2, high * _HOURS_IN[unit] * 3 / 2
        return _Span(calendar.hours_ago(high_hours), calendar.hours_ago(low_hours))
    return _units_ago(calendar.today, unit, low, high)


@_phrase(
    "the last 10 days",
    rf"{_NOT_MINE}\b(?:(?:the|these|this) )?(?:last|past|previous) {_QUANTITY} {_UNITS}\b"
    r"(?! of\b|-)",
    hints="last past previous",
)
def _last_units(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    unit, (_, count) = match["unit"].lower(), _counts(match)
    if count > 1 and not match["plural"]:  # "the last 3 day trip"
        return None
    if unit in _HOURS_IN:
        return _Span(calendar.hours_ago(count * _HOURS_IN[unit]), calendar.now)
    return _Span(_plus(calendar.today, unit, -count), calendar.tomorrow)


@_phrase(
    "the past week",
    r"\b(?:(?:the (?:last|past)|(?:this )?past) (?P<unit>week|fortnight|month|quarter|year|decade)"
    r"|(?:in|over|within|during) the (?:last|past) (?P<short>hour|day))\b(?! of\b|-)",
    hints="last past",
)
def _past_unit(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    unit = (match["unit"] or match["short"]).lower()
    if unit == "hour":
        return _Span(calendar.hours_ago(1), calendar.now)
    return _Span(_plus(calendar.today, unit, -1), calendar.tomorrow)


@_phrase(
    "earlier this year",
    r"\b(?P<word>earlier|later) (?P<which>this|last) (?P<unit>week|month|quarter|year)\b"
    r"(?! of\b|-)",
    hints="earlier later",
)
def _earlier_or_later(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    """Up to today or from tomorrow if the unit goes on, else its first or last third."""
    unit, earlier = match["unit"].lower(), match["word"].lower() == "earlier"
    if match["which"].lower() == "last":
        past = _unit_at(_plus(calendar.today, unit, -1), unit)
        return _slice(past, 0 if earlier else 2, 3)
    start, end = _unit_at(calendar.today, unit)
    return _Span(start, calendar.tomorrow) if earlier else _Span(calendar.tomorrow, end)


@_phrase(
    "last week",
    rf"{_NOT_MINE}\b(?:the )?(?P<which>last|previous|this past|this|current|next)"
    r" (?P<unit>week|weekend|month|quarter|year|decade)\b(?! of\b|-)",
    hints=_UNIT_HINTS,
)
def _which_unit(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    unit, which = match["unit"].lower(), match["which"].lower()
    if which == "this past":
        return _latest_weekend(calendar)
    later = {"this": 0, "current": 0, "next": 1}.get(which, -1)
    return _unit_at(_plus(calendar.today, unit, later), unit)


@_phrase(
    "over the weekend",
    rf"\bthe weekend{_NO_NOUN_AFTER}",
    hints="weekend",
    needs="within on since before after",
)
def _weekend(match: re.Match[str], calendar: _Calendar) -> _Span | None:  # noqa: ARG001
    return _latest_weekend(calendar)


def _latest_weekend(calendar: _Calendar) -> _Span:
    """It may be going on."""
    weekend = _unit_at(calendar.today, "weekend")
    return weekend if weekend.start <= calendar.today else _shifted(weekend, -7)


@_phrase(
    "since the start of the month",
    r"(?:(?<=start of )|(?<=beginning of ))the (?P<unit>week|month|quarter|year)\b(?! of\b|-)",
    hints="start beginning",
)
def _current_unit(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    return _unit_at(calendar.today, match["unit"].lower())


@_phrase(
    "Tuesday",
    rf"{_NOT_A_NAMED_WEEKDAY}\b(?:{_WHICH} )?{_WEEKDAY}"
    r"(?!\.[a-z]|-| (?:addams|school|times|mass|night (?:live|lights|football)|the 13th)\b)",
    hints=_WEEKDAY_HINTS,
)
@_phrase(
    "on Tue",
    r"\b(?:(?P<which>(?-i:[Ll]ast|[Tt]his|[Nn]ext)) )?"
    r"(?P<weekday>(?-i:Mon|Tues?|Wed|Thu(?:rs?)?|Fri))\b(?!-|\.[a-z])",
    hints="mon tue tues wed thu thur thurs fri",
    needs="on since before after until by",
)
def _weekday(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    weekday = match["weekday"]
    match _which(match):
        case "next":
            return _weekday_after(calendar.tomorrow, weekday)
        case "this":
            return _weekday_after(_unit_at(calendar.today, "week").start, weekday)
        case _:
            return _weekday_before(calendar.today, weekday)


def _weekday_before(at: datetime, weekday: str) -> _Span:
    days = (at.weekday() - _weekday_number(weekday)) % 7 or 7
    return _unit_at(at - timedelta(days), "day")


def _weekday_after(at: datetime, weekday: str) -> _Span:
    """The first, which may be `at` itself."""
    return _unit_at(at + timedelta((_weekday_number(weekday) - at.weekday()) % 7), "day")


def _shifted(span: _Span, days: int) -> _Span:
    return _Span(span.start + timedelta(days), span.end + timedelta(days))


@_phrase(
    "recently",
    r"(?<!most )(?:\b(?:recently|lately)|(?<!of )\bthese days|\bthe other day)\b",
    hints="recently lately these other",
)
def _recently(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    """Three weeks; two up to yesterday for "the other day"."""
    if match[0].lower() == "the other day":
        return _Span(calendar.today - timedelta(14), calendar.today)
    return _Span(calendar.today - timedelta(21), calendar.tomorrow)


@_phrase("in recent weeks", r"\bin recent (?P<unit>day|week|month|year)s\b", hints="recent")
def _recent_units(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    unit = match["unit"].lower()
    count = {"day": 7, "week": 4, "month": 4, "year": 4}[unit]
    return _Span(_plus(calendar.today, unit, -count), calendar.tomorrow)


@_phrase(
    "on the 5th",
    rf"\bthe (?P<day>[0-3]?[0-9](?:st|nd|rd|th)){_NO_NOUN_AFTER}",
    hints="st nd rd th",
    needs="on since before after until by",
)
def _day_of_the_month(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    """The latest that isn't in the future."""
    day, month = _ordinal(match["day"]), calendar.today.replace(day=1)
    while day > monthrange(month.year, month.month)[1] or month.replace(day=day) > calendar.today:
        if day > 31:
            return None
        month = _plus(month, "month", -1)
    return _unit_at(month.replace(day=day), "day") if day else None


@_phrase(
    "in 2022",
    rf"(?<![\w.,/$#:'-])(?P<bare_year>{_FOUR_DIGITS})(?![\w/:'-]|[.,][0-9]){_NO_LIKELY_NOUN_AFTER}",
    hints="#",
    needs="within since before after until by around from",
)
def _year(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    return _unit_at(calendar.date(int(match["bare_year"])), "year")


@_phrase(
    "in 2022-2023",
    rf"(?<![\w.,/$#:'-])(?P<bare_year>{_FOUR_DIGITS})-(?P<last_year>{_FOUR_DIGITS})(?![\w/:'-])",
    hints="#",
    needs="within since before after until from",
)
def _years(match: re.Match[str], calendar: _Calendar) -> _Span | None:
    first, last = int(match["bare_year"]), int(match["last_year"])
    return _Span(calendar.date(first), calendar.date(last + 1)) if first < last else None


# --- modifiers ---------------------------------------------------------------------------

_Modify = Callable[[re.Match[str], _Span], _Span | None]


@dataclass(frozen=True, slots=True)
class _Modifier:
    name: str
    example: str
    pattern: re.Pattern[str]  # of what ends where the phrase begins
    modify: _Modify


_MODIFIERS: list[_Modifier] = []


def _modifier(example: str, pattern: str) -> Callable[[_Modify], _Modify]:
    def register(modify: _Modify) -> _Modify:
        compiled = re.compile(rf"\b(?:{pattern})$", re.IGNORECASE | re.ASCII)
        name = modify.__name__.removeprefix("_")
        _MODIFIERS.append(_Modifier(name, example, compiled, modify))
        return modify

    return register


@_modifier(
    "the end of summer 2023",
    r"(?:the )?(?:(?:very )?(?P<part>start|beginning|middle|end) of(?: the)? "
    r"|(?P<third>early|mid|late)(?:-| (?:in |on )?))",
)
def _third(match: re.Match[str], span: _Span) -> _Span | None:
    word = (match["part"] or match["third"]).lower()
    third = {"early": 0, "start": 0, "beginning": 0, "mid": 1, "middle": 1}.get(word, 2)
    return _slice(span, third, 3)


@_modifier(
    "the first half of 2024",
    r"(?:the )?(?P<half>first|1st|second|2nd|latter|last|other) half of (?:the )?",
)
def _half(match: re.Match[str], span: _Span) -> _Span | None:
    return _slice(span, 0 if match["half"].lower() in ("first", "1st") else 1, 2)


def _slice(span: _Span, index: int, parts: int) -> _Span | None:
    """One of `parts` about equal ones: in months where they divide, else in days."""
    if span.months and span.months % parts == 0:
        size = span.months // parts
        start = _plus(span.start, "month", size * index)
        return _Span(start, _plus(start, "month", size))
    if span.days < 2 * parts:
        return None
    days = 30 if span.months == 1 and parts == 3 else span.days
    cuts = [span.start + timedelta(days * cut // parts) for cut in range(parts)] + [span.end]
    return _Span(cuts[index], cuts[index + 1])


@_modifier(
    "the second week of November", rf"(?:the )?{_NTH} (?:{_UNIT}|{_WEEKDAY}) (?:of|in) (?:the )?"
)
def _nth(match: re.Match[str], span: _Span) -> _Span | None:
    """None where there is no such one: the fifth week of a February of 28 days."""
    nth = _ordinal(match["nth"])
    unit = "week" if match["weekday"] else match["unit"].lower()
    if match["weekday"]:
        first = _weekday_after(span.start, match["weekday"])
        last = _weekday_before(span.end, match["weekday"])
    elif unit == "weekend":
        first = _unit_at(span.start, unit)
        last = _unit_at(_plus(span.end, "week", -1), unit)
    else:
        first = _Span(span.start, _plus(span.start, unit, 1))
        last = _Span(_plus(span.end, unit, -1), span.end)
    if nth == -1:
        return last if last.start >= span.start else None
    start = _plus(first.start, unit, nth - 1)
    end = min(_plus(first.end, unit, nth - 1), max(span.end, first.end))
    return _Span(start, end) if start < span.end else None


@_modifier(
    "the first two weeks of March", rf"(?:the )?{_NTH} {_QUANTITY} {_UNITS} (?:of|in) (?:the )?"
)
def _first_or_last_units(match: re.Match[str], span: _Span) -> _Span | None:
    nth, unit, (_, count) = _ordinal(match["nth"]), match["unit"].lower(), _counts(match)
    if nth not in (1, -1) or unit in _HOURS_IN:
        return None
    if nth == 1:
        return _Span(span.start, min(_plus(span.start, unit, count), span.end))
    return _Span(max(_plus(span.end, unit, -count), span.start), span.end)


@_modifier("the 5th of last month", r"the (?P<day>[0-3]?[0-9](?:st|nd|rd|th)) of ")
def _day_of(match: re.Match[str], span: _Span) -> _Span | None:
    if span.months != 1:
        return None
    return _unit_at(span.start.replace(day=_ordinal(match["day"])), "day")


@_modifier("Tuesday of last week", rf"{_WEEKDAY},? (?:of |in )?")
def _weekday_of(match: re.Match[str], span: _Span) -> _Span | None:
    return _weekday_after(span.start, match["weekday"]) if span.days == 7 else None


@_modifier(
    "the weekend of 15 July 2023",
    r"(?:the )?(?P<unit>week|weekend|month) (?:of|containing) (?:the )?",
)
def _unit_of(match: re.Match[str], span: _Span) -> _Span | None:
    """The unit that a day lies in: Monday to Sunday for the weekend."""
    return _unit_at(span.start, match["unit"].lower()) if span.days == 1 else None


_BESIDE = (
    r"(?:(?:right|just|immediately|directly) )?(?P<side>before|prior to|preceding|after|following)"
)


@_modifier(
    "two weeks before Christmas", rf"(?P<whole>the )?{_QUANTITY} {_UNITS} {_BESIDE} (?:the )?"
)
def _units_beside(match: re.Match[str], span: _Span) -> _Span | None:
    """With "the", all of the time between."""
    unit, (low, high) = match["unit"].lower(), _counts(match)
    if unit in _HOURS_IN:
        return None
    after = match["side"].lower() in ("after", "following")
    if match["whole"] and after:
        return _Span(span.end, _plus(span.end, unit, high))
    if match["whole"]:
        return _Span(_plus(span.start, unit, -high), span.start)
    if after:
        return _units_ago(span.end - timedelta(1), unit, -high, -low)
    return _units_ago(span.start, unit, low, high)


@_modifier(
    "the week before 9 June",
    rf"(?:the )?(?:last )?(?:{_UNIT}|{_PART}|{_WEEKDAY}) {_BESIDE} (?:the )?",
)
def _unit_beside(match: re.Match[str], span: _Span) -> _Span | None:
    """As long as a unit, up to or on from the span; a weekend or weekday is the nearest one."""
    after = match["side"].lower() in ("after", "following")
    if match["weekday"]:
        nearest = _weekday_after if after else _weekday_before
        return nearest(span.end if after else span.start, match["weekday"])
    if match["part"]:
        return _part_of(
            _unit_at(span.end if after else span.start - timedelta(1), "day"), match["part"]
        )
    unit = match["unit"].lower()
    if unit == "weekend":
        saturday = _weekday_after(span.end, "sat") if after else _weekday_before(span.start, "sat")
        return _Span(saturday.start, saturday.start + timedelta(2))
    if after:
        return _Span(span.end, _plus(span.end, unit, 1))
    return _Span(_plus(span.start, unit, -1), span.start)


@_modifier("the morning of 5 June", rf"(?:the )?{_PART} (?:of|on) (?:the )?")
def _part_before(match: re.Match[str], span: _Span) -> _Span | None:
    return _part_of(span, match["part"])


# --- relations ---------------------------------------------------------------------------

_Bounds = tuple[datetime | None, datetime | None]
_Relate = Callable[[_Span], _Bounds]


@dataclass(frozen=True, slots=True)
class _Relation:
    name: str
    example: str
    pattern: re.Pattern[str]  # of what ends where the phrase begins
    relate: _Relate
    only: str  # the one phrase that it goes with; "" for any


_RELATIONS: list[_Relation] = []


def _relation(example: str, pattern: str, *, only: str = "") -> Callable[[_Relate], _Relate]:
    def register(relate: _Relate) -> _Relate:
        compiled = re.compile(rf"\b(?:{pattern}) $", re.IGNORECASE | re.ASCII)
        name = relate.__name__.removeprefix("_")
        _RELATIONS.append(_Relation(name, example, compiled, relate, only))
        return relate

    return register


@_relation("more than two weeks ago", "more than|over|at least", only="ago")
def _more_than(span: _Span) -> _Bounds:
    return None, span.end


@_relation("less than two weeks ago", "less than|under", only="ago")
def _less_than(span: _Span) -> _Bounds:
    return span.start, None


@_relation("around 5 June", "around")
def _around(span: _Span) -> _Bounds:
    """A day with three to each side; longer spans are vague enough."""
    margin = timedelta(3 if span.days == 1 else 0)
    return span.start - margin, span.end + margin


@_relation("over Christmas", "over", only="holiday")
def _over(span: _Span) -> _Bounds:
    return _around(span)


@_relation(
    "during March",
    "(?:(?:back )?in|during|throughout|within|over)(?: the (?:month|year)(?: of)?)?"
    "|the (?:month|year)(?: of)?",
)
def _within(span: _Span) -> _Bounds:
    return span


@_relation("on Christmas", "on|at")
def _on(span: _Span) -> _Bounds:
    return span


@_relation("from 2022", "from")
def _from(span: _Span) -> _Bounds:
    return span


@_relation("since March", "(?:ever )?since|starting(?: in| on| from)?")
def _since(span: _Span) -> _Bounds:
    return span.start, None


@_relation("before 2023", "before|prior to")
def _before(span: _Span) -> _Bounds:
    return None, span.start


@_relation("after last week", "after")
def _after(span: _Span) -> _Bounds:
    return span.end, None


@_relation("until yesterday", "(?<!days )(?<!weeks )(?<!months )(?:up )?(?:until|till)")
def _until(span: _Span) -> _Bounds:
    return None, span.end


@_relation("by the end of 2022", "by")
def _by(span: _Span) -> _Bounds:
    return None, span.end


# --- putting it together -----------------------------------------------------------------

_LOOK_BEHIND = 50  # characters; no modifier or relation is longer
_PART_AFTER = re.compile(rf" {_PART}\b", re.IGNORECASE | re.ASCII)
_AND_ON = re.compile(r" (?:onwards?|and later|on(?=[?.!,]|$))", re.IGNORECASE | re.ASCII)
_OPENING = re.compile(r"\b(?P<word>between|from|since) (?:the )?$", re.IGNORECASE | re.ASCII)
_JOINT = re.compile(
    r"(?: ?- ?| (?P<word>and|to|until|till|through|thru|up to) )(?:the )?", re.IGNORECASE | re.ASCII
)
_TO_NOW = re.compile(
    r" (?:and|to|until|till|up to) (?:now|the present)\b", re.IGNORECASE | re.ASCII
)
_TO_SOMETHING = re.compile(r" (?:to|until|till|through) ", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class _Reading:
    """text[begin:end], a phrase and the modifiers before it. `moves` are bound to their match."""

    phrase: _Phrase
    match: re.Match[str]
    begin: int
    end: int
    span: _Span
    moves: tuple[Callable[[_Span], _Span | None], ...] = ()

    def at(self, calendar: _Calendar) -> _Span | None:
        """What it would mean on another day."""
        span = self.phrase.read(self.match, calendar)
        for move in self.moves:
            span = span and move(span)
        return span

    @property
    def names_year(self) -> bool:
        return bool(self.match.groupdict().get("year"))

    @property
    def is_absolute(self) -> bool:
        groups = self.match.groupdict()
        years = ("year", "bare_year", "year_before", "short_year")
        return any((groups.get(name) or "-")[-1].isdigit() for name in years)

    @property
    def may_name_year(self) -> bool:
        return "year" in self.match.re.groupindex or self.phrase.name == "month"

    @property
    def needs(self) -> frozenset[str]:
        named = self.match.groupdict()
        bare = not (self.moves or named.get("year") or named.get("which"))
        return self.phrase.needs if bare else frozenset()


class _Window(NamedTuple):
    begin: int
    end: int
    since: datetime | None
    until: datetime | None


def _readings(text: str, phrases: list[_Phrase], calendar: _Calendar) -> list[_Reading]:
    """In order of their beginning, none within another."""
    taken: list[tuple[int, int]] = []
    readings = []
    for phrase in phrases:
        for match in phrase.pattern.finditer(text):
            if any(match.start() < end and begin < match.end() for begin, end in taken):
                continue
            try:
                span = phrase.read(match, calendar)
            except (ValueError, OverflowError):  # 30 February: not a date, nor "February"
                taken.append(match.span())
                continue
            if span:
                taken.append(match.span())
                readings.append(_modified(_Reading(phrase, match, *match.span(), span)))
    readings.sort(key=lambda reading: (reading.begin, -reading.end))
    outermost: list[_Reading] = []
    for reading in readings:
        if not outermost or reading.begin >= outermost[-1].end:
            outermost.append(reading)
    return outermost


def _modified(reading: _Reading) -> _Reading:
    text, begin, end, span = reading.match.string, reading.begin, reading.end, reading.span
    moves: list[Callable[[_Span], _Span | None]] = []
    try:
        if (part := _PART_AFTER.match(text, end)) and (of_day := _part_of(span, part["part"])):
            moves.append(lambda day: _part_of(day, part["part"]))
            span, end = of_day, part.end()
        while moved := _moved(text, begin, span):
            begin, span, move = moved
            moves.append(move)
    except (ValueError, OverflowError):
        return reading
    return _Reading(reading.phrase, reading.match, begin, end, span, tuple(moves))


def _moved(
    text: str, begin: int, span: _Span
) -> tuple[int, _Span, Callable[[_Span], _Span | None]] | None:
    for modifier in _MODIFIERS:
        match = modifier.pattern.search(text, max(0, begin - _LOOK_BEHIND), begin)
        if match and (moved := modifier.modify(match, span)):
            return match.start(), moved, partial(modifier.modify, match)
    return None


def _windows(text: str, readings: list[_Reading], calendar: _Calendar) -> list[_Window]:
    """Those with a year first, for in "last Friday, on 6 June 2023" it isn't now's Friday."""
    windows = []
    for reading, following in zip_longest(readings, readings[1:]):
        joined = _joined(text, reading, following) if following else None
        window = joined or _to_now(text, reading, calendar) or _related(text, reading)
        if window:
            absolute = reading.is_absolute or (joined and following.is_absolute)
            windows.append((not absolute, reading.phrase.name == "recently", window))
    return [window for *_, window in sorted(windows, key=itemgetter(0, 1))]


def _joined(text: str, one: _Reading, two: _Reading) -> _Window | None:
    """ "between X and Y", "from X to Y", "X to Y" of dates."""
    joint = _JOINT.fullmatch(text, one.end, two.begin)
    if not joint:
        return None
    word = (joint["word"] or "-").lower()
    opening = _OPENING.search(text, max(0, one.begin - _LOOK_BEHIND), one.begin)
    if not opening and word == "and":
        return _touching(text, one, two)
    if not opening and (word in ("until", "till") or not _are_dates(one, two)):
        return None
    if opening and word == "and" and opening["word"].lower() != "between":
        return None
    try:
        first, last = _in_order(one, two)
    except (ValueError, OverflowError):
        return None
    begin = opening.start() if opening else one.begin
    return _Window(begin, two.end, first.start, last.end) if first.start < last.end else None


def _touching(text: str, one: _Reading, two: _Reading) -> _Window | None:
    """ "in May and June", "on Monday and Tuesday"."""
    window = _related(text, one)
    if window and (window.since, window.until) == one.span and one.span.end == two.span.start:
        return window._replace(end=two.end, until=two.span.end)
    return None


def _are_dates(one: _Reading, two: _Reading) -> bool:
    return one.may_name_year and two.may_name_year and (two.names_year or not two.needs)


def _in_order(one: _Reading, two: _Reading) -> tuple[_Span, _Span]:
    """Whichever lacks a year takes it from the other; the first is the latest before the second."""
    first, last = one.span, two.span
    if one.names_year and two.may_name_year and not two.names_year:
        last = two.at(_Calendar(_plus(first.start, "year", 1))) or last
    elif first.start >= last.start or (two.names_year and not one.names_year):
        first = one.at(_Calendar(last.start)) or first
    return first, last


def _to_now(text: str, reading: _Reading, calendar: _Calendar) -> _Window | None:
    opening = _OPENING.search(text, max(0, reading.begin - _LOOK_BEHIND), reading.begin)
    now = _TO_NOW.match(text, reading.end)
    if not now or not (opening or reading.names_year):
        return None
    begin = opening.start() if opening else reading.begin
    return _Window(begin, now.end(), reading.span.start, calendar.tomorrow)


def _related(text: str, reading: _Reading) -> _Window | None:
    """Its relation, or itself if it needs none."""
    begin, end = max(0, reading.begin - _LOOK_BEHIND), reading.begin
    for relation in _RELATIONS:
        if relation.only not in ("", reading.phrase.name):
            continue
        if match := relation.pattern.search(text, begin, end):
            if reading.needs and relation.name not in reading.needs:
                return None
            if relation.name == "from":
                if onwards := _AND_ON.match(text, reading.end):
                    return _Window(match.start(), onwards.end(), reading.span.start, None)
                if reading.needs and _TO_SOMETHING.match(text, reading.end):
                    return None
            bounds = relation.relate(reading.span)
            idle = bounds == reading.span and not reading.needs  # "the shelter I was at yesterday"
            return _Window(reading.begin if idle else match.start(), reading.end, *bounds)
    return None if reading.needs else _Window(reading.begin, reading.end, *reading.span)


# --- earlier conversations ---------------------------------------------------------------

_NOT_A_TOPIC = _one_of(
    *_FUNCTION_WORDS,
    *_COUNTS,
    *_ORDINALS,
    *_WEEKDAY_HINTS.split(),
    *_MONTH_HINTS.split(),
    *_UNITS_HINTS.split(),
    *("i", "of", "one", "thing", "time", "name", "person"),
    *("last", "next", "more", "other", "known"),
)
_TOPIC_WORD = rf"(?!{_NOT_A_TOPIC}(?![\w-]))[a-z0-9][\w&/+:-]*"
_TOPIC = rf"{_TOPIC_WORD}(?: {_TOPIC_WORD}){{0,2}}"
_ABOUT = rf"(?: (?:about|regarding|on) (?:the |our |my )?(?P<about>{_TOPIC})(?=[?!.,;]|$))?"
_OURS = (
    r"(?<!\bhis )(?<!\bher )(?<!\btheir )(?<!'s )(?<!s' )\b"
    r"(?:(?:in|during|from|at|since|after|before) )?(?:(?:the|our|my|your|that) )?(?:very )?"
)
_TALKED = r"(?:spoke|talked|chatted|met|discussed|speak|talk|chat|meet)"
_SESSION_HINT = re.compile(
    r"\b(?:last|latest|recent|previous|prior|first)\b", re.IGNORECASE | re.ASCII
)
_SAID = _one_of(
    *("say", "said", "tell", "told", "ask", "asked", "mention", "mentioned", "discuss"),
    *("discussed", "talk", "talked", "speak", "spoke", "decide", "decided", "agree", "agreed"),
    *("cover", "covered", "suggest", "suggested", "recommend", "recommended", "explain"),
    *("explained", "plan", "planned", "promise", "promised", "leave off", "left off"),
)
_CONVERSATION = (
    "(?:meeting|session|conversation|chat|call|discussion|stand-?up|sync|one-on-one|1:1)"
)
_NO_OTHER_NOUN = (  # "the last session token", "the last call for papers"
    r"(?![\w-]| (?:rooms?|tokens?|ids?|apps?|cookies?|keys?|errors?|timestamps?|windows?"
    r"|cent(?:er|re)s?|boards?|points?|status|timeouts?|storage"
    r"|numbers?|logs?|urls?|to|for|of|me|him|her)\b)"
)
_I_TOLD_YOU = (
    "(?:i (?:told|asked|talked to|spoke to|spoke with) you"
    "|you (?:said|told me|asked me|mentioned|suggested|recommended|explained))"
)


def _session(phrase: str, *, before: str = "", after: str = "") -> re.Pattern[str]:
    return re.compile(rf"{before}(?P<phrase>{phrase}){after}", re.IGNORECASE | re.ASCII)


_SESSIONS = (
    # "last planning meeting", "our previous conversation about taxes"
    _session(
        rf"{_OURS}(?:last|latest|most recent|previous|prior|first) (?:(?P<topic>{_TOPIC}) )?"
        rf"{_CONVERSATION}\b{_NO_OTHER_NOUN}{_ABOUT}"
    ),
    # "last time we spoke", "the first time you and I talked about taxes"
    _session(
        r"\b(?:the )?(?:very )?(?:last|first) time (?:that )?"
        rf"(?:we|you and i) {_TALKED}\b{_NO_NOUN_AFTER}{_ABOUT}"
    ),
    # "when we last met", "last time you said"
    _session(rf"\b(?:we|you and i) last {_TALKED}\b{_NO_NOUN_AFTER}{_ABOUT}"),
    _session(rf"\b(?:the )?last time (?:that )?{_I_TOLD_YOU}\b"),
    # "what did we say last time", but not "what broke last time"
    _session(rf"\blast time(?=$|[?!.,;]| (?:about|regarding)\b){_ABOUT}", before=rf"\b{_SAID}\b.*"),
    _session("last time", before="^", after=rf",? .*\b{_SAID}\b"),
)
