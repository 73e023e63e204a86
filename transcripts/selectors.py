"""Reads: the transcripts of a call as one conversation."""

from collections.abc import Sequence
from dataclasses import dataclass

from calls.models import Call, ParticipantRole, Recording, RecordingState
from calls.quality.breaks import Break
from calls.recording.parts import recording_breaks, recording_parts
from transcripts.models import Transcript, TranscriptSegment, TranscriptState


@dataclass(frozen=True)
class Sentence:
    """`start_s`, `end_s`: seconds of the listening copy."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Turn:
    """What one participant said until another one spoke, or the connection was gone."""

    speaker: str
    is_caller: bool
    sentences: list[Sentence]

    @property
    def at_s(self) -> float:
        return self.sentences[0].start_s


@dataclass(frozen=True)
class Conversation:
    """`state`: of the transcript that is furthest from ready; `none` when nothing was recorded."""

    state: str
    reason: str
    turns: list[Turn]
    is_demo_model: bool
    has_speech: bool
    breaks: Sequence[Break] = ()  # on the clock of the listening copy

    @property
    def entries(self) -> list[Turn | Break]:
        """In the order of time."""
        entries: list[Turn | Break] = [*self.turns, *self.breaks]
        return sorted(entries, key=lambda entry: entry.at_s)

    @property
    def is_settled(self) -> bool:
        return self.state in (TranscriptState.READY, TranscriptState.FAILED, "none")


_WORST_FIRST = [
    TranscriptState.FAILED,
    TranscriptState.WAITING,
    TranscriptState.QUEUED,
    TranscriptState.RUNNING,
    TranscriptState.READY,
]


def conversation_get(call: Call) -> Conversation:
    """Merged by time. Who speaks is known from the recording, never guessed."""
    transcripts = list(
        Transcript.objects.filter(recording__call=call).select_related(
            "recording__participant", "recording__call"
        )
    )
    if not transcripts:
        is_recorded = Recording.objects.filter(call=call).exclude(state=RecordingState.LOST).exists()
        return Conversation(TranscriptState.QUEUED if is_recorded else "none", "", [], False, False)
    worst = min(transcripts, key=lambda t: _WORST_FIRST.index(TranscriptState(t.state)))
    breaks = recording_breaks(call)
    turns = _turns(transcripts, breaks)
    return Conversation(
        state=worst.state,
        reason=worst.reason,
        turns=turns,
        is_demo_model=any(t.is_demo_model for t in transcripts),
        has_speech=bool(turns),
        breaks=breaks,
    )


def _turns(transcripts: list[Transcript], breaks: Sequence[Break]) -> list[Turn]:
    parts = {part.recording.pk: part for part in recording_parts(t.recording for t in transcripts)}
    spoken: list[tuple[float, Transcript, TranscriptSegment]] = []
    by_key = {t.pk: t for t in transcripts}
    for segment in TranscriptSegment.objects.filter(transcript__in=transcripts):
        transcript = by_key[segment.transcript_id]
        part = parts.get(transcript.recording_id)
        if part is None:
            spoken.append((segment.start_s, transcript, segment))
        elif part.most_s is None or segment.start_s < part.most_s:
            spoken.append((segment.start_s + part.offset_s, transcript, segment))
    spoken.sort(key=lambda item: (item[0], item[2].pk))
    turns: list[Turn] = []
    for start, transcript, segment in spoken:
        participant = transcript.recording.participant
        sentence = Sentence(start, start + segment.end_s - segment.start_s, segment.text)
        turn = Turn(participant.display_name, participant.role == ParticipantRole.CALLER, [sentence])
        if turns and _is_going_on(turns[-1], turn, breaks):
            turns[-1].sentences.append(sentence)
        else:
            turns.append(turn)
    return turns


def _is_going_on(last: Turn, turn: Turn, breaks: Sequence[Break]) -> bool:
    """Whether the same participant speaks, without a break in between."""
    is_same = (last.speaker, last.is_caller) == (turn.speaker, turn.is_caller)
    return is_same and not any(last.sentences[-1].start_s < one.at_s <= turn.at_s for one in breaks)


def transcript_stuck_list(call: Call) -> list[Transcript]:
    """Those that wait for somebody: failed, or without a model."""
    states = [TranscriptState.FAILED, TranscriptState.WAITING]
    return list(Transcript.objects.filter(recording__call=call, state__in=states))
