"""Household sentences from a small grammar over more than 1,500 words.

Numbers are spelled out, because that is what is spoken. The same generator gives the voice its diphones, so a
change here makes another voice, and another voice needs a recogniser that has heard it.
"""

import random
import re

import words

_SLOT = re.compile(r"{(\+?)([A-Z_]+)}")

# {ROOM} takes a word of that kind, {+ROOM} begins it with a capital letter.
TEMPLATES = """
{GREETING}, {NAME}. {+MEAL} is ready in the {ROOM}.
{+MEAL} is ready at {CLOCK}.
{+MEAL} will be served in {NUMBER} minutes.
{NAME}, please come to the {ROOM}.
{NAME}, please {CHORE} {WHEN}.
{NAME} and {NAME}, could you {CHORE}?
Can somebody {CHORE} {WHEN}?
Don't forget to {CHORE} {WHEN}.
Who wants to {CHORE} with {PERSON}?
It is your turn to {CHORE}, {NAME}.
We are having {FOOD} with {FOOD} for {MEAL}.
We need more {FOOD}, {FOOD} and {FOOD}.
Please buy {NUMBER} bottles of {DRINK} and some {FOOD}.
Would you like some {DRINK} or {DRINK}, {NAME}?
I made {FOOD} and {FOOD} for everyone.
The {FOOD} is in the fridge next to the {FOOD}.
Put the {FOOD} in the oven for {NUMBER} minutes.
There is no {FOOD} left, only {FOOD}.
Does anyone know where the {ITEM} is?
I found the {ADJECTIVE} {ITEM} {WHERE}.
The {ADJECTIVE} {ITEM} is {WHERE} in the {ROOM}.
Have you seen my {COLOR} {ITEM} anywhere?
{NAME} left a {COLOR} {ITEM} {WHERE}.
Bring me the {ITEM} and the {ADJECTIVE} {ITEM}, please.
Your {ADJECTIVE} {ITEM} arrived {WHEN}.
My {ITEM} is {ADJECTIVE} and your {ITEM} is {COLOR}.
Somebody is at the front door for {NAME}.
{+PERSON} is waiting in the {ROOM}.
{+PERSON} will arrive at {CLOCK} on {DAY}.
{+PERSON} {PAST_VERB} {WHEN}.
{NAME} {PAST_VERB} and {PERSON} {PAST_VERB}.
{NAME} is {FEELING} because {PERSON} {PAST_VERB}.
I am going to {PLACE} with {NAME} {WHEN}.
I will pick you up from {PLACE} at {CLOCK}.
The bus to {PLACE} leaves in {NUMBER} minutes.
We will meet at {PLACE} on {DAY} at {CLOCK}.
{NAME} has to be at {PLACE} before {CLOCK}.
How do we get from {PLACE} to {PLACE}?
Tomorrow will be {WEATHER} with {WEATHER_NOUN} in the evening.
It is {WEATHER} and {WEATHER} outside, so wear your {ITEM}.
The forecast says {WEATHER_NOUN} on {DAY} and {WEATHER_NOUN} on {DAY}.
The temperature is {NUMBER} degrees in the {ROOM}.
{+SEASON} was {WEATHER} and {MONTH} was {WEATHER}.
The {DEVICE} in the {ROOM} is {DEVICE_STATE}.
Is the {DEVICE} {DEVICE_STATE}, {NAME}?
Please check the {DEVICE}, it is {DEVICE_STATE}.
Turn on the {DEVICE} and turn off the {DEVICE}.
The {ANIMAL} is sleeping {WHERE}.
The {COLOR} {ANIMAL} is chasing the {ADJECTIVE} {ANIMAL}.
Did anybody feed the {ANIMAL} and the {ANIMAL}?
There is a {ANIMAL} in the {ROOM}.
My {BODY_PART} hurts and I feel {FEELING}.
{NAME} has a sore {BODY_PART} and a swollen {BODY_PART}.
{NAME} has a test in {SUBJECT} and {SUBJECT} on {DAY}.
Have you finished your {SUBJECT} homework, {NAME}?
{NAME} is playing {SPORT} with {NAME} in the {ROOM}.
Let's play {SPORT} after {ACTIVITY}.
I love {ACTIVITY}, but {PERSON} prefers {ACTIVITY}.
{NAME} goes {ACTIVITY} every {DAY} at {CLOCK}.
The birthday party is on the {ORDINAL} of {MONTH}.
{NAME} will be {NUMBER} years old in {MONTH}.
The {ORDINAL} guest brought {FOOD} and a {ITEM}.
{GREETING}, {NAME}. I am {FEELING}.
{GREETING}, this is {NAME} in the {ROOM}.
{GREETING}! The {DEVICE} is {DEVICE_STATE}.
Are you {FEELING} or {FEELING}?
I am calling from the {ROOM}, can you hear me?
Everybody please come down to the {ROOM} {WHEN}.
Movie night starts at {CLOCK} in the {ROOM}.
Lights out in {NUMBER} minutes, {NAME}.
The code is {DIGITS}.
Our phone number is {DIGITS}.
The parcel weighs {NUMBER} kilos and costs {NUMBER} dollars.
Set a timer for {NUMBER} minutes and {NUMBER} seconds.
Wake me up at {CLOCK} {WHEN}.
Remind {PERSON} to {CHORE} on {DAY}.
If it is {WEATHER}, we will go to {PLACE}.
Yes, {NAME} already {PAST_VERB}.
No, the {ITEM} is still {WHERE}.
Thanks for the {FOOD}, it was delicious.
What time does {PLACE} open on {DAY}?
Why is the {ITEM} in the {ROOM}?
The {JOB} {ADVERB} {VERB} the {ADJECTIVE} {VEHICLE}.
{NAME} {ADVERB} {VERB} the {NATURE} and the {ANIMAL}.
The {JOB} from {COUNTRY} {VERB} a {NATURE}.
We {ADVERB} travel to {COUNTRY} in {SEASON}.
{NAME} wants to be a {JOB} or a {JOB}.
The {VEHICLE} from {COUNTRY} is {ADVERB} late.
{+PERSON} {VERB} the {VEHICLE} near the {NATURE}.
A letter from {COUNTRY} arrived for the {JOB}.
""".strip().split("\n")

KINDS: dict[str, list[str]] = {
    "ACTIVITY": words.ACTIVITIES,
    "ADJECTIVE": words.ADJECTIVES,
    "ADVERB": words.ADVERBS,
    "ANIMAL": words.ANIMALS,
    "BODY_PART": words.BODY_PARTS,
    "CHORE": words.CHORES,
    "COLOR": words.COLORS,
    "COUNTRY": words.COUNTRIES,
    "DAY": words.DAYS,
    "DEVICE": words.DEVICES,
    "DEVICE_STATE": words.DEVICE_STATES,
    "DRINK": words.DRINKS,
    "FEELING": words.FEELINGS,
    "FOOD": words.FOODS,
    "GREETING": words.GREETINGS,
    "ITEM": words.ITEMS,
    "JOB": words.JOBS,
    "MEAL": words.MEALS,
    "MONTH": words.MONTHS,
    "NAME": words.NAMES,
    "NATURE": words.NATURE,
    "ORDINAL": words.ORDINALS,
    "PAST_VERB": words.PAST_VERBS,
    "PERSON": words.PEOPLE,
    "PLACE": words.PLACES,
    "ROOM": words.ROOMS,
    "SEASON": words.SEASONS,
    "SPORT": words.SPORTS,
    "SUBJECT": words.SUBJECTS,
    "VEHICLE": words.VEHICLES,
    "VERB": words.VERBS,
    "WEATHER": words.WEATHER,
    "WEATHER_NOUN": words.WEATHER_NOUNS,
    "WHEN": words.WHEN,
    "WHERE": words.WHERE,
}


def number(rng: random.Random, low: int = 1, high: int = 99) -> str:
    value = rng.randint(low, high)
    if value <= 12:
        return words.UP_TO_TWELVE[value - 1]
    if value < 20:
        return words.TEENS[value - 13]
    tens = words.TENS[value // 10 - 2]
    return tens if value % 10 == 0 else f"{tens} {words.UP_TO_TWELVE[value % 10 - 1]}"


def clock(rng: random.Random) -> str:
    hour = rng.choice(words.UP_TO_TWELVE)
    # All are made before one is chosen: the order of the draws is part of the voice.
    return rng.choice(
        [
            f"{hour} o'clock",
            f"half past {hour}",
            f"quarter past {hour}",
            f"quarter to {hour}",
            f"{hour} {rng.choice(words.TENS[:4])}",
            f"{hour} {rng.choice(words.TENS[:4])} {rng.choice(words.UP_TO_TWELVE[:9])}",
            f"{number(rng, 2, 29)} minutes past {hour}",
            f"{hour} {rng.choice(words.TEENS)}",
        ]
    )


def digits(rng: random.Random) -> str:
    return " ".join(rng.choice(["zero", *words.UP_TO_TWELVE[:9]]) for _ in range(rng.randint(4, 7)))


def fill(template: str, rng: random.Random) -> str:
    """Every slot of the template replaced by a random word of its kind."""

    def word(match: re.Match[str]) -> str:
        text = _word(match[2], rng)
        return text[0].upper() + text[1:] if match[1] else text

    return _SLOT.sub(word, template)


def _word(kind: str, rng: random.Random) -> str:
    match kind:
        case "NUMBER":
            return number(rng, 2)
        case "CLOCK":
            return clock(rng)
        case "DIGITS":
            return digits(rng)
        case _:
            return rng.choice(KINDS[kind])


def sentence(rng: random.Random) -> str:
    return fill(rng.choice(TEMPLATES), rng)
