"""Whether an answer came from the hub as it is: else somebody in between could put his own certificate into it."""

from agent.errors import AgentError
from agent.identity import Identity
from protocol.identity import answer_text, fingerprints
from protocol.messages.connection import WebrtcAnswer, WebrtcOffer

CHANGED = "Somebody between this device and its hub changes what they say, so the call is not safe."


class AnswerRefusedError(AgentError):
    """The hub did not sign this answer to this offer."""

    def __init__(self) -> None:
        super().__init__(CHANGED)


def answer_check(identity: Identity, offer: WebrtcOffer, answer: WebrtcAnswer) -> None:
    """Raises AnswerRefusedError unless the hub signed it: the certificates of both ends, for this very offer."""
    try:
        text = answer_text(
            device_id=str(identity.device_id),
            call_id=str(offer.call_id),
            request_id=offer.id or "",
            offered=fingerprints(offer.sdp),
            answered=fingerprints(answer.sdp),
        )
    except ValueError:
        raise AnswerRefusedError from None
    if not identity.is_of_hub(signature=answer.proof or "", text=text):
        raise AnswerRefusedError
