from django.apps import AppConfig


class HouseholdsConfig(AppConfig):
    name = "households"

    def ready(self) -> None:
        from households import account_receivers, receivers  # noqa: F401 - connects them
