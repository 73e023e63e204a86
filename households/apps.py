from django.apps import AppConfig


class HouseholdsConfig(AppConfig):
    name = "households"

    def ready(self) -> None:
        from households import receivers  # noqa: F401 - connects them
        from households.accounts import receivers as account_receivers  # noqa: F401 - connects them
