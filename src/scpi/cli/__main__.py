from scpi.cli import app

app()
