"""What time a question means: phrases, traps, and what holds for any day and zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cross_session.domain import temporal
from cross_session.domain.temporal import SessionReference, session_reference, time_range

KOLKATA = ("Asia/Kolkata", "2023-08-16 15:30")  # a Wednesday
NEW_YORK = ("America/New_York", "2024-03-12 09:00")  # a Tuesday, two days into summer time
AUCKLAND = ("Pacific/Auckland", "2024-01-07 20:00")  # a Sunday in summer
LEAP_DAY = ("UTC", "2024-02-29 12:00")  # a Thursday
SAO_PAULO = ("America/Sao_Paulo", "2018-11-05 08:00")  # a Monday; yesterday had no midnight

OPEN = None

PHRASES: dict[tuple[str, str], list[tuple[str, str | None, str | None]]] = {
    KOLKATA: [
        # days
        ("What did I say today?", "2023-08-16", "2023-08-17"),
        ("what did we decide yesterday", "2023-08-15", "2023-08-16"),
        ("What came up in yesterday's meeting?", "2023-08-15", "2023-08-16"),
        ("Who called the day before yesterday?", "2023-08-14", "2023-08-15"),
        ("What is planned for tomorrow?", "2023-08-17", "2023-08-18"),
        ("And the day after tomorrow?", "2023-08-18", "2023-08-19"),
        ("What did I cook last night?", "2023-08-15 18:00", "2023-08-16 06:00"),
        ("What did I eat yesterday evening?", "2023-08-15 17:00", "2023-08-16"),
        ("Where was I yesterday morning?", "2023-08-15", "2023-08-15 12:00"),
        ("What did I ask this morning?", "2023-08-16", "2023-08-16 12:00"),
        ("Where do we meet tonight?", "2023-08-16 18:00", "2023-08-17 06:00"),
        ("What did I note earlier today?", "2023-08-16", "2023-08-17"),
        # weekdays
        ("What happened on Tuesday?", "2023-08-15", "2023-08-16"),
        ("What happened on Wednesday?", "2023-08-09", "2023-08-10"),
        ("Who missed Thursday's standup?", "2023-08-10", "2023-08-11"),
        ("what did i do last monday", "2023-08-14", "2023-08-15"),
        ("What is due this Friday?", "2023-08-18", "2023-08-19"),
        ("What is due next Wednesday?", "2023-08-23", "2023-08-24"),
        ("What did Ada say on Monday morning?", "2023-08-14", "2023-08-14 12:00"),
        ("Who came on Friday night?", "2023-08-11 18:00", "2023-08-12 06:00"),
        ("What have I logged since Monday?", "2023-08-14", OPEN),
        ("What did I do on Tuesday of last week?", "2023-08-08", "2023-08-09"),
        ("What did I do Thursday last week?", "2023-08-10", "2023-08-11"),
        ("The Sunday before last, where was I?", "2023-08-06", "2023-08-07"),
        ("What was said on Tue?", "2023-08-15", "2023-08-16"),
        # N units ago
        ("What did I say 3 days ago?", "2023-08-13", "2023-08-14"),
        ("What did I say ten days ago?", "2023-08-05", "2023-08-08"),
        ("What did I say a couple of days ago?", "2023-08-13", "2023-08-15"),
        ("Who wrote a week ago?", "2023-08-06", "2023-08-13"),
        ("Who wrote 2 weeks ago?", "2023-07-30", "2023-08-06"),
        ("Who wrote a couple of weeks ago?", "2023-07-23", "2023-08-06"),
        ("Who wrote a few weeks ago?", "2023-07-16", "2023-08-06"),
        ("Who wrote two or three weeks ago?", "2023-07-23", "2023-08-06"),
        ("Who wrote 2-3 weeks ago?", "2023-07-23", "2023-08-06"),
        ("Who wrote a fortnight ago?", "2023-07-30", "2023-08-06"),
        ("Where did I live a month ago?", "2023-07-01", "2023-08-01"),
        ("Where did I live six months ago?", "2023-02-01", "2023-03-01"),
        ("Where did I live several months ago?", "2023-01-01", "2023-06-01"),
        ("Where did I live a year ago?", "2022-01-01", "2023-01-01"),
        ("Where did I live 4 years back?", "2019-01-01", "2020-01-01"),
        ("Where did I live twenty-five years ago?", "1998-01-01", "1999-01-01"),
        ("Where did I live a decade ago?", "2013-01-01", "2014-01-01"),
        ("Where was I two weekends ago?", "2023-08-05", "2023-08-07"),
        ("What did I ask 2 hours ago?", "2023-08-16 12:30", "2023-08-16 14:30"),
        ("What did I ask 30 minutes ago?", "2023-08-16 14:45", "2023-08-16 15:15"),
        ("What did I see more than two weeks ago?", OPEN, "2023-08-06"),
        ("What did I see less than 3 days ago?", "2023-08-13", OPEN),
        ("What changed in two days earlier?", "2023-08-14", "2023-08-15"),
        # rolling
        ("What did I learn in the last 10 days?", "2023-08-06", "2023-08-17"),
        ("What did I learn over the past two weeks?", "2023-08-02", "2023-08-17"),
        ("What did I learn in the last few months?", "2023-04-16", "2023-08-17"),
        ("What did I learn in the past week?", "2023-08-09", "2023-08-17"),
        ("What did I learn over the last year?", "2022-08-16", "2023-08-17"),
        ("What did I read in the last day?", "2023-08-15", "2023-08-17"),
        ("What did I ask in the last hour?", "2023-08-16 14:30", "2023-08-16 15:30"),
        ("What did I ask in the past 24 hours?", "2023-08-15 15:30", "2023-08-16 15:30"),
        ("What have I read recently?", "2023-07-26", "2023-08-17"),
        ("What has Ada been up to lately?", "2023-07-26", "2023-08-17"),
        ("What did you tell me the other day?", "2023-08-02", "2023-08-16"),
        ("What moved in recent weeks?", "2023-07-19", "2023-08-17"),
        # calendar units
        ("What did we discuss last week?", "2023-08-07", "2023-08-14"),
        ("What did we discuss this week?", "2023-08-14", "2023-08-21"),
        ("What is planned for next week?", "2023-08-21", "2023-08-28"),
        ("And the week before last?", "2023-07-31", "2023-08-07"),
        ("What did I spend last month?", "2023-07-01", "2023-08-01"),
        ("What did I spend the month before last?", "2023-06-01", "2023-07-01"),
        ("What did I spend this quarter?", "2023-07-01", "2023-10-01"),
        ("What did I spend last quarter?", "2023-04-01", "2023-07-01"),
        ("What were last year's goals?", "2022-01-01", "2023-01-01"),
        ("What have I read earlier this year?", "2023-01-01", "2023-08-17"),
        ("What is due later this week?", "2023-08-17", "2023-08-21"),
        ("What did I do late last week?", "2023-08-11", "2023-08-14"),
        ("What happened at the end of last month?", "2023-07-21", "2023-08-01"),
        ("What happened early last year?", "2022-01-01", "2022-05-01"),
        ("What changed since the start of the year?", "2023-01-01", OPEN),
        ("This time last year, where was I?", "2022-08-02", "2022-08-31"),
        # weekends
        ("What did I do over the weekend?", "2023-08-12", "2023-08-14"),
        ("What did I do last weekend?", "2023-08-12", "2023-08-14"),
        ("What are we doing this weekend?", "2023-08-19", "2023-08-21"),
        ("Where was I the weekend of 15 July 2023?", "2023-07-15", "2023-07-17"),
        ("Where was I the weekend before 12 July?", "2023-07-08", "2023-07-10"),
        # dates
        ("What happened on 2023-06-13?", "2023-06-13", "2023-06-14"),
        ("What happened on 2023/6/13?", "2023-06-13", "2023-06-14"),
        ("What happened at 2023-06-13T10:00?", "2023-06-13", "2023-06-14"),
        ("What happened on 13/06/2023?", "2023-06-13", "2023-06-14"),
        ("What happened on 06/13/2023?", "2023-06-13", "2023-06-14"),
        ("What happened on 5.6.2023?", "2023-06-05", "2023-06-06"),
        ("What happened on 5/5/2023?", "2023-05-05", "2023-05-06"),
        ("What happened on 5 June 2023?", "2023-06-05", "2023-06-06"),
        ("What happened on June 5th, 2022?", "2022-06-05", "2022-06-06"),
        ("What happened on the 5th of June?", "2023-06-05", "2023-06-06"),
        ("What happened on the third of June?", "2023-06-03", "2023-06-04"),
        ("What happened on Monday, 5 June 2023?", "2023-06-05", "2023-06-06"),
        ("What happened on Dec. 24?", "2022-12-24", "2022-12-25"),
        ("What happened on 16 August?", "2023-08-16", "2023-08-17"),
        ("What happened on 17 August?", "2022-08-17", "2022-08-18"),
        ("What happened on May 3?", "2023-05-03", "2023-05-04"),
        ("What happened on 5 June last year?", "2022-06-05", "2022-06-06"),
        ("What happened on the morning of 5 June?", "2023-06-05", "2023-06-05 12:00"),
        ("What happened around 5 June?", "2023-06-02", "2023-06-09"),
        ("What happened on the 5th?", "2023-08-05", "2023-08-06"),
        ("What happened on the 31st?", "2023-07-31", "2023-08-01"),
        ("What happened on the 5th of last month?", "2023-07-05", "2023-07-06"),
        ("What happened between 3 and 9 June?", "2023-06-03", "2023-06-10"),
        ("What happened June 3-9, 2022?", "2022-06-03", "2022-06-10"),
        ("What happened from June 28 to July 2?", "2023-06-28", "2023-07-03"),
        ("What happened 3–9 June 2022?", "2022-06-03", "2022-06-10"),
        # months
        ("What happened in March?", "2023-03-01", "2023-04-01"),
        ("what happened in may?", "2023-05-01", "2023-06-01"),
        ("What happened in August?", "2023-08-01", "2023-09-01"),
        ("What happened in September?", "2022-09-01", "2022-10-01"),
        ("What happened last August?", "2022-08-01", "2022-09-01"),
        ("What happened last March?", "2023-03-01", "2023-04-01"),
        ("What happened this March?", "2023-03-01", "2023-04-01"),
        ("What starts next March?", "2024-03-01", "2024-04-01"),
        ("What happened in March of 2022?", "2022-03-01", "2022-04-01"),
        ("What happened in March '21?", "2021-03-01", "2021-04-01"),
        ("What happened in May last year?", "2022-05-01", "2022-06-01"),
        ("What happened in 2023-06?", "2023-06-01", "2023-07-01"),
        ("What changed since March?", "2023-03-01", OPEN),
        ("What changed since last March?", "2023-03-01", OPEN),
        ("What happened in May and June?", "2023-05-01", "2023-07-01"),
        ("what did i do march 5th", "2023-03-05", "2023-03-06"),
        ("What happened on 12 may?", "2023-05-12", "2023-05-13"),
        ("What happened Aug 15-17?", "2023-08-15", "2023-08-18"),
        ("What happened this month last year?", "2022-08-01", "2022-09-01"),
        ("What happened on this day last year?", "2022-08-16", "2022-08-17"),
        ("What did we say in the May review?", "2023-05-01", "2023-06-01"),
        ("What happened in the month of May?", "2023-05-01", "2023-06-01"),
        ("What happened in early March 2023?", "2023-03-01", "2023-03-11"),
        ("What happened in mid-March 2023?", "2023-03-11", "2023-03-21"),
        ("What happened in late March 2023?", "2023-03-21", "2023-04-01"),
        ("What happened at the end of May?", "2023-05-21", "2023-06-01"),
        ("What happened in the first half of June?", "2023-06-01", "2023-06-16"),
        ("Where was I in the second week of November?", "2022-11-08", "2022-11-15"),
        ("Where was I the last week of February 2024?", "2024-02-23", "2024-03-01"),
        ("Where was I on the first Monday of July?", "2023-07-03", "2023-07-04"),
        ("Where was I on the last Friday in June?", "2023-06-30", "2023-07-01"),
        ("Where was I the first weekend of July?", "2023-07-01", "2023-07-03"),
        ("Where was I on the last day of March?", "2023-03-31", "2023-04-01"),
        ("Where was I the first two weeks of March?", "2023-03-01", "2023-03-15"),
        ("Where was I the last 3 days of June?", "2023-06-28", "2023-07-01"),
        # quarters, halves, seasons, years
        ("What were the Q2 goals?", "2023-04-01", "2023-07-01"),
        ("What were the goals for Q4?", "2022-10-01", "2023-01-01"),
        ("What were the goals for Q3 2022?", "2022-07-01", "2022-10-01"),
        ("What were the goals for H2 2022?", "2022-07-01", "2023-01-01"),
        ("What happened in the third quarter of 2022?", "2022-07-01", "2022-10-01"),
        ("What happened in the first half of 2024?", "2024-01-01", "2024-07-01"),
        ("What happened in summer 2022?", "2022-06-01", "2022-09-01"),
        ("What happened last summer?", "2022-06-01", "2022-09-01"),
        ("What happened this summer?", "2023-06-01", "2023-09-01"),
        ("What happened last winter?", "2022-12-01", "2023-03-01"),
        ("What happened in the fall of 2022?", "2022-09-01", "2022-12-01"),
        ("What happened in the spring?", "2023-03-01", "2023-06-01"),
        ("What happened in winter 2023?", "2022-12-01", "2023-03-01"),
        ("What happened in late spring?", "2023-05-01", "2023-06-01"),
        ("What is planned for next spring?", "2024-03-01", "2024-06-01"),
        ("What were the 2022 Q3 goals?", "2022-07-01", "2022-10-01"),
        ("What happened at the start of Q2?", "2023-04-01", "2023-05-01"),
        ("What happened in 2021-2022?", "2021-01-01", "2023-01-01"),
        ("What was loved in the early 2000s?", "2000-01-01", "2003-05-01"),
        ("What happened in Q1 and Q2?", "2023-01-01", "2023-07-01"),
        ("What happened at the end of summer 2022?", "2022-08-01", "2022-09-01"),
        ("What happened in 2022?", "2022-01-01", "2023-01-01"),
        ("In 2022 Ada moved; where?", "2022-01-01", "2023-01-01"),
        ("What happened in late 2022?", "2022-09-01", "2023-01-01"),
        ("What happened before 2023?", OPEN, "2023-01-01"),
        ("What happened after 2021?", "2022-01-01", OPEN),
        ("What had I saved by the end of 2022?", OPEN, "2023-01-01"),
        ("What music was loved in the 1990s?", "1990-01-01", "2000-01-01"),
        ("What music was loved in the '80s?", "1980-01-01", "1990-01-01"),
        ("Which photos are from 2021?", "2021-01-01", "2022-01-01"),
        # holidays
        ("What did I do on Christmas?", "2022-12-25", "2022-12-26"),
        ("What did I do over Christmas 2021?", "2021-12-22", "2021-12-29"),
        ("What did I do on New Year's Eve?", "2022-12-31", "2023-01-01"),
        ("Who dressed up last Halloween?", "2022-10-31", "2022-11-01"),
        ("What did I give on Valentine’s Day?", "2023-02-14", "2023-02-15"),
        ("What did I do the day before Christmas?", "2022-12-24", "2022-12-25"),
        ("What did I do two weeks before Christmas?", "2022-12-08", "2022-12-15"),
        # relative to a date
        ("What did I do the week before 9 June 2023?", "2023-06-02", "2023-06-09"),
        ("What did I do the week after 9 June 2023?", "2023-06-10", "2023-06-17"),
        ("What did I do the week of 9 June 2023?", "2023-06-05", "2023-06-12"),
        ("What did I do the month before March 2023?", "2023-02-01", "2023-03-01"),
        ("What did I do the day after 9 June 2023?", "2023-06-10", "2023-06-11"),
        ("What did I do three days before 9 June 2023?", "2023-06-06", "2023-06-07"),
        ("What did I do two days after 9 June 2023?", "2023-06-11", "2023-06-12"),
        ("What did I do the Friday before 9 June 2023?", "2023-06-02", "2023-06-03"),
        ("What did I do the Sunday after 9 June 2023?", "2023-06-11", "2023-06-12"),
        ("What did I do last weekend before 10 April 2023?", "2023-04-08", "2023-04-10"),
        # joined
        ("What happened between March and May 2023?", "2023-03-01", "2023-06-01"),
        ("What happened between November and February?", "2022-11-01", "2023-03-01"),
        ("What happened between November 2021 and February?", "2021-11-01", "2022-03-01"),
        ("What happened from 2020 to 2022?", "2020-01-01", "2023-01-01"),
        ("What happened from Monday to Wednesday?", "2023-08-07", "2023-08-10"),
        ("What happened between last week and yesterday?", "2023-08-07", "2023-08-16"),
        ("What happened between May and now?", "2023-05-01", "2023-08-17"),
        ("What happened from early May until the end of June?", "2023-05-01", "2023-07-01"),
        ("What happened March to May 2022?", "2022-03-01", "2022-06-01"),
        ("What happened from March on?", "2023-03-01", OPEN),
        # relations
        ("What happened before yesterday?", OPEN, "2023-08-15"),
        ("What happened until last Friday?", OPEN, "2023-08-12"),
        ("What happened the night before last?", "2023-08-14 18:00", "2023-08-15 06:00"),
        ("What happened the night before Halloween?", "2022-10-30 18:00", "2022-10-31 06:00"),
        ("What happened in the two weeks before Christmas?", "2022-12-11", "2022-12-25"),
        ("What happened a month after 9 June 2023?", "2023-07-01", "2023-08-01"),
        ("What is due this coming Friday?", "2023-08-18", "2023-08-19"),
        ("What happened from June 2022 to now?", "2022-06-01", "2023-08-17"),
        ("What happened since 2020 until 2022?", "2020-01-01", "2023-01-01"),
        ("Go over yesterday's notes", "2023-08-15", "2023-08-16"),
        ("What has Ada been up to since Friday?", "2023-08-11", OPEN),
        ("What happened after 9 June?", "2023-06-10", OPEN),
        ("What happened since yesterday?", "2023-08-15", OPEN),
        # which of several
        ("What did she read recently, as said on 3 June 2023?", "2023-06-03", "2023-06-04"),
        ("What did he finish last Friday, on 23 January 2023?", "2023-01-23", "2023-01-24"),
        ("Yesterday or last week, what was it?", "2023-08-15", "2023-08-16"),
        ("  what\tdid we say\n last   week ", "2023-08-07", "2023-08-14"),
    ],
    NEW_YORK: [
        ("What did I say yesterday?", "2024-03-11", "2024-03-12"),
        ("What did I say on Sunday?", "2024-03-10", "2024-03-11"),  # 23 hours
        ("What did I say last week?", "2024-03-04", "2024-03-11"),
        ("What did I say last weekend?", "2024-03-09", "2024-03-11"),
        ("What did I say in the last 3 days?", "2024-03-09", "2024-03-13"),
        ("What did I say in March?", "2024-03-01", "2024-04-01"),
        ("What did I say last March?", "2023-03-01", "2023-04-01"),
        ("What did I say on July 4th?", "2023-07-04", "2023-07-05"),
        ("What did I say on the fourth of July?", "2023-07-04", "2023-07-05"),
        ("What did I say last fall?", "2023-09-01", "2023-12-01"),
        ("What did I say last winter?", "2023-12-01", "2024-03-01"),
        ("What did I say in Q4?", "2023-10-01", "2024-01-01"),
    ],
    AUCKLAND: [
        ("What did I do yesterday?", "2024-01-06", "2024-01-07"),
        ("What did I do on Sunday?", "2023-12-31", "2024-01-01"),
        ("What did I do over the weekend?", "2024-01-06", "2024-01-08"),
        ("What did I do last weekend?", "2023-12-30", "2024-01-01"),
        ("What did I do last week?", "2023-12-25", "2024-01-01"),
        ("What did I do this week?", "2024-01-01", "2024-01-08"),
        ("What did I do last month?", "2023-12-01", "2024-01-01"),
        ("What did I do last year?", "2023-01-01", "2024-01-01"),
        ("What did I do this summer?", "2023-12-01", "2024-03-01"),
        ("What did I do last winter?", "2023-06-01", "2023-09-01"),
        ("What did I do last quarter?", "2023-10-01", "2024-01-01"),
    ],
    LEAP_DAY: [
        ("What did I write today?", "2024-02-29", "2024-03-01"),
        ("What did I write a year ago?", "2023-01-01", "2024-01-01"),
        ("What did I write over the past year?", "2023-02-28", "2024-03-01"),
        ("What did I write in the last 12 months?", "2023-02-28", "2024-03-01"),
        ("What did I write on 29 February?", "2024-02-29", "2024-03-01"),
        ("What did I write on February 29, 2020?", "2020-02-29", "2020-03-01"),
        ("What did I write at the end of February?", "2024-02-21", "2024-03-01"),
        ("What did I write on the 30th?", "2024-01-30", "2024-01-31"),
        ("What did I write in the fifth week of February?", "2024-02-29", "2024-03-01"),
        ("What did I write this month?", "2024-02-01", "2024-03-01"),
    ],
    SAO_PAULO: [
        ("What did I do yesterday?", "2018-11-04 01:00", "2018-11-05"),  # from 01:00, 23 hours
        ("What did I do the day before yesterday?", "2018-11-03", "2018-11-04 01:00"),
        ("What did I do on Sunday morning?", "2018-11-04 01:00", "2018-11-04 12:00"),
        ("What did I do last week?", "2018-10-29", "2018-11-05"),
        ("What did I do last February 17?", "2018-02-17", "2018-02-18"),  # 25 hours
    ],
}

TRAPS = [
    # words that are also times
    "May I ask you something?",
    "You may be right, may you not?",
    "Did the band march on?",
    "Which songs do they march to?",
    "What is the best of march music?",
    "What should I do now?",
    "Make me a 3 day plan",
    "I want a second opinion",
    "In a second I will know",
    "Do we use the spring framework?",
    "What is in the Spring Boot docs?",
    "When did they fall in love?",
    "Did prices fall by half?",
    "Did the water spring from the rock?",
    "Did I sit in the sun?",
    "He sat down and wed her",
    "The sun, which sat low",
    "Is port 2022 open?",
    "Where is room 2019?",
    "Which version 2.10 bug was it?",
    "Is there 24/7 support?",
    "How long is 3/4 of a mile?",
    "Is it written in 2000 words?",
    "Did the bill come to 2019 dollars?",
    "Is part no. 2023-0612-11 in stock?",
    "Where is report-2023-06-13.pdf?",
    "What does file v2.10.2023 hold?",
    "Call me at 555-2023",
    # names
    "What does May think of August?",
    "What did April say to June?",
    "A letter from April",
    "Was it painted by May?",
    "In June's kitchen, what burns?",
    "What is in April Smith's bag?",
    "Before June left, what did she say?",
    "Do I use Monday.com?",
    "What did I buy on Black Friday?",
    "Who is Wednesday Addams?",
    "Where is Sunday school?",
    "What do I do every Monday?",
    "What do I do on Mondays?",
    "Did we meet on a Tuesday?",
    "Did I watch Friday Night Lights?",
    # "last", "next", "first", "day"
    "What is my last name?",
    "Last but not least, what is it?",
    "Who was in the last episode?",
    "What are the next steps?",
    "I will do it in a minute",
    "One day I will go",
    "What was it like from day one?",
    "What was the last 3 day hike?",
    "At the last minute, who came?",
    "What did I do in my last year at school?",
    "Where did I work in the last year of college?",
    "What did we decide in the last meeting?",
    "What did we say last time?",
    "At the end of the day, does it matter?",
    "How many weeks did it take?",
    "How long ago was it?",
    "Who is 3 years old?",
    "What can I do in two weeks?",
    "Was it half a year ago?",
    "Is it 1.5 years ago?",
    "Who visited most recently?",
    "One of these days I will",
    # two readings, or none
    "What happened on 05/06/2023?",
    "What happened on 30 February 2023?",
    "What happened on 2023-13-45?",
    "What happened on February 29, 2023?",
    "Where is the Christmas tree?",
    "What do I want for Christmas?",
    "What is the class of 2022 doing?",
    "What is the 2022 budget?",
    "What happened before the trip?",
    "What happened the week before the wedding?",
    "How is Q4_K_M quantized?",
    "What goes in an H1?",
    "At least 3 may join",
    "On the 5th floor, who sits?",
    "Where is 12 March Street?",
    "How many days until Christmas?",
    "Summarise the last two weeks of school",
    "What happened the following Friday?",
    "How many items are in 2000 rows?",
    "How does 3 days earlier than planned sound?",
    "In the fall of Rome, who won?",
    "Where did I go during spring break?",
    "What is on at 10.0.0.2019?",
    "Is it 999 decades ago?",
    "Is it one hundred and five days ago?",
    "",
    "?",
]


SESSIONS: list[tuple[str, str, str, str | None]] = [
    ("What did we decide in the last meeting?", "in the last meeting", "last", None),
    (
        "What came up in the last planning meeting?",
        "in the last planning meeting",
        "last",
        "planning",
    ),
    (
        "the previous backend review session",
        "the previous backend review session",
        "last",
        "backend review",
    ),
    ("Summarise our previous conversation", "our previous conversation", "last", None),
    ("Summarise our last chat about taxes.", "our last chat about taxes", "last", "taxes"),
    ("What did Ada say on the last Zoom call?", "the last Zoom call", "last", "Zoom"),
    ("What was said in the most recent standup?", "in the most recent standup", "last", None),
    ("What was said in the latest stand-up?", "in the latest stand-up", "last", None),
    ("What did the last one-on-one cover?", "the last one-on-one", "last", None),
    ("The last all-hands meeting's decisions?", "The last all-hands meeting", "last", "all-hands"),
    ("What did I ask in my first session?", "in my first session", "first", None),
    ("What did I tell you in our very first chat?", "in our very first chat", "first", None),
    ("What did we say last time?", "last time", "last", None),
    (
        "What did you recommend last time about running?",
        "last time about running",
        "last",
        "running",
    ),
    ("Last time, what did I promise?", "Last time", "last", None),
    ("Where did we get to last time we spoke?", "last time we spoke", "last", None),
    ("What changed since the last time we talked?", "the last time we talked", "last", None),
    (
        "The first time you and I talked, what was it?",
        "The first time you and I talked",
        "first",
        None,
    ),
    (
        "When did we last talk about the backend?",
        "we last talk about the backend",
        "last",
        "backend",
    ),
    ("Last time I told you a joke; which?", "Last time I told you", "last", None),
    ("the  last \n meeting", "the last meeting", "last", None),
]
NO_SESSIONS = [
    "When was the last time I went to Paris?",
    "Do you know the last time it crashed?",
    "The last time we met Bob, was he well?",
    "What broke last time?",
    "What is my last name?",
    "What was in yesterday's meeting?",
    "Who led last week's meeting?",
    "Who led last Tuesday's standup?",
    "Which of the last three meetings was best?",
    "What was her last conversation about?",
    "What did Bob's last call cover?",
    "What is in the last session token?",
    "When is the last call for papers?",
    "Where is the first meeting room?",
    "What was the last thing in the meeting?",
    "Who was first to call?",
    "What is on the last chat-app invoice?",
    "Last but not least, the session",
    "What is the meeting about?",
    "",
]


def instant(local: str | None, zone: str) -> datetime | None:
    return datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone)) if local else None


@pytest.mark.parametrize(
    ("question", "asked", "start", "end"),
    [(question, asked, *bounds) for asked, rows in PHRASES.items() for question, *bounds in rows],
)
def test_a_time_phrase_is_a_range_of_the_callers_days(
    question: str, asked: tuple[str, str], start: str | None, end: str | None
) -> None:
    zone, local_now = asked
    now = instant(local_now, zone)
    assert now

    found = time_range(question, now=now, timezone=ZoneInfo(zone))

    assert found, "nothing found"
    assert (found.start, found.end) == (utc(start, zone), utc(end, zone))
    assert found.phrase in " ".join(question.split())


def utc(local: str | None, zone: str) -> datetime | None:
    aware = instant(local, zone)
    return aware.astimezone(UTC) if aware else None


@pytest.mark.parametrize("question", TRAPS)
@pytest.mark.parametrize(("zone", "local_now"), [KOLKATA, NEW_YORK])
def test_no_range_is_better_than_a_wrong_one(question: str, zone: str, local_now: str) -> None:
    now = instant(local_now, zone)
    assert now

    assert time_range(question, now=now, timezone=ZoneInfo(zone)) is None


@pytest.mark.parametrize(("question", "phrase", "ordinal", "topic"), SESSIONS)
def test_an_earlier_conversation_is_a_session_and_no_date(
    question: str, phrase: str, ordinal: str, topic: str | None
) -> None:
    found = session_reference(question)

    assert found
    assert (found.phrase, found.ordinal, found.topic) == (phrase, ordinal, topic)
    assert time_range(question, now=datetime(2023, 8, 16, tzinfo=UTC), timezone=UTC) is None


@pytest.mark.parametrize("question", NO_SESSIONS)
def test_what_happened_last_is_no_earlier_conversation(question: str) -> None:
    assert session_reference(question) is None


def test_a_session_and_a_date_in_one_question_are_both_found() -> None:
    question = "What did the last planning meeting say about yesterday?"

    assert session_reference(question) == SessionReference(
        "the last planning meeting", "last", "planning"
    )
    found = time_range(question, now=datetime(2023, 8, 16, tzinfo=UTC), timezone=UTC)
    assert found
    assert found.phrase == "yesterday"


@pytest.mark.parametrize(
    "rule",
    [*temporal._PHRASES, *temporal._MODIFIERS, *temporal._RELATIONS],
    ids=lambda rule: f"{rule.name}: {rule.example}",
)
def test_every_rule_reads_its_example_to_the_end(rule: temporal._Phrase) -> None:
    now = datetime(2023, 8, 16, 12, tzinfo=UTC)

    found = time_range(f"What was it {rule.example}?", now=now, timezone=UTC)

    assert found
    assert found.phrase == rule.example


# --- any day, any zone -------------------------------------------------------------------

ZONES = [
    *("UTC", "Asia/Kolkata", "Asia/Kathmandu", "America/New_York", "America/Sao_Paulo"),
    *("Pacific/Auckland", "Pacific/Chatham", "Australia/Lord_Howe", "Europe/Berlin"),
    *("America/Havana", "Africa/Casablanca", "Asia/Beirut", "America/St_Johns"),
]
zones = st.sampled_from(ZONES).map(ZoneInfo)
instants = st.integers(480_000_000, 4_100_000_000).map(  # 1985 to 2099
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)
any_time = {"now": instants, "zone": zones}

QUESTIONS = sorted({question for rows in PHRASES.values() for question, *_ in rows})
PAST = [
    *("yesterday", "the day before yesterday", "last week", "last month", "last quarter"),
    *("last year", "on Tuesday", "last Friday", "3 days ago", "two weeks ago", "a month ago"),
    *("last weekend", "the week before last", "the other day"),
]
BEGUN = [
    *("in March", "in May", "in December", "on 5 June", "on 29 February", "on Christmas"),
    *("on the 31st", "in the spring", "in the winter", "Q3", "last summer", "last March"),
    *("today", "this month", "recently", "in the last 3 months", "over the weekend"),
]


def window(phrase: str, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    found = time_range(f"What was it {phrase}?", now=now, timezone=zone)
    assert found, phrase
    assert found.start
    assert found.end
    return found.start, found.end


@given(**any_time)
@example(datetime(2018, 11, 5, 12, tzinfo=UTC), ZoneInfo("America/Sao_Paulo"))  # no midnight
@example(datetime(2023, 11, 6, 12, tzinfo=UTC), ZoneInfo("America/Havana"))  # two midnights
@example(datetime(2024, 3, 11, 12, tzinfo=UTC), ZoneInfo("America/New_York"))
def test_yesterday_is_the_local_day_that_ends_where_today_begins(
    now: datetime, zone: ZoneInfo
) -> None:
    start, end = window("yesterday", now, zone)
    today_start, today_end = window("today", now, zone)

    assert timedelta(hours=23) <= end - start <= timedelta(hours=25)
    assert end == today_start <= now < today_end
    assert start.astimezone(zone).date() == now.astimezone(zone).date() - timedelta(1)
    assert (end - timedelta.resolution).astimezone(zone).date() == start.astimezone(zone).date()


@given(**any_time)
def test_last_month_is_the_whole_calendar_month_before_this(now: datetime, zone: ZoneInfo) -> None:
    start, end = window("last month", now, zone)

    first = start.astimezone(zone).date()
    last = (end - timedelta.resolution).astimezone(zone).date()
    assert first.day == 1
    assert (first.year, first.month) == (last.year, last.month)
    assert (last + timedelta(1)).day == 1
    assert end == window("this month", now, zone)[0]


@given(**any_time)
def test_last_week_is_monday_to_sunday_and_this_week_follows(now: datetime, zone: ZoneInfo) -> None:
    start, end = window("last week", now, zone)

    assert start.astimezone(zone).weekday() == 0
    assert (end - timedelta.resolution).astimezone(zone).weekday() == 6
    assert end == window("this week", now, zone)[0] <= now


@given(phrase=st.sampled_from(PAST), **any_time)
def test_what_is_past_ends_before_now(phrase: str, now: datetime, zone: ZoneInfo) -> None:
    start, end = window(phrase, now, zone)

    assert start < end <= now


@given(phrase=st.sampled_from(BEGUN), **any_time)
def test_what_has_no_year_has_begun_by_now(phrase: str, now: datetime, zone: ZoneInfo) -> None:
    start, end = window(phrase, now, zone)

    assert start <= now
    assert start < end


@given(day=st.integers(1, 31), **any_time)
def test_a_day_of_the_month_is_the_latest_month_that_has_it(
    day: int, now: datetime, zone: ZoneInfo
) -> None:
    suffix = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}.get(day, "th")

    start, _ = window(f"on the {day}{suffix}", now, zone)

    assert start.astimezone(zone).day == day
    assert now - timedelta(63) < start <= now


@given(question=st.sampled_from(QUESTIONS), **any_time)
def test_every_range_begins_before_it_ends(question: str, now: datetime, zone: ZoneInfo) -> None:
    found = time_range(question, now=now, timezone=zone)

    if found and found.start and found.end:  # "29 February 2023" has none in most years
        assert found.start < found.end
    if found:
        assert {bound.tzinfo for bound in (found.start, found.end) if bound} == {UTC}


@given(question=st.sampled_from(QUESTIONS), now=instants, zone=zones, asker=zones)
def test_only_the_callers_zone_counts_not_the_clocks(
    question: str, now: datetime, zone: ZoneInfo, asker: ZoneInfo
) -> None:
    here = time_range(question, now=now, timezone=asker)

    assert time_range(question, now=now.astimezone(zone), timezone=asker) == here


WORDS = sorted(
    {word for question in (*QUESTIONS, *TRAPS) for word in question.split()}
    | {"İ", "ſ", "K", "’", "–", "٣", "é", "999", "0", "00", "32nd", "99/99/2099"}
)
texts = st.one_of(st.text(max_size=80), st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))


@given(text=texts, **any_time)
@example("0 June 0th of last month", datetime(2023, 8, 16, tzinfo=UTC), ZoneInfo("UTC"))
@example("laſt weeK in MAY", datetime(2023, 8, 16, tzinfo=UTC), ZoneInfo("UTC"))
def test_no_text_raises(text: str, now: datetime, zone: ZoneInfo) -> None:
    found = time_range(text, now=now, timezone=zone)
    session = session_reference(text)

    asked = " ".join(text.split())
    assert found is None or found.phrase in asked
    assert session is None or session.phrase in asked


def test_a_day_that_a_zone_left_out_has_no_range() -> None:
    apia = ZoneInfo("Pacific/Apia")  # crossed the date line: no 30 December 2011

    assert (
        time_range("yesterday", now=datetime(2011, 12, 31, 12, tzinfo=apia), timezone=apia) is None
    )


def test_a_very_long_text_is_read_in_moderate_time() -> None:
    now = datetime(2023, 8, 16, tzinfo=UTC)

    found = time_range("in may, 2 weeks ago or said " * 50_000, now=now, timezone=UTC)

    assert found
    assert session_reference("said last first " * 50_000) is None
