import os

wsgi_app = "app:create_app()"
bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"
threads = 4
control_socket_disable = True


def worker_exit(server, worker):
    """Sends what is still in the queue, once, when the worker stops."""
    from app.analytics import posthog_client

    posthog_client.shutdown()
