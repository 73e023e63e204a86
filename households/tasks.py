"""Work on the record of a household that is too long for a page."""

from celery import shared_task

from households.activity import record_check_keep
from households.models import Household


@shared_task
def audit_check_task(household_id: int) -> None:
    record_check_keep(Household.objects.get(pk=household_id))
