"""What is said around this product, and freer English than the household grammar, for the recogniser only.

Three sources: phrases of the product's screens, announcements and tests, with and without slots; sentences of a
loose English grammar; and rows of words in no order, which teach it to listen where guessing does not help.
"""

import random

import words
from household import KINDS, fill
from household import sentence as household_sentence

PRODUCT = """
Dinner is ready.
{+MEAL} is ready.
{+MEAL} is on the table.
{+MEAL} will be ready in {NUMBER} minutes.
Dinner is ready, please come to the {ROOM}.
Dinner is ready. Please come to the {ROOM}, {NAME}!
Hello, can you hear me?
Hello, this is {NAME}, can you hear me?
Can you hear me now?
Yes, I can hear you.
Yes, I can hear you well, {NAME}.
I hear you loud and clear.
Please come to the kitchen.
Please come to the {ROOM}.
Please come down, {MEAL} is ready.
{NAME} is listening.
Anna is listening.
Anna is calling from the {ROOM}.
{NAME} is calling.
{NAME} is calling you from the {ROOM}.
{PERSON} is calling from the {ROOM}.
This call is recorded.
This call is being recorded.
The call has ended.
The recording is finished.
The {ROOM} speaker is online.
The {ROOM} speaker is offline.
The {DEVICE} is online.
The device in the {ROOM} is offline.
This is a test of the intercom.
This is the {ROOM} speaking.
This is an announcement for everyone.
Attention please, this is a test.
Announcement from {NAME}.
{NAME} sent an announcement to the {ROOM}.
Nobody answered the call.
The line is busy, please try again later.
Please leave a message after the tone.
Please speak after the tone.
Your code is {DIGITS}.
The claim code is {DIGITS}.
The number is {DIGITS}.
Sentence number {NUMBER}.
This is message number {NUMBER}.
Message {NUMBER} of {NUMBER}.
The {ANIMAL} is in the {ROOM}.
The coffee is ready.
The coffee is in the {ROOM}.
Good morning, the {DRINK} is ready.
{+GREETING}, the {DRINK} is in the {ROOM}.
Good morning, everybody.
Good night, sleep well.
Good night and sleep well, {NAME}.
See you at {CLOCK}.
I will be home at {CLOCK}.
I will be home at {NUMBER} tonight.
I will be home soon.
I am on my way home.
I am in the {ROOM}.
We are in the {ROOM}.
Where are you, {NAME}?
Who is at the door?
Somebody is at the door.
The door is open.
The front door is not locked.
The {DEVICE} is finished.
The {DEVICE} has finished.
The laundry is done.
The {FOOD} is ready.
The {FOOD} is too hot.
The {FOOD} and the {FOOD} are on the table.
The water is too cold.
The baby is awake.
The baby is awake in the {ROOM}.
The baby is crying in the {ROOM}.
The children are asleep.
Please be quiet, the baby is sleeping.
Please turn off the light in the {ROOM}.
Please turn off the lights in the {ROOM}.
Please turn on the {DEVICE} in the {ROOM}.
Can you open the {ROOM} door?
Can you open the door, please?
Can you open the window in the {ROOM}?
Could you help me in the {ROOM}?
Could you bring me the {ITEM}, please?
Please bring the {ITEM}, it is raining.
Please bring the {ITEM} to the {ROOM}.
Take the {ITEM} with you.
It is raining outside.
It is {WEATHER} outside.
Your taxi is here.
Your taxi is waiting outside.
The taxi will be here in {NUMBER} minutes.
The bus leaves in {NUMBER} minutes.
The train leaves at {CLOCK}.
We leave in {NUMBER} minutes.
We leave for {PLACE} in {NUMBER} minutes.
We leave for {PLACE} at {CLOCK}.
Time for bed, {NAME}.
Time to get up.
Time to go to {PLACE}.
It is time for {MEAL}.
Please {CHORE} before {PLACE}.
{NAME}, please {CHORE} before school.
{NAME}, please feed the {ANIMAL} before {PLACE}.
{NAME}, can you {CHORE}?
Did you {CHORE}, {NAME}?
Remember to {CHORE}.
I need help with the {ITEM}.
Thank you, {NAME}.
Thank you very much.
You are welcome.
That is all for now.
Yes, please.
No, thank you.
I am fine, thank you.
How are you today, {NAME}?
What is for {MEAL}?
What time is it?
It is {CLOCK}.
The parcel is at the front door.
A parcel arrived for {NAME}.
The doctor will call back at {CLOCK}.
The window in the {ROOM} is open.
There is smoke in the {ROOM}.
The dog wants to go out.
Call me when you get home.
Meet me in the {ROOM} in {NUMBER} minutes.
The quick brown fox jumps over the lazy dog.
""".strip().split("\n")

_PRONOUNS = words.listed("""
I you he she it we they somebody nobody everybody
""")
_BE = {"I": "am", "he": "is", "she": "is", "it": "is", "somebody": "is", "nobody": "is", "everybody": "is"}
_HELPERS = words.listed("""
can could will would should must may might cannot
""")
_DETERMINERS = words.listed("""
the the the a my your his her our their this that every no some any
""")
_VERBS = words.listed("""
ask answer begin believe break bring build buy call carry catch change check choose clean climb close
come cook count cut do draw drink drive eat end fall feed feel fetch fill find finish fix follow forget
get give go hang have hear help hide hit hold hurry jump keep know laugh learn leave let like listen live
look lose love make mean meet mix move need open pay pick play press pull push put reach read remember
ring run say see sell send show shut sing sit sleep speak stand start stay stop switch take talk teach
tell think throw touch try turn use wait wake walk want warm wash watch wear win work worry write
""")
_OBJECTS = words.listed("""
me you him her it us them something nothing everything
""")
_PREPOSITIONS = words.listed("""
about after around at before behind beside by for from in into near of off on out over to under up with
""")
_LITTLE = words.listed("""
all also always and are as back because been but did do does down each enough even far fast few first
good great had half hard has here how if just last less long many more most much never new next not now
old once one only or other own quite really right same short so still such than then there these thing
this those though through today together too two until very was way well were what when where which while
who whole whose why without word year yes yesterday yet hello listening recorded calling recording
speaker message minute hour day night week people child children family friend house home street town
city country world money number name voice sound song story question answer problem idea help place side
part end air fire light power line signal network connection battery button screen camera door window
floor wall roof water weather morning evening afternoon holiday
""")
_ALL_WORDS = sorted(
    {word for kind in KINDS.values() for phrase in kind for word in phrase.split()}
    | {*_VERBS, *_LITTLE, *_PRONOUNS, *_HELPERS, *_PREPOSITIONS, *words.UP_TO_TWELVE, *words.TENS}
)
_NOUNS = words.listed("""
ITEM FOOD ANIMAL DEVICE JOB VEHICLE NATURE ROOM DRINK BODY_PART
""")


def product_sentence(rng: random.Random) -> str:
    text = fill(rng.choice(PRODUCT), rng)
    return text[0].upper() + text[1:]


def loose_sentence(rng: random.Random) -> str:
    """Grammatical more often than not; meaning is not asked for."""
    subject = _noun_phrase(rng) if rng.random() < 0.5 else rng.choice([*_PRONOUNS, *words.NAMES])
    kind = rng.random()
    if kind < 0.25:
        text = f"{subject} {_be(subject)} {_quality(rng)}"
    elif kind < 0.55:
        text = f"{subject} {rng.choice(_HELPERS)} {_action(rng)}"
    elif kind < 0.7:
        text = f"{rng.choice(_HELPERS)} {subject} {_action(rng)}?"
    elif kind < 0.85:
        text = f"please {_action(rng)}"
    else:
        opening = rng.choice(["what", "when", "where", "why", "how", "who"])
        text = f"{opening} {rng.choice(['did', 'do', 'will', 'can'])} {subject} {_action(rng)}?"
    if rng.random() < 0.2:
        text = (
            f"{text.rstrip('?')} {rng.choice(['and', 'but', 'because', 'so', 'if', 'when'])} {_clause(rng)}"
        )
    return _written(text)


def word_row(rng: random.Random) -> str:
    return _written(" ".join(rng.choice(_ALL_WORDS) for _ in range(rng.randint(2, 7))))


def sentence(rng: random.Random) -> str:
    """One sentence of the mix that the recogniser is trained on."""
    source = rng.choices(
        [household_sentence, product_sentence, loose_sentence, word_row], [0.3, 0.3, 0.25, 0.15]
    )[0]
    return source(rng)


def _clause(rng: random.Random) -> str:
    subject = rng.choice(_PRONOUNS)
    return f"{subject} {_be(subject)} {_quality(rng)}"


def _be(subject: str) -> str:
    return _BE.get(subject, "are" if subject in _PRONOUNS else "is")


def _quality(rng: random.Random) -> str:
    quality = rng.choice(
        [*words.FEELINGS, *words.ADJECTIVES, *words.DEVICE_STATES, f"in the {rng.choice(words.ROOMS)}"]
    )
    return f"{rng.choice(['', '', 'not ', 'too ', 'very ', 'still '])}{quality}"


def _action(rng: random.Random) -> str:
    action = rng.choice(_VERBS)
    if rng.random() < 0.6:
        action += f" {rng.choice(_OBJECTS) if rng.random() < 0.3 else _noun_phrase(rng)}"
    if rng.random() < 0.5:
        action += f" {rng.choice(_PREPOSITIONS)} {_noun_phrase(rng)}"
    return action if rng.random() < 0.7 else f"{action} {rng.choice(words.WHEN)}"


def _noun_phrase(rng: random.Random) -> str:
    noun = rng.choice(KINDS[rng.choice(_NOUNS)])
    adjective = f"{rng.choice(words.ADJECTIVES)} " if rng.random() < 0.25 else ""
    return f"{rng.choice(_DETERMINERS)} {adjective}{noun}"


def _written(text: str) -> str:
    sentence_text = text if text.endswith("?") else f"{text}."
    return sentence_text[0].upper() + sentence_text[1:]
