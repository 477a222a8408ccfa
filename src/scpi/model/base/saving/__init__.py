"""How models are written to files and read again, without running code."""
