"""The report of a grid: its tables, figures and page."""
