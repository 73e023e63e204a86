"""HTTP and WebSocket, served by Daphne."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
http = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402 - Django must be set up first
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402

from config.edge import Edge  # noqa: E402
from config.http import OwnThread  # noqa: E402
from signaling.origin import OriginGate  # noqa: E402
from signaling.routing import urlpatterns  # noqa: E402

application = Edge(
    ProtocolTypeRouter(
        {
            "http": OwnThread(http),
            "websocket": OriginGate(AuthMiddlewareStack(URLRouter(urlpatterns))),
        }
    ),
    proxies=settings.TRUSTED_PROXIES,
)
