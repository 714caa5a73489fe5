"""Django and DRF scenarios: the one vetted answer to a developer's problem."""

__version__ = "0.1.0"
