"""Work on the record of a household that is too long for a page."""

from celery import shared_task

from common.tasks import in_household_of
from households.models import Household
from households.record.activity import record_check_keep


@shared_task
@in_household_of("households.Household")
def audit_check_task(household_id: int) -> None:
    record_check_keep(Household.objects.get(pk=household_id))
