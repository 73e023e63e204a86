"""The STUN and TURN servers for the next connection of a call: fresh from the hub, and such as answer from here."""

from uuid import UUID

from agent.link import Link
from agent.peer import IceConfiguration, PeerError
from protocol.messages.connection import IceServers, IceServersRequest, IceTransportPolicy
from turn.choice import ServerChoice


class IceSource:
    """One for the whole device: it remembers for a moment which servers answered."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._choice = ServerChoice()

    async def get(self, call_id: UUID) -> IceConfiguration:
        """Raises what Link.request raises; PeerError where only a relay may be used and none answers."""
        answer = await self._link.request(IceServersRequest(call_id=call_id))
        if not isinstance(answer, IceServers):
            raise PeerError("The hub named no servers for the sound.")
        chosen = await self._choice.choose(answer.ice_servers)
        is_relay_only = answer.ice_transport_policy is IceTransportPolicy.RELAY
        if is_relay_only and not any(server.username for server in chosen):
            raise PeerError("The relay of the hub does not answer, and this home uses no other way.")
        return IceConfiguration(servers=chosen, policy=answer.ice_transport_policy)

    def forget(self) -> None:
        """After a connection that did not come about, or in another network."""
        self._choice.forget()
