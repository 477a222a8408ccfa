"""``python -m scpi``: the command line, where its script is not on the path."""

from scpi.cli import app

if __name__ == "__main__":
    app()
