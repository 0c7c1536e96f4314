"""Whether a memory says nothing that an older one doesn't say already.

Vectors can't tell: "The budget is 5,000" and "The budget is 6,000" have a cosine of .97, as
near as a paraphrase. So the words that make a statement another one are compared as well.
"""

import re

from cross_session.domain.memory import Memory

_TOKEN = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+(?:'[^\W\d_]+)?")
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_SENTENCE_START = re.compile(r"(?:^|[.!?:;]\s+|\n\s*)[\"“(\[-]*\s*$")
_STOP_WORDS = frozenset(
    "a an the and or but so as at by for from in into of on onto to with is are was were be been"
    " being am has have had do does did will would shall should can could may might must i you he"
    " she it we they me him her us them my your his its our their this that these those there here"
    " again still also just now then already really very please stay stays remain remains".split()
)
_NEGATIONS = frozenset(
    "not no never none nothing nobody neither nor without except unless hardly cannot".split()
)
_NUMBERS = frozenset(
    "zero two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety"
    " hundred thousand million billion second third fourth fifth twice double".split()
)
_OPPOSITES = [
    (frozenset(ones.split()), frozenset(others.split()))
    for ones, others in (
        ("before", "after"),
        ("always", "seldom rarely sometimes"),
        ("true yes", "false"),
        ("enable enabled enables on", "disable disabled disables off"),
        ("allow allowed allows", "forbid forbidden forbids deny denied denies refuse refused"),
        ("accept accepted accepts approve approved", "reject rejected rejects decline declined"),
        ("pass passed passes succeed succeeded", "fail failed fails"),
        ("start started starts begin began", "stop stopped stops end ended finished"),
        ("open opened opens", "close closed closes"),
        ("add added adds", "remove removed removes drop dropped"),
        (
            "increase increased raise raised rise rose up",
            "decrease decreased lower lowered fell down",
        ),
        ("more higher bigger larger faster later", "less fewer lower smaller slower earlier"),
        ("like likes liked love loves loved", "dislike dislikes disliked hate hates hated"),
        ("won win wins", "lost lose loses"),
        ("confirm confirmed confirms", "cancel cancelled canceled cancels"),
        ("last past", "next"),
        ("buy buys bought", "sell sells sold"),
    )
]

_MOST_OTHER_WORDS = 0.5


def repeats(new: Memory, old: Memory) -> bool:
    """Whether `old` can stand for `new`: it says as much, and is found wherever `new` would be.

    Of two that end, `old` can be let live as long as `new` would have. How alike the two are by
    their vectors is for the caller to judge.
    """
    return (
        (old.expires_at is None or new.expires_at is not None)
        and new.memory_type == old.memory_type
        and new.subject in (None, old.subject)
        and set(new.tags) <= set(old.tags)
        and says_nothing_new(new.content, old.content)
    )


def says_nothing_new(new: str, old: str) -> bool:
    """The same names and numbers in the same order, as many negations, no word whose opposite
    the other has; most of the words the same, and no more other ones than it drops."""
    new, old = _plain(new), _plain(old)
    new_words, old_words = _words(new), _words(old)
    if _telling(new, old) != _telling(old, new):
        return False
    if any(
        (ones & new_words and others & old_words) or (others & new_words and ones & old_words)
        for ones, others in _OPPOSITES
    ):
        return False
    new_stems, old_stems = ({_stem(word) for word in words} for words in (new_words, old_words))
    added, dropped = new_stems - old_stems, old_stems - new_stems
    return len(added) <= min(len(dropped), _MOST_OTHER_WORDS * len(new_stems))


def _words(text: str) -> frozenset[str]:
    return frozenset(match.group().lower() for match in _TOKEN.finditer(text)) - _STOP_WORDS


def _telling(text: str, other: str) -> tuple[list[str], list[str], int]:
    """The names, in their order, the numbers, in theirs, and how often it says no.

    A capital at a sentence's start says little: there a word is a name if it is one in the
    middle of a sentence of the other text, or the other doesn't have it.
    """
    others = {_stem(word) for word in _words(other)}
    others -= {_stem(word) for word, starts in _capitalised(other) if not starts}
    names = [
        _stem(word) for word, starts in _capitalised(text) if not (starts and _stem(word) in others)
    ]
    words = [match.group().lower() for match in _TOKEN.finditer(text)]
    numbers = [word for word in words if word[0].isdigit() or word in _NUMBERS]
    negations = sum(word in _NEGATIONS or word.endswith("n't") for word in words)
    return names, numbers, negations


def _capitalised(text: str) -> list[tuple[str, bool]]:
    """The words that may be names, in lower case, and whether a sentence starts with them."""
    return [
        (word, bool(_SENTENCE_START.search(text[: match.start()])))
        for match in _TOKEN.finditer(text)
        if match.group()[0].isupper()
        and (word := match.group().lower()) not in _STOP_WORDS | _NUMBERS | _NEGATIONS
    ]


def _stem(word: str) -> str:
    """Without the ending of a plural or a possessive."""
    bare = word.removesuffix("'s")
    return bare[:-1] if len(bare) > 3 and bare.endswith("s") and not bare.endswith("ss") else bare


def _plain(text: str) -> str:
    """With 5,000 as 5000 and one kind of apostrophe."""
    return _GROUPED.sub("", text).replace("’", "'")
