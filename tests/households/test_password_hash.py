"""How a password is kept: as the settings of the hub say, not those of the tests, which hash fast."""

import pytest
from django.conf import LazySettings
from django.contrib.auth.hashers import check_password, make_password
from django.test import override_settings

from config.settings import base
from households.models import User
from tests.plugin_cast import PASSWORD

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def as_on_a_hub(settings: LazySettings) -> None:
    settings.PASSWORD_HASHERS = base.PASSWORD_HASHERS


def test_a_new_account_has_a_hash_of_argon2() -> None:
    user = User.objects.create_user("new@example.org", PASSWORD, name="New")
    user.refresh_from_db()
    assert user.password.startswith("argon2$argon2id$")
    assert PASSWORD not in user.password
    assert user.check_password(PASSWORD)
    assert not user.check_password(PASSWORD.upper())


def test_no_other_kind_of_hash_is_believed() -> None:
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        weak = make_password(PASSWORD)
    assert not check_password(PASSWORD, weak)
