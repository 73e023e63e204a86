from django.apps import AppConfig


class SignalingConfig(AppConfig):
    name = "signaling"

    def ready(self) -> None:
        from signaling import receivers  # noqa: F401 - connects them
