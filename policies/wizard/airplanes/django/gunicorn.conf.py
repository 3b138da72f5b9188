import os

wsgi_app = "config.wsgi:application"
bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"
threads = 4
control_socket_disable = True


def worker_exit(server, worker):
    """Sends what is still in the queue, once, when the worker stops."""
    import posthog

    posthog.shutdown()
