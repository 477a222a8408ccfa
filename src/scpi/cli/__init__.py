"""The command line: ``scpi demo``, ``scpi screen``, ``scpi de``, ``scpi programs``, ``scpi predict`` and ``scpi benchmark``."""

from scpi.cli._app import app as app
