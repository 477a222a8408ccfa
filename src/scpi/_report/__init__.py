"""Reports as HTML pages of one file: the template that all share, and how figures and tables get into it."""
