"""A socket of which nobody can say whether it may stay: it is looked at again soon, and closed before long."""

import asyncio
import time

import pytest
from asgiref.sync import sync_to_async

from households.events import rights_changed
from households.models import Membership
from signaling import recheck as recheck_module
from tests.plugin_cast import Cast
from tests.signaling.leaving import put_out, stays
from tests.signaling.sockets import Socket, browser
from tests.signaling.test_faults import hanging, sent_away

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

# As a hub of a later version would write it: reading this row fails, for a reason that nobody foresaw.
UNKNOWN_ROLE = "bishop"


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recheck_module, "AGAIN_S", 0.1)
    monkeypatch.setattr(recheck_module, "SURE_WITHIN_S", 1.5)


async def page_of(member: Membership) -> Socket:
    page = await browser(member)
    await page.hear("presence")  # all that comes with a hello
    return page


async def hint(member: Membership) -> None:
    await sync_to_async(rights_changed.send)(sender=Membership, household=member.household, user=member.user)


async def role_set(member: Membership, role: str) -> None:
    await Membership.objects.filter(pk=member.pk).aupdate(role=role)


async def test_after_a_hint_a_socket_that_cannot_be_looked_at_is_closed(cast: Cast) -> None:
    page = await page_of(cast.ben)
    await role_set(cast.ben, UNKNOWN_ROLE)
    since = time.monotonic()
    await hint(cast.ben)
    assert await sent_away(page) == ("internal", 1000)
    assert time.monotonic() - since >= 1.5, "it was not given the time of a short pause"
    await page.close()


async def test_without_a_hint_too_where_the_database_is_there(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recheck_module, "EVERY_S", 0.2)
    page = await page_of(cast.ben)
    await role_set(cast.ben, UNKNOWN_ROLE)
    assert await sent_away(page) == ("internal", 1000)
    await page.close()


async def test_after_a_hint_a_socket_is_closed_while_the_look_itself_hangs(cast: Cast) -> None:
    page = await page_of(cast.ben)
    with hanging("households_membership"):
        await hint(cast.ben)
        assert await sent_away(page) == ("internal", 1000)
    await page.close()


async def test_a_look_that_failed_is_made_again_soon_and_decides(cast: Cast) -> None:
    """Long before the next one that the socket would make by itself."""
    ben, carla = await page_of(cast.ben), await page_of(cast.carla)
    for member in (cast.ben, cast.carla):
        await role_set(member, UNKNOWN_ROLE)
        await hint(member)
    await asyncio.sleep(0.5)  # three looks failed
    await Membership.objects.filter(pk=cast.ben.pk).adelete()
    await role_set(cast.carla, cast.carla.role)
    assert (await put_out(ben))["code"] == "not_a_member"
    await asyncio.sleep(1.5)
    await stays(carla)


async def test_a_hint_while_it_waits_is_followed_at_once(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recheck_module, "AGAIN_S", 60.0)
    monkeypatch.setattr(recheck_module, "SURE_WITHIN_S", 60.0)
    page = await page_of(cast.ben)
    await role_set(cast.ben, UNKNOWN_ROLE)
    await hint(cast.ben)
    await asyncio.sleep(0.5)
    await Membership.objects.filter(pk=cast.ben.pk).adelete()
    await hint(cast.ben)
    assert (await put_out(page))["code"] == "not_a_member"


async def test_a_pause_of_the_database_puts_nobody_out(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    hinted = await page_of(cast.anna)
    with hanging("households_membership"):
        await hint(cast.anna)
        await asyncio.sleep(0.7)
    await asyncio.sleep(1.5)
    monkeypatch.setattr(recheck_module, "EVERY_S", 0.2)
    quiet = await page_of(cast.carla)
    with hanging("households_membership"):  # longer, and nobody said that anything changed
        await asyncio.sleep(2.5)
    for page in (hinted, quiet):
        await stays(page)


async def test_a_look_that_was_due_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it does not say when the next one is: else it would be made again and again."""
    looks: list[float] = []

    async def look() -> None:
        looks.append(time.monotonic())

    recheck = recheck_module.Recheck(look, look)
    recheck.start()
    recheck.due(0.05)
    await asyncio.sleep(0.5)
    await recheck.stop()
    assert len(looks) == 1
