"""The Virtual Cell Challenge: its scores, and the files that it takes."""
